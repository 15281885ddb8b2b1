//! Verifies tokens with the keys that are held, and with newer ones where those may help.

use std::sync::Arc;

use jiff::Timestamp;
use keygate_users::{Issuer, Refusal, Unverified, Verified};

use crate::{Keys, keys::Refreshed};

/// The issuers of tokens.
#[derive(Debug, Default)]
pub struct Tokens {
    issuers: Vec<(Issuer, Arc<Keys>)>,
}

/// Why a token gives no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] Refusal),
    /// It may be valid, and there are no keys to tell (`user-unavailable`).
    #[error("the keys of the token's issuer cannot be fetched")]
    Unavailable,
}

impl Tokens {
    /// The issuers, each with its keys.
    #[must_use]
    pub fn new(issuers: Vec<(Issuer, Arc<Keys>)>) -> Self {
        Self { issuers }
    }

    /// Whether there are no issuers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Returns each issuer's name and its keys, for operators.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, &Keys)> {
        self.issuers
            .iter()
            .map(|(issuer, keys)| (issuer.name.as_str(), keys.as_ref()))
    }

    /// Verifies a token.
    ///
    /// Where a key is unknown, or the signature is wrong, it waits for newer keys if they may be fetched.
    ///
    /// # Errors
    /// The token is not valid, or nobody can tell.
    pub async fn verify(&self, token: &[u8], now: Timestamp) -> Result<Verified, Rejection> {
        let token = Unverified::parse(token)?;
        let name = token.issuer()?;
        let known = self.issuers.iter().find(|(issuer, _)| issuer.name == name);
        let (issuer, keys) = known.ok_or(Refusal::OtherIssuer)?;
        let Some(held) = keys.current() else {
            return Err(Rejection::Unavailable);
        };
        let refusal = match issuer.verify(&token, &held, now) {
            Err(refusal) if refusal.newer_keys_may_help() => refusal,
            other => return other.map_err(Rejection::Invalid),
        };
        match (keys.refreshed().await, keys.current()) {
            (Refreshed::Yes, Some(newer)) => Ok(issuer.verify(&token, &newer, now)?),
            // A wrong signature under a known key is most likely just wrong.
            (Refreshed::Unavailable, _) | (_, None) if refusal == Refusal::UnknownKey => {
                Err(Rejection::Unavailable)
            }
            _ => Err(refusal.into()),
        }
    }
}
