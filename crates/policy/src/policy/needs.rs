//! The facts that a decision needs.

/// The facts that must be known before a rule can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The client type: the rule requires a key.
    pub key: bool,
    /// The user: the rule requires one, or one of its expressions uses `groups`, `permissions` or `user`.
    pub user: bool,
}

impl Needs {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            key: self.key || other.key,
            user: self.user || other.user,
        }
    }
}
