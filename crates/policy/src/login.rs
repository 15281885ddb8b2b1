//! The user of a request, as far as a lookup has found one.

use keygate_expression::User;

use crate::Reason;

/// The user of a request, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub enum Login<'u> {
    /// Nobody is logged in, or no user was looked up.
    Nobody,
    /// This user is logged in.
    User(&'u User),
    /// The lookup failed: a rule that needs a user denies for this reason.
    Failed(Reason),
}

impl<'u> Login<'u> {
    /// Returns the user for a decision that needs one, and nobody for a decision that does not.
    ///
    /// # Errors
    /// The decision needs a user, and the lookup failed.
    pub fn for_decision(self, needs_user: bool) -> Result<Option<&'u User>, Reason> {
        match self {
            _ if !needs_user => Ok(None),
            Self::Nobody => Ok(None),
            Self::User(user) => Ok(Some(user)),
            Self::Failed(reason) => Err(reason),
        }
    }
}

impl<'u> From<Option<&'u User>> for Login<'u> {
    fn from(user: Option<&'u User>) -> Self {
        user.map_or(Self::Nobody, Self::User)
    }
}
