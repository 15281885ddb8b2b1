//! The decision of a policy on a request.

use crate::{
    policy::Rule,
    reason::{Reason, Status},
};

/// The decision on one [`Request`](crate::Request).
#[derive(Debug, Clone, Copy)]
pub struct Decision<'p> {
    /// The reason; only [`Reason::Ok`] allows.
    pub reason: Reason,
    /// The status of the response to the gateway.
    pub status: Status,
    /// The rule that decided; `None` if none matched.
    pub rule: Option<&'p Rule>,
}

impl Decision<'_> {
    /// Returns a decision without a lookup, because the authorization request is invalid.
    #[must_use]
    pub fn without_rule(reason: Reason) -> Self {
        Self {
            reason,
            status: reason.status(false),
            rule: None,
        }
    }

    /// Denies the request for another reason.
    pub fn deny(&mut self, reason: Reason) {
        self.reason = reason;
        self.status = reason.status(false);
    }

    /// Returns whether the request is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.reason == Reason::Ok
    }
}
