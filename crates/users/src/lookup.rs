//! The lookup of a request's user: its input, its result, and who does it.

use std::{fmt, pin::Pin, sync::Arc};

use http::HeaderMap;
use jiff::Timestamp;

use crate::{
    Refusal, User, Warning, peers::Peer, trusted::MalformedHeaders, userinfo::NobodyReason,
};

/// Something that looks users up, such as the sources that the settings name.
pub trait FindUser: fmt::Debug + Send + Sync {
    /// Looks the user of a request up. It may take a while, and must have a limit.
    fn find<'a>(&'a self, lookup: Lookup<'a>)
    -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
}

/// A request whose user is looked up.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'h> {
    /// Its headers.
    pub headers: &'h HeaderMap,
    /// The gateway that sent it; where it is not known, trusted headers are ignored.
    pub peer: Option<Peer>,
    /// Whether it comes through the back-office gateway.
    pub is_backoffice: bool,
    /// The time.
    pub now: Timestamp,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// This user is logged in; the warnings are for the log.
    User(Arc<User>, Vec<Warning>),
    /// Nobody is logged in, with a reason for the log unless the request has no credential.
    Nobody(Option<NobodyReason>),
    /// The token is invalid (`invalid-token`).
    InvalidToken(Refusal),
    /// The trusted headers are malformed (`malformed-request`).
    Malformed(MalformedHeaders),
    /// The user is not known now (`user-unavailable`).
    Unavailable(Unavailable),
}

impl Outcome {
    /// Returns why there is no user, for the log; `None` if the request has no credential.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::User(..) => None,
            Self::Nobody(reason) => reason.map(|reason| reason.to_string()),
            Self::InvalidToken(refusal) => Some(refusal.to_string()),
            Self::Malformed(malformed) => Some(malformed.to_string()),
            Self::Unavailable(unavailable) => Some(unavailable.to_string()),
        }
    }
}

/// The source that does not respond.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The keys of an issuer.
    #[error("the keys of the token's issuer cannot be fetched")]
    Keys,
    /// The userinfo service, with its error.
    #[error("{0}")]
    Userinfo(String),
}
