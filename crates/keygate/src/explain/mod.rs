//! How a request would be decided, and why: what `keygate explain`, `matrix` and `test` print and
//! the debug page shows.

pub mod cases;
pub mod matrix;
pub mod question;

use std::fmt;

use keygate_policy::{
    Decision, Policy, Reason, Request, Rule, expression::Explanation, path::CanonicalPath,
};
use serde::Serialize;

pub use question::Question;

/// How one request would be decided.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Whether it may pass.
    pub allowed: bool,
    /// The status of the answer.
    pub status: u16,
    /// Why.
    pub reason: &'static str,
    /// The reason in words.
    pub meaning: &'static str,
    /// The path that the rule was looked up by.
    pub path: Option<String>,
    /// The rule that decides.
    pub endpoint: Option<String>,
    /// What it asks for.
    #[serde(flatten)]
    pub demands: Option<Demands>,
    /// What the rule's shadow, or a whole shadow policy, would answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowAnswer>,
}

/// What a rule asks for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Demands {
    /// Whether a request needs an API key.
    pub api_key_required: bool,
    /// Whether it needs a logged-in user.
    pub authentication_required: bool,
    /// The expression with each part's value.
    pub expression: Explanation,
}

/// What a shadow would answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowAnswer {
    /// Whether the request would pass.
    pub allowed: bool,
    /// Why.
    pub reason: &'static str,
    /// The rule that would decide.
    pub endpoint: Option<String>,
    /// Its expression with each part's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<Explanation>,
}

impl Answer {
    /// What the policy, and a shadow policy where there is one, make of a request.
    #[must_use]
    pub fn of(request: &Request<'_>, policy: &Policy, shadow_policy: Option<&Policy>) -> Self {
        let decision = policy.decide(request);
        let demands = decision.rule.map(|rule| Demands::of(rule, request));
        Self {
            allowed: decision.is_allowed(),
            status: decision.status.code(),
            reason: decision.reason.as_str(),
            meaning: decision.reason.meaning(),
            path: decision.path.as_ref().map(shown),
            endpoint: decision.rule.map(|rule| rule.label().to_owned()),
            demands,
            shadow: match shadow_policy {
                Some(policy) => Some(ShadowAnswer::by_policy(request, policy)),
                None => ShadowAnswer::by_expression(request, &decision),
            },
        }
    }
}

impl Demands {
    fn of(rule: &Rule, request: &Request<'_>) -> Self {
        let is_backoffice = request.facts.is_backoffice;
        Self {
            api_key_required: rule.api_key_required(),
            authentication_required: rule.authentication_required(is_backoffice),
            expression: rule.expression(is_backoffice).explain(&request.facts),
        }
    }
}

impl ShadowAnswer {
    fn by_policy(request: &Request<'_>, policy: &Policy) -> Self {
        let Decision { reason, rule, .. } = policy.decide(request);
        let expression = |rule: &Rule| rule.expression(request.facts.is_backoffice).clone();
        Self {
            allowed: reason == Reason::Ok,
            reason: reason.as_str(),
            endpoint: rule.map(|rule| rule.label().to_owned()),
            expression: rule.map(|rule| expression(rule).explain(&request.facts)),
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
            expression: Some(expression.explain(&request.facts)),
        })
    }
}

fn shown(path: &CanonicalPath<'_>) -> String {
    path.as_bytes().escape_ascii().to_string()
}

/// For people: the decision, what it rests on, and the expression as a tree.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = verdict(self.allowed);
        write!(f, "{verdict} ({}, {})", self.status, self.reason)?;
        write!(f, ": {}", self.meaning)?;
        let none = "none";
        write!(f, "\n\npath      {}", self.path.as_deref().unwrap_or(none))?;
        let endpoint = self.endpoint.as_deref().unwrap_or(none);
        write!(f, "\nendpoint  {endpoint}")?;
        if let Some(demands) = &self.demands {
            write!(f, "\nasks for  {}", demands.in_words())?;
            write!(f, "\n\n{}", demands.expression)?;
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

impl Demands {
    /// What a request needs besides the expression.
    #[must_use]
    pub const fn in_words(&self) -> &'static str {
        match (self.api_key_required, self.authentication_required) {
            (true, true) => "an API key, a logged-in user and the expression",
            (true, false) => "an API key and the expression",
            (false, true) => "a logged-in user and the expression",
            (false, false) => "the expression alone",
        }
    }
}

/// A decision in one word.
#[must_use]
pub const fn verdict(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}
