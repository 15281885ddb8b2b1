//! What the resolver answers, and why.

use std::fmt;

use jiff::Timestamp;
use keygate_headers::OtherNames;
use keygate_keys::{InvalidKey, KeyRef, KeyTable};

use crate::{Credential, Presence};

/// What became of a request's credential.
#[derive(Debug, Clone, Copy)]
pub enum Resolution<'t> {
    /// The caller has a good key.
    Known(KeyRef<'t>),
    /// The caller has no key, and needs none here.
    Anonymous,
    /// The request is refused.
    Refused(Refusal<'t>),
}

/// Why a credential is refused: for the log and the operator, never for the caller.
#[derive(Debug, Clone, Copy)]
pub enum Refusal<'t> {
    /// The nginx includes were written for other names of headers and cookies.
    OtherNames,
    /// The gateway names several next steps: no telling which one is meant.
    SeveralNextSteps,
    /// There is none where one is required.
    Missing,
    /// There are several that differ.
    Ambiguous,
    /// Whatever it is: its caller has presented too many that failed.
    TooManyFailures,
    /// It is no valid key.
    Invalid(InvalidKey<'t>),
}

impl Refusal<'_> {
    /// Whether it is a guess at a key, good or bad.
    #[must_use]
    pub fn is_guess(&self) -> bool {
        matches!(
            self,
            Self::Invalid(InvalidKey::Unknown | InvalidKey::Malformed) | Self::TooManyFailures
        )
    }
}

impl<'t> Resolution<'t> {
    /// Resolves one credential.
    #[must_use]
    pub fn of(
        credential: Credential<'_>,
        presence: Presence,
        table: &'t KeyTable,
        now: Timestamp,
    ) -> Self {
        match (credential, presence) {
            (Credential::None, Presence::Optional) => Self::Anonymous,
            (Credential::None, Presence::Required) => Self::Refused(Refusal::Missing),
            (Credential::Ambiguous, _) => Self::Refused(Refusal::Ambiguous),
            (Credential::One(presented), _) => match table.find(presented, now) {
                Ok(key) => Self::Known(key),
                Err(invalid) => Self::Refused(Refusal::Invalid(invalid)),
            },
        }
    }

    /// What the caller is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Known(_) => Reason::Ok,
            Self::Anonymous => Reason::NoKey,
            Self::Refused(Refusal::OtherNames | Refusal::SeveralNextSteps) => {
                Reason::MalformedRequest
            }
            Self::Refused(Refusal::Missing) => Reason::MissingKey,
            Self::Refused(Refusal::Ambiguous) => Reason::AmbiguousKey,
            Self::Refused(_) => Reason::UnknownKey,
        }
    }

    /// The key that the credential is, good or not.
    #[must_use]
    pub fn key(&self) -> Option<KeyRef<'t>> {
        match *self {
            Self::Known(key) => Some(key),
            Self::Refused(Refusal::Invalid(invalid)) => invalid.key(),
            Self::Anonymous | Self::Refused(_) => None,
        }
    }
}

/// The precise cause, for the log.
impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherNames => return OtherNames.fmt(f),
            Self::SeveralNextSteps => "several-next-steps",
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::TooManyFailures => "too-many-failures",
            Self::Invalid(invalid) => return invalid.fmt(f),
        })
    }
}

/// What the caller is told: the closed list of `x-keygate-reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The key is good.
    Ok,
    /// There is no key, and none is needed.
    NoKey,
    /// There is no key where one is needed.
    MissingKey,
    /// There are several keys that differ.
    AmbiguousKey,
    /// The key is not good, for whatever cause.
    UnknownKey,
    /// The gateway's question itself is wrong.
    MalformedRequest,
}

impl Reason {
    /// Every reason, for metrics and documentation.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::NoKey,
        Self::MissingKey,
        Self::AmbiguousKey,
        Self::UnknownKey,
        Self::MalformedRequest,
    ];

    /// Whether the caller may go on to the next step.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::NoKey)
    }

    /// The name as it stands in `x-keygate-reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoKey => "no-key",
            Self::MissingKey => "missing-key",
            Self::AmbiguousKey => "ambiguous-key",
            Self::UnknownKey => "unknown-key",
            Self::MalformedRequest => "malformed-request",
        }
    }
}
