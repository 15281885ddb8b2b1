//! A request and the rule that it matches, before its user is known.
//!
//! A decision has three steps: [`Policy::matched`] finds the rule, [`Matched::needs`] says what that rule
//! has to know, and [`Matched::judge`] decides. Whoever looks a user up, which may take a while, does so
//! between the last two, and only where a user is needed.

use keygate_expression::{Facts, User};

use super::{MOST_COMPARED_BYTES, Match, Needs, Policy, Rule};
use crate::{
    Decision, Reason, Request,
    path::{Ambiguities, CanonicalPath, TargetError, readings::Reading},
};

/// A request and the rule of a policy that decides on it.
#[derive(Debug, Clone)]
pub struct Matched<'p, 'r> {
    policy: &'p Policy,
    request: Request<'r>,
    /// The canonical path and what it leads to, or why there is no rule to look up.
    found: Result<(CanonicalPath<'r>, Match<'p>), Reason>,
}

impl Policy {
    /// Finds the rule that decides on a request; a user among its facts plays no part.
    #[must_use]
    pub fn matched<'r>(&self, request: &Request<'r>) -> Matched<'_, 'r> {
        Matched {
            policy: self,
            request: *request,
            found: self.look_up(request),
        }
    }

    fn look_up<'r>(&self, request: &Request<'r>) -> Result<(CanonicalPath<'r>, Match<'_>), Reason> {
        let path = CanonicalPath::parse(request.target).map_err(TargetError::reason)?;
        if self.matcher.needs_host() && request.host.is_none() {
            return Err(Reason::MalformedRequest);
        }
        let found = self.find(request, path.as_bytes());
        let allowed = match found {
            Match::Rule(rule) => rule.allowed_ambiguities(),
            Match::MethodNotAllowed | Match::NoEndpoint => Ambiguities::default(),
        };
        if path.ambiguities().refused_unless(allowed).is_empty() {
            Ok((path, found))
        } else {
            Err(Reason::AmbiguousPath)
        }
    }

    /// Decides on one request whose user, if it has one, is among its facts.
    ///
    /// A request passes only if it would pass under every reading of its path that a server is
    /// known to make.
    #[must_use]
    pub fn decide<'r>(&self, request: &Request<'r>) -> Decision<'_, 'r> {
        self.matched(request).judge(request.facts.user)
    }
}

impl<'p, 'r> Matched<'p, 'r> {
    /// Returns the rule, if one matches.
    #[must_use]
    pub fn rule(&self) -> Option<&'p Rule> {
        self.found.as_ref().ok().and_then(|(_, found)| found.rule())
    }

    /// Returns what has to be known of the caller; nothing where the request is denied whoever sent it.
    ///
    /// The shadow expression of the rule counts. A shadow policy has a match, and needs, of its own.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let Ok((path, found)) = &self.found else {
            return Needs::default();
        };
        let needs = found.needs(&self.request);
        // A request has to pass under every reading of its path, and each may lead to another rule.
        self.readings(path)
            .iter()
            .map(|reading| {
                let path = reading.path(self.request.target);
                self.policy.find(&self.request, &path).needs(&self.request)
            })
            .fold(needs, Needs::or)
    }

    /// Decides, for this user or for nobody.
    #[must_use]
    pub fn judge(self, user: Option<&User>) -> Decision<'p, 'r> {
        let request = self.of(user);
        let (path, found) = match &self.found {
            Ok((path, found)) => (path, *found),
            Err(reason) => return Decision::without_rule(*reason),
        };
        let reason = found.judge(&request);
        if reason == Reason::Ok && !self.passes_every_reading(&request, path) {
            return Decision::without_rule(Reason::AmbiguousPath);
        }
        Decision {
            reason,
            status: reason.status(request.facts.caller_is_known()),
            rule: found.rule(),
            path: self.found.ok().map(|(path, _)| path),
        }
    }

    /// The request with this user.
    fn of<'u>(&self, user: Option<&'u User>) -> Request<'u>
    where
        'r: 'u,
    {
        Request {
            facts: Facts {
                user,
                ..self.request.facts
            },
            ..self.request
        }
    }

    /// The readings to compare; none where they are too many for the request to be allowed.
    fn readings(&self, path: &CanonicalPath<'_>) -> Vec<Reading> {
        let found = path.ambiguities();
        if found.is_empty() {
            return Vec::new();
        }
        let mut readings = Reading::differing_on(found);
        if readings.len().saturating_mul(self.request.target.len()) > MOST_COMPARED_BYTES {
            readings.clear();
        }
        readings
    }

    /// Whether no known reading leads the request to where it would be denied.
    fn passes_every_reading(&self, request: &Request<'_>, path: &CanonicalPath<'_>) -> bool {
        if path.ambiguities().is_empty() {
            return true;
        }
        let readings = self.readings(path);
        !readings.is_empty()
            && readings.iter().all(|reading| {
                let path = reading.path(request.target);
                match self.policy.find(request, &path) {
                    Match::NoEndpoint => reading.may_lead_nowhere(&path),
                    other => other.judge(request) == Reason::Ok,
                }
            })
    }
}

impl Match<'_> {
    fn needs(self, request: &Request<'_>) -> Needs {
        self.rule()
            .map(|rule| rule.needs(request))
            .unwrap_or_default()
    }
}
