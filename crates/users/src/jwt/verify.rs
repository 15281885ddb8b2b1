//! What an issuer's tokens must be, and the user that a valid one names.

use std::fmt;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use keygate_expression::User;

use super::{Refusal, Unverified, claims};
use crate::{
    KeySet,
    mapping::{Mapping, Warning},
};

/// Whom a token may be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Anybody: `aud` is not compared.
    Any,
    /// One of these, at least.
    AnyOf(Vec<String>),
}

/// The signature algorithms of an issuer: all of them with public keys, or all by HMAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithms(Vec<Algorithm>);

/// Why a list of algorithms is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAlgorithms {
    /// There is none.
    #[error("`algorithms` is empty: remove it to use the default")]
    Empty,
    /// With both, a public key could be taken for a secret.
    #[error(
        "`algorithms` mixes HMAC algorithms (HS256, HS384, HS512) with others: an issuer can use \
         only one of these kinds"
    )]
    Mixed,
}

impl Algorithms {
    /// These algorithms.
    ///
    /// # Errors
    /// There is none, or HMAC is mixed with others.
    pub fn new(algorithms: Vec<Algorithm>) -> Result<Self, InvalidAlgorithms> {
        let is_hmac = |it: &Algorithm| it.family() == AlgorithmFamily::Hmac;
        if algorithms.is_empty() {
            Err(InvalidAlgorithms::Empty)
        } else if algorithms.iter().any(is_hmac) && !algorithms.iter().all(is_hmac) {
            Err(InvalidAlgorithms::Mixed)
        } else {
            Ok(Self(algorithms))
        }
    }

    /// Every algorithm with public keys.
    #[must_use]
    pub fn with_public_keys() -> Self {
        Self(vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
        ])
    }

    /// Every algorithm with a shared secret.
    #[must_use]
    pub fn with_secret() -> Self {
        Self(vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512])
    }

    /// Whether they are those with a shared secret.
    #[must_use]
    pub fn are_with_secret(&self) -> bool {
        let family = self.0.first().map(|first| first.family());
        family == Some(AlgorithmFamily::Hmac)
    }
}

/// Their names, with commas.
impl fmt::Display for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|it| format!("{it:?}")).collect();
        f.write_str(&names.join(", "))
    }
}

/// An issuer of tokens, and what its tokens must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its name, which equals the claim `iss` byte for byte.
    pub name: String,
    /// Whom its tokens are for.
    pub audience: Audience,
    /// How they may be signed.
    pub algorithms: Algorithms,
    /// How far clocks may differ, in seconds.
    pub leeway_seconds: u32,
    /// Where the user is in the claims.
    pub mapping: Mapping,
}

/// What a valid token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The user.
    pub user: User,
    /// When the token expires, in seconds since 1970 and without leeway.
    pub expires_at: i64,
    /// What was ignored, for the log.
    pub warnings: Vec<Warning>,
}

impl Issuer {
    /// Whether a token that was valid before has not expired since.
    #[must_use]
    pub fn is_unexpired(&self, expires_at: i64, now: Timestamp) -> bool {
        now.as_second() < expires_at.saturating_add(i64::from(self.leeway_seconds))
    }

    /// Verifies a token with the keys of this issuer.
    ///
    /// # Errors
    /// The token is not valid now and here.
    pub fn verify(
        &self,
        token: &Unverified<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        if token.issuer()? != self.name {
            return Err(Refusal::OtherIssuer);
        }
        if !self.algorithms.0.contains(&token.algorithm) {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        keys.verify(token)?;
        let expires_at = claims::check_times(&token.claims, self, now)?;
        claims::check_audience(&token.claims, &self.audience)?;
        let found = self.mapping.find(&token.claims).map_err(Refusal::Id)?;
        Ok(Verified {
            user: found.user,
            expires_at,
            warnings: found.warnings,
        })
    }
}
