//! Shadow rules and policies, which are evaluated for real requests and never enforced.

use keygate_policy::{Decision, Policy, Reason, Request};

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
    /// Returns the decision of the shadow policy, or else of the shadow expression of the deciding rule.
    pub(crate) fn of(
        request: &Request<'_>,
        decision: &Decision<'a, '_>,
        policy: Option<&'a Policy>,
    ) -> Option<Self> {
        if let Some(policy) = policy {
            let tried = policy.decide(request);
            return Some(Self {
                reason: tried.reason,
                endpoint: tried.rule.map(keygate_policy::Rule::label),
            });
        }
        let rule = decision.rule?;
        Some(Self {
            reason: rule.judge_by_shadow(request)?,
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
