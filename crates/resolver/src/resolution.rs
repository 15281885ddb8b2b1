//! The result of a key lookup, and its reason.

use std::fmt;

use jiff::Timestamp;
use keygate_headers::OtherNames;
use keygate_keys::{InvalidKey, KeyRef, KeyTable};

use crate::{Credential, Presence};

/// The result of looking up a request's credential.
#[derive(Debug, Clone, Copy)]
pub enum Resolution<'t> {
    /// The caller has a valid key.
    Known(KeyRef<'t>),
    /// The caller has no key, and needs none for this path.
    Anonymous,
    /// The request is denied.
    Refused(Refusal<'t>),
}

/// Why a credential is rejected: for the log and the operator, never for the caller.
#[derive(Debug, Clone, Copy)]
pub enum Refusal<'t> {
    /// The nginx includes were written for other names of headers and cookies.
    OtherNames,
    /// The gateway sends several next steps, and the intended one is unknown.
    SeveralNextSteps,
    /// A key is required, and there is none.
    Missing,
    /// There are several different keys.
    Ambiguous,
    /// The caller has presented too many invalid keys; this one is not looked up.
    TooManyFailures,
    /// It is not a valid key.
    Invalid(InvalidKey<'t>),
}

impl Refusal<'_> {
    /// Whether it counts as a failed attempt.
    #[must_use]
    pub fn is_failed_attempt(&self) -> bool {
        matches!(
            self,
            Self::Invalid(InvalidKey::Unknown | InvalidKey::Malformed) | Self::TooManyFailures
        )
    }
}

impl<'t> Resolution<'t> {
    /// Looks up a credential.
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

    /// Returns the reason for the caller.
    #[must_use]
    pub fn reason(&self) -> ResolutionReason {
        match self {
            Self::Known(_) => ResolutionReason::Ok,
            Self::Anonymous => ResolutionReason::NoKey,
            Self::Refused(Refusal::OtherNames | Refusal::SeveralNextSteps) => {
                ResolutionReason::MalformedRequest
            }
            Self::Refused(Refusal::Missing) => ResolutionReason::MissingKey,
            Self::Refused(Refusal::Ambiguous) => ResolutionReason::AmbiguousKey,
            Self::Refused(_) => ResolutionReason::UnknownKey,
        }
    }

    /// Returns the known key of the credential, valid or not.
    #[must_use]
    pub fn key(&self) -> Option<KeyRef<'t>> {
        match *self {
            Self::Known(key) => Some(key),
            Self::Refused(Refusal::Invalid(invalid)) => invalid.key(),
            Self::Anonymous | Self::Refused(_) => None,
        }
    }
}

/// The exact cause, for the log.
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

/// The reason for the caller: the closed list of `x-keygate-reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolutionReason {
    /// The key is valid.
    Ok,
    /// There is no key, and none is required.
    NoKey,
    /// There is no key, and one is required.
    MissingKey,
    /// There are several different keys.
    AmbiguousKey,
    /// The key is not valid, for any cause.
    UnknownKey,
    /// The authorization request is invalid.
    MalformedRequest,
}

impl ResolutionReason {
    /// Every reason, for metrics and documentation.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::NoKey,
        Self::MissingKey,
        Self::AmbiguousKey,
        Self::UnknownKey,
        Self::MalformedRequest,
    ];

    /// Returns whether the request may proceed to the next step.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::NoKey)
    }

    /// Returns the name in `x-keygate-reason`.
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
