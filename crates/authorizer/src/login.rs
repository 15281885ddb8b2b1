//! What a decision makes of the result of a user lookup.

use keygate_policy::{Login, Reason};
use keygate_users::Outcome;

/// Returns the user of a request whose lookup had this result.
pub(crate) fn of(outcome: &Outcome) -> Login<'_> {
    match outcome {
        Outcome::User(user, _) => Login::User(user),
        Outcome::Nobody(_) => Login::Nobody,
        Outcome::InvalidToken(_) => Login::Failed(Reason::InvalidToken),
        Outcome::Malformed(_) => Login::Failed(Reason::MalformedRequest),
        Outcome::Unavailable(_) => Login::Failed(Reason::UserUnavailable),
    }
}
