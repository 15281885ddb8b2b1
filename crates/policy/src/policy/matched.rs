//! A request and its matching rule, before its user is known.
//!
//! A decision has three steps: [`Policy::matched`] finds the rule, [`Matched::needs`] returns what the
//! decision depends on, and [`Matched::judge`] decides. The lookup of a user, which may take a while,
//! happens between the last two, and only if a user is needed.

use keygate_expression::User;

use super::{MOST_COMPARED_BYTES, Match, Needs, Policy, Rule};
use crate::{
    Decision, Login, Reason, Request,
    path::{Ambiguities, CanonicalPath, TargetError, interpretations::Interpretation},
};

/// A request and the rule that decides on it.
#[derive(Debug, Clone)]
pub struct Matched<'p, 'r> {
    policy: &'p Policy,
    request: &'r Request<'r>,
    /// The canonical path and the result of its lookup, or the reason why there is none.
    found: Result<(CanonicalPath<'r>, Match<'p>), Reason>,
}

impl Policy {
    /// Finds the rule that decides on a request; a user among its facts is ignored.
    #[must_use]
    pub fn matched<'r>(&self, request: &'r Request<'r>) -> Matched<'_, 'r> {
        Matched {
            policy: self,
            request,
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
        if path.ambiguities().rejected_unless(allowed).is_empty() {
            Ok((path, found))
        } else {
            Err(Reason::AmbiguousPath)
        }
    }

    /// Decides on a request whose user, if any, is among its facts.
    ///
    /// A request is allowed only if it would be allowed under every known interpretation of its path.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision<'_> {
        self.matched(request).judge(request.facts.user)
    }
}

impl<'p, 'r> Matched<'p, 'r> {
    /// Returns the matching rule.
    #[must_use]
    pub fn rule(&self) -> Option<&'p Rule> {
        self.found.as_ref().ok().and_then(|(_, found)| found.rule())
    }

    /// Returns the canonical path that a decision is for; `None` if servers differ on it.
    #[must_use]
    pub fn path_of(&self, decision: &Decision<'_>) -> Option<&CanonicalPath<'r>> {
        let found = self.found.as_ref().ok().map(|(path, _)| path);
        found.filter(|_| decision.reason != Reason::AmbiguousPath)
    }

    /// Returns which facts the decision needs; none if the request is denied for every caller.
    ///
    /// A shadow expression of the rule has needs of its own. A shadow policy has its own match and needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let Ok((path, found)) = &self.found else {
            return Needs::default();
        };
        let needs = found.needs(self.request);
        // The request must be allowed under every interpretation of its path, and each may match another rule.
        self.interpretations(path)
            .iter()
            .map(|interpretation| {
                let path = interpretation.path(self.request.target);
                self.policy.find(self.request, &path).needs(self.request)
            })
            .fold(needs, Needs::or)
    }

    /// Decides for this user, or for a request without one.
    #[must_use]
    pub fn judge(&self, user: Option<&User>) -> Decision<'p> {
        let request = self.request.with_user(user);
        let (path, found) = match &self.found {
            Ok((path, found)) => (path, *found),
            Err(reason) => return Decision::without_rule(*reason),
        };
        let reason = found.judge(&request);
        if reason == Reason::Ok && !self.passes_every_interpretation(&request, path) {
            return Decision::without_rule(Reason::AmbiguousPath);
        }
        Decision {
            reason,
            status: reason.status(request.facts.caller_is_known()),
            rule: found.rule(),
        }
    }

    /// Decides for the result of a lookup, which counts only if the decision needs a user.
    #[must_use]
    pub fn decide(&self, login: Login<'_>) -> Decision<'p> {
        // Without a login it makes no difference, and `needs` takes time.
        let needs_user = matches!(login, Login::Nobody) || self.needs().user;
        match login.for_decision(needs_user) {
            Ok(user) => self.judge(user),
            Err(reason) => self.deny(reason),
        }
    }

    /// Denies the request because its user is not known.
    #[must_use]
    pub fn deny(&self, reason: Reason) -> Decision<'p> {
        Decision {
            rule: self.rule(),
            ..Decision::without_rule(reason)
        }
    }

    /// Returns the interpretations to compare; `None` if there are too many to allow the request.
    fn interpretations(&self, path: &CanonicalPath<'_>) -> Vec<Interpretation> {
        let found = path.ambiguities();
        if found.is_empty() {
            return Vec::new();
        }
        let mut interpretations = Interpretation::differing_on(found);
        if interpretations
            .len()
            .saturating_mul(self.request.target.len())
            > MOST_COMPARED_BYTES
        {
            interpretations.clear();
        }
        interpretations
    }

    /// Whether the request is allowed under every known interpretation.
    fn passes_every_interpretation(&self, request: &Request<'_>, path: &CanonicalPath<'_>) -> bool {
        if path.ambiguities().is_empty() {
            return true;
        }
        let interpretations = self.interpretations(path);
        !interpretations.is_empty()
            && interpretations.iter().all(|interpretation| {
                let path = interpretation.path(request.target);
                match self.policy.find(request, &path) {
                    Match::NoEndpoint => interpretation.may_lead_nowhere(&path),
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
