//! What a decision makes of the result of a user look-up.

use keygate_policy::Reason;
use keygate_users::{Outcome, User};

/// The user of a request, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Login<'u> {
    /// Nobody is logged in, or no user was looked up.
    Nobody,
    /// This user is logged in.
    User(&'u User),
    /// The look-up failed: a rule that needs a user denies for this reason.
    Failed(Reason),
}

impl<'u> Login<'u> {
    /// Returns the user for a decision that needs one, and nobody for a decision that does not.
    ///
    /// # Errors
    /// The decision needs a user, and the look-up failed.
    pub(crate) fn for_decision(self, needs_user: bool) -> Result<Option<&'u User>, Reason> {
        match self {
            _ if !needs_user => Ok(None),
            Self::Nobody => Ok(None),
            Self::User(user) => Ok(Some(user)),
            Self::Failed(reason) => Err(reason),
        }
    }
}

impl<'u> From<&'u Outcome> for Login<'u> {
    fn from(outcome: &'u Outcome) -> Self {
        match outcome {
            Outcome::User(user, _) => Self::User(user),
            Outcome::Nobody(_) => Self::Nobody,
            Outcome::InvalidToken(_) => Self::Failed(Reason::InvalidToken),
            Outcome::Malformed(_) => Self::Failed(Reason::MalformedRequest),
            Outcome::Unavailable(_) => Self::Failed(Reason::UserUnavailable),
        }
    }
}
