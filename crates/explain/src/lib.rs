//! Explains decisions, for `keygate explain`, `matrix` and `test` and the debug page.
//!
//! *Invariant: pure, except that warnings about keys read the time.* It depends on neither service:
//! callers pass the active policy and keys.

pub mod cases;
pub mod description;
pub mod matrix;

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use keygate_documents::diagnostic::nearest;
use keygate_expression::{Explanation, Expression};
use keygate_keys::{KeyTable, key::KeyState};
use keygate_policy::{Decision, Policy, Reason, Request, Rule, path::CanonicalPath};
use serde::Serialize;

pub use description::RequestDescription;

/// A decision on a request, with its explanation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDecision {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// The status of the response.
    pub status: u16,
    /// The reason as in `x-keygate-reason`.
    pub reason: &'static str,
    /// The reason as a sentence.
    pub meaning: &'static str,
    /// The canonical path of the look-up.
    pub path: Option<String>,
    /// The rule that decides.
    pub endpoint: Option<String>,
    /// The requirements of the rule.
    #[serde(flatten)]
    pub requirements: Option<Requirements>,
    /// The decision of the rule's shadow, or of a shadow policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowDecision>,
    /// What the request lacks, and how to add it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A likely error in the request's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The requirements of a rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// Whether a request needs an API key.
    pub api_key_required: bool,
    /// Whether a request needs a logged-in user.
    pub authentication_required: bool,
    /// The expression, with the outcome of each part.
    pub expression: Explanation,
}

/// The decision of a shadow.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowDecision {
    /// Whether the request would be allowed.
    pub allowed: bool,
    /// The reason as in `x-keygate-reason`.
    pub reason: &'static str,
    /// The rule that would decide.
    pub endpoint: Option<String>,
    /// Its expression, with the outcome of each part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<Explanation>,
}

impl ExplainedDecision {
    /// Returns the decision of a policy on a request, and that of a shadow policy, if any.
    #[must_use]
    pub fn of(request: &Request<'_>, policy: &Policy, shadow_policy: Option<&Policy>) -> Self {
        let decision = policy.decide(request);
        let requirements = decision
            .rule
            .map(|rule| Requirements::of(rule, request, decision.reason));
        Self {
            allowed: decision.is_allowed(),
            status: decision.status.code(),
            reason: decision.reason.as_str(),
            meaning: decision.reason.meaning(),
            path: decision.path.as_ref().map(shown),
            endpoint: decision.rule.map(|rule| rule.label().to_owned()),
            requirements,
            shadow: match shadow_policy {
                Some(policy) => Some(ShadowDecision::by_policy(request, policy)),
                None => ShadowDecision::by_expression(request, &decision),
            },
            hint: hint(request, policy, &decision),
            warning: None,
        }
    }

    /// Returns the decision on a described request, with warnings if the keys are known.
    #[must_use]
    pub fn to(
        description: &RequestDescription,
        policy: &Policy,
        shadow_policy: Option<&Policy>,
        keys: Option<&KeyTable>,
    ) -> Self {
        let user = description.logged_in();
        let request = description.request(user.as_ref());
        let decision = Self::of(&request, policy, shadow_policy);
        let client_type = description.client_type.as_deref();
        Self {
            warning: keys
                .zip(client_type)
                .and_then(|(keys, client_type)| client_type_warning(client_type, keys)),
            ..decision
        }
    }

    /// Returns the requirements in the order of evaluation, and whether each one decided.
    ///
    /// The parts of the expression show which of them decided.
    #[must_use]
    pub fn steps(&self) -> Vec<(&'static str, bool)> {
        let Some(requirements) = &self.requirements else {
            return Vec::new();
        };
        let is = |reason: Reason| self.reason == reason.as_str();
        let steps = [
            (
                requirements.api_key_required,
                ("an API key", is(Reason::MissingKey)),
            ),
            (
                requirements.authentication_required,
                ("a logged-in user", is(Reason::MissingUser)),
            ),
            (true, ("its expression to be true", false)),
        ];
        let required = steps.into_iter().filter(|(is_required, _)| *is_required);
        required.map(|(_, step)| step).collect()
    }
}

/// Returns what a request that matched no rule lacks, and how to add it.
fn hint(request: &Request<'_>, policy: &Policy, decision: &Decision<'_, '_>) -> Option<String> {
    let in_backticks = |names: Vec<String>| format!("`{}`", names.join("`, `"));
    match decision.reason {
        Reason::MalformedRequest if is_path_without_slash(request.target) => {
            let target = String::from_utf8_lossy(request.target);
            Some(format!(
                "a request target starts with a slash: write `/{target}`"
            ))
        }
        Reason::MalformedRequest if request.host.is_none() && policy.needs_host() => {
            let hosts = policy.rules().iter().flat_map(Rule::hosts);
            let hosts: BTreeSet<_> = hosts.map(ToString::to_string).collect();
            let example = hosts.iter().find(|host| !host.starts_with('*'));
            let example = example.map_or("www.example.com", String::as_str).to_owned();
            let named = in_backticks(hosts.into_iter().take(8).collect());
            Some(format!(
                "the policy names hosts ({named}), and this request has none: add `--host {example}`, \
                 in a file of cases `host: {example}`"
            ))
        }
        Reason::MethodNotAllowed => {
            let path = CanonicalPath::parse(request.target).ok()?;
            let rules = policy.rules_for_any_method(request, path.as_bytes());
            let labels = rules.iter().map(|rule| rule.label().to_owned()).collect();
            let method = request.method;
            Some(format!(
                "no rule of this path is for `{method}`; its rules are {}",
                in_backticks(labels)
            ))
        }
        _ => None,
    }
}

fn is_path_without_slash(target: &[u8]) -> bool {
    let is_absolute = target.windows(3).any(|part| part == b"://");
    !target.starts_with(b"/") && !is_absolute && target != b"*" && target.is_ascii()
}

/// Returns a warning if no valid key has the client type.
fn client_type_warning(client_type: &str, keys: &KeyTable) -> Option<String> {
    let now = Timestamp::now();
    let its = || {
        let keys = keys.keys();
        keys.filter(|key| key.client_type().as_str() == client_type)
    };
    if its().any(|key| key.state(now) == KeyState::Valid) {
        return None;
    }
    let what = format!("no valid key has the client type `{client_type}`");
    Some(match its().next() {
        Some(key) => format!("{what}: the key `{}` is {}", key.id(), key.state(now)),
        None => match nearest(client_type, keys.client_types()) {
            Some(meant) => format!("{what}: did you mean `{meant}`?"),
            None => what,
        },
    })
}

impl Requirements {
    fn of(rule: &Rule, request: &Request<'_>, reason: Reason) -> Self {
        let is_backoffice = request.facts.is_backoffice;
        Self {
            api_key_required: rule.api_key_required(),
            authentication_required: rule.authentication_required(is_backoffice),
            expression: explain(rule.expression(is_backoffice), request, reason),
        }
    }
}

impl ShadowDecision {
    fn by_policy(request: &Request<'_>, policy: &Policy) -> Self {
        let Decision { reason, rule, .. } = policy.decide(request);
        let expression = |rule: &Rule| {
            let expression = rule.expression(request.facts.is_backoffice);
            explain(expression, request, reason)
        };
        Self {
            allowed: reason == Reason::Ok,
            reason: reason.as_str(),
            endpoint: rule.map(|rule| rule.label().to_owned()),
            expression: rule.map(expression),
        }
    }

    fn by_expression(request: &Request<'_>, decision: &Decision<'_, '_>) -> Option<Self> {
        let rule = decision.rule?;
        let reason = rule.judge_by_shadow(request)?;
        let expression = rule.shadow_expression(request.facts.is_backoffice)?;
        Some(Self {
            allowed: reason == Reason::Ok,
            reason: reason.as_str(),
            endpoint: Some(rule.label().to_owned()),
            expression: Some(explain(expression, request, reason)),
        })
    }
}

/// Explains an expression; no part of it decided if an earlier requirement did.
fn explain(expression: &Expression, request: &Request<'_>, reason: Reason) -> Explanation {
    let explanation = expression.explain(&request.facts);
    match reason {
        Reason::MissingKey | Reason::MissingUser => explanation.settled_before(),
        _ => explanation,
    }
}

fn shown(path: &CanonicalPath<'_>) -> String {
    path.as_bytes().escape_ascii().to_string()
}

/// For people: the decision, its reasons, and the expression as a tree.
impl fmt::Display for ExplainedDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = verdict(self.allowed);
        write!(f, "{verdict} ({}, {})", self.status, self.reason)?;
        write!(f, ": {}", self.meaning)?;
        let none = "none";
        write!(f, "\n\npath      {}", self.path.as_deref().unwrap_or(none))?;
        let endpoint = self.endpoint.as_deref().unwrap_or(none);
        write!(f, "\nendpoint  {endpoint}")?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint      {hint}")?;
        }
        if let Some(requirements) = &self.requirements {
            f.write_str("\nrequires  ")?;
            for (number, (step, decided)) in self.steps().into_iter().enumerate() {
                f.write_str(if number > 0 { ", then " } else { "" })?;
                f.write_str(step)?;
                f.write_str(if decided { " ← decided" } else { "" })?;
            }
            write!(f, "\n\n{}", requirements.expression)?;
        }
        if let Some(shadow) = &self.shadow {
            let verdict = if shadow.allowed { "allow" } else { "deny" };
            write!(f, "\n\nshadow    would {verdict} ({})", shadow.reason)?;
            if let Some(expression) = &shadow.expression {
                write!(f, "\n\n{expression}")?;
            }
        }
        Ok(())
    }
}

/// Returns a decision as one word.
#[must_use]
pub const fn verdict(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}
