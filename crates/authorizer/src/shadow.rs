//! Shadow rules and policies, which are evaluated for real requests and never enforced.

use keygate_policy::{Login, Needs, Reason, Request, Rule, policy::Matched};

/// The decision of a shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadow<'a> {
    /// The reason of the decision.
    pub reason: Reason,
    /// The label of the rule that would have decided.
    pub endpoint: Option<&'a str>,
}

/// How a shadow's decision differs from the actual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both allow or both deny.
    Same,
    /// The request was denied, and the shadow would allow it.
    WouldAllow,
    /// The request was allowed, and the shadow would deny it.
    WouldDeny,
}

impl<'a> Shadow<'a> {
    /// Returns the decision of the shadow policy.
    pub(crate) fn of_policy(matched: &Matched<'a, '_>, login: Login<'_>) -> Self {
        let decision = matched.decide(login);
        Self {
            reason: decision.reason,
            endpoint: decision.rule.map(Rule::label),
        }
    }

    /// Returns the decision of the shadow expression of the rule that decided, if it has one.
    pub(crate) fn of_rule(
        request: &Request<'_>,
        rule: Option<&'a Rule>,
        login: Login<'_>,
        needs: Needs,
    ) -> Option<Self> {
        let rule = rule?;
        rule.shadow_expression(request.facts.is_backoffice)?;
        let reason = match login.for_decision(needs.shadow_user) {
            Ok(user) => rule.judge_by_shadow(&request.with_user(user))?,
            Err(reason) => reason,
        };
        Some(Self {
            reason,
            endpoint: Some(rule.label()),
        })
    }

    /// Compares the decision with the actual one.
    #[must_use]
    pub fn verdict(&self, given: Reason) -> Verdict {
        match (given == Reason::Ok, self.reason == Reason::Ok) {
            (false, true) => Verdict::WouldAllow,
            (true, false) => Verdict::WouldDeny,
            (true, true) | (false, false) => Verdict::Same,
        }
    }
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Same, Self::WouldAllow, Self::WouldDeny];

    /// Returns the name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::WouldAllow => "would-allow",
            Self::WouldDeny => "would-deny",
        }
    }
}
