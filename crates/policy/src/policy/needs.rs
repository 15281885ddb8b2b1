//! The facts that a decision needs.

/// The facts that must be known before a rule can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The client type: the rule requires a key.
    pub key: bool,
    /// The user: the rule requires one, or its expression uses `groups`, `permissions` or `user`.
    pub user: bool,
    /// The user: the rule's shadow expression uses `groups`, `permissions` or `user`.
    pub shadow_user: bool,
}

impl Needs {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            key: self.key || other.key,
            user: self.user || other.user,
            shadow_user: self.shadow_user || other.shadow_user,
        }
    }
}
