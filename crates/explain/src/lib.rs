//! Explains decisions, for `keygate explain`, `matrix` and `test` and the debug page.
//!
//! *Invariant: pure, except that warnings about keys read the time.* It depends on neither service:
//! callers pass the active policy and keys.

pub mod cases;
pub mod description;
mod hint;
pub mod matrix;
pub mod token;

use std::fmt;

use keygate_expression::{Explanation, Expression};
use keygate_keys::KeyTable;
use keygate_policy::{Decision, Login, Needs, Policy, Reason, Request, Rule, path::CanonicalPath};
use keygate_users::{Identity, User, identity};
use serde::Serialize;

pub use description::{RequestDescription, UserDescription};
pub use token::ExplainedToken;

/// What decides on a request, and what is known about callers.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The shadow policy, if there is one.
    pub shadow_policy: Option<&'a Policy>,
    /// The keys, if they are known: for warnings about client types.
    pub keys: Option<&'a KeyTable>,
    /// The settings about users, if they are known.
    pub users: Option<UserSettings<'a>>,
}

/// The settings about users.
#[derive(Debug, Clone, Copy)]
pub struct UserSettings<'a> {
    /// The sources of users, in words; without one, nobody is ever logged in.
    pub sources: &'a [String],
    /// The setting `identity-header-limit`.
    pub identity_limit: usize,
}

impl<'a> Context<'a> {
    /// Returns the context where nothing but the policy is known.
    #[must_use]
    pub fn of(policy: &'a Policy) -> Self {
        Self {
            policy,
            shadow_policy: None,
            keys: None,
            users: None,
        }
    }

    /// Returns why the identity of a user fits into no headers.
    fn unfit(&self, user: &User) -> Option<identity::Unfit> {
        let limit = self.users.map(|users| users.identity_limit);
        let mut user = user.clone();
        if user.id.is_empty() {
            // Only a described user has none.
            "unknown".clone_into(&mut user.id);
        }
        Identity::of(&user, limit.unwrap_or(identity::DEFAULT_LIMIT)).err()
    }
}

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
    /// The canonical path of the lookup.
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
    /// Returns the decision on a request; a user among its facts is ignored.
    #[must_use]
    pub fn of(request: &Request<'_>, login: Login<'_>, context: &Context<'_>) -> Self {
        let matched = context.policy.matched(request);
        let needs = matched.needs();
        let mut decision = matched.decide(login);
        let user = match login {
            Login::User(user) => Some(user),
            Login::Nobody | Login::Failed(_) => None,
        };
        let unfit = user
            .filter(|_| needs.user && decision.is_allowed())
            .and_then(|user| context.unfit(user));
        if unfit.is_some() {
            decision.deny(Reason::IdentityTooLarge);
        }
        let request = &request.with_user(user);
        let requirements = decision
            .rule
            .map(|rule| Requirements::of(rule, request, decision.reason));
        Self {
            allowed: decision.is_allowed(),
            status: decision.status.code(),
            reason: decision.reason.as_str(),
            meaning: decision.reason.meaning(),
            path: matched.path_of(&decision).map(shown),
            endpoint: decision.rule.map(|rule| rule.label().to_owned()),
            requirements,
            shadow: match context.shadow_policy {
                Some(policy) => Some(ShadowDecision::by_policy(request, login, policy)),
                None => ShadowDecision::by_expression(request, login, needs, &decision),
            },
            hint: match unfit {
                Some(unfit) => Some(unfit.to_string()),
                None => hint::of(request, &decision, needs, context),
            },
            warning: None,
        }
    }

    /// Returns the decision on a described request, with warnings about its description.
    #[must_use]
    pub fn to(description: &RequestDescription, context: &Context<'_>) -> Self {
        let user = description.user.user();
        let request = description.request();
        Self {
            warning: hint::warning(description, user.is_some(), context),
            ..Self::of(&request, Login::from(user.as_ref()), context)
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
            (is(Reason::InvalidToken), ("a valid token", true)),
            (true, ("a true expression", false)),
            (
                is(Reason::IdentityTooLarge),
                ("a user identity that fits into the headers", true),
            ),
        ];
        let required = steps.into_iter().filter(|(is_required, _)| *is_required);
        required.map(|(_, step)| step).collect()
    }
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
    fn by_policy(request: &Request<'_>, login: Login<'_>, policy: &Policy) -> Self {
        let Decision { reason, rule, .. } = policy.matched(request).decide(login);
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

    fn by_expression(
        request: &Request<'_>,
        login: Login<'_>,
        needs: Needs,
        decision: &Decision<'_>,
    ) -> Option<Self> {
        let rule = decision.rule?;
        let expression = rule.shadow_expression(request.facts.is_backoffice)?;
        let reason = match login.for_decision(needs.shadow_user) {
            Ok(user) => rule.judge_by_shadow(&request.with_user(user))?,
            Err(reason) => reason,
        };
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
        Reason::MissingKey
        | Reason::MissingUser
        | Reason::InvalidToken
        | Reason::UserUnavailable
        | Reason::MalformedRequest => explanation.settled_before(),
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
        // Last, because they say what to do.
        if let Some(hint) = &self.hint {
            write!(f, "\n\nhint      {hint}")?;
        }
        if let Some(warning) = &self.warning {
            write!(f, "\n\nwarning   {warning}")?;
        }
        Ok(())
    }
}

/// Returns a decision as one word.
#[must_use]
pub const fn verdict(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}
