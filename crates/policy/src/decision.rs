//! What a policy decides of a request.

use crate::{
    path::CanonicalPath,
    policy::Rule,
    reason::{Reason, Status},
};

/// The answer to one [`Request`](crate::Request).
#[derive(Debug, Clone)]
pub struct Decision<'p, 'r> {
    /// Why; [`Reason::Ok`] is the only one that allows.
    pub reason: Reason,
    /// What to answer the gateway with.
    pub status: Status,
    /// The rule that decided; absent where none matched.
    pub rule: Option<&'p Rule>,
    /// The path that the rule was looked up by; absent where the target has no single reading.
    pub path: Option<CanonicalPath<'r>>,
}

impl Decision<'_, '_> {
    /// A decision on the gateway's question alone, before any rule was looked up.
    #[must_use]
    pub fn without_rule(reason: Reason) -> Self {
        Self {
            reason,
            status: reason.status(false),
            rule: None,
            path: None,
        }
    }

    /// Whether the request may pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.reason == Reason::Ok
    }
}
