//! Verifies tokens with the keys that are held, and with newer ones where those may help.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use keygate_users::{
    Issuer, KeySet, Refusal, Unverified, User, Verified, Warning, jwt::MOST_BYTES,
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest as _, Sha256};

use crate::{Keys, keys::Refreshed};

/// How much is remembered of verified tokens, in bytes of tokens.
const MOST_REMEMBERED: u64 = 16 * 1024 * 1024;

/// How many tokens are expected at once, for the size of the table.
const USUAL_TOKENS: usize = 1000;

/// The issuers of tokens, and the tokens of theirs that were verified.
pub struct Tokens {
    issuers: Vec<(Issuer, Arc<Keys>)>,
    remembered: Cache<Digest, Remembered, ByLength>,
}

/// The user of a valid token.
#[derive(Debug, Clone, PartialEq)]
pub struct Valid {
    /// The user.
    pub user: Arc<User>,
    /// What was ignored, for the log; empty for a token that is remembered.
    pub warnings: Vec<Warning>,
}

/// Why a token gives no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] Refusal),
    /// There are no keys to verify it with (`user-unavailable`).
    #[error("the keys of the token's issuer cannot be fetched")]
    Unavailable,
}

type Digest = [u8; 32];

/// A token that was valid, by its digest: to verify a signature takes longer than all the rest.
#[derive(Clone)]
struct Remembered {
    /// The position of its issuer.
    issuer: usize,
    /// The set that verified it: after another one has replaced it, the token is verified again.
    set: Arc<KeySet>,
    user: Arc<User>,
    expires_at: i64,
    length: usize,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Digest, Remembered> for ByLength {
    fn weight(&self, _: &Digest, remembered: &Remembered) -> u64 {
        u64::try_from(remembered.length).unwrap_or(u64::MAX)
    }
}

impl Tokens {
    /// The issuers, each with its keys.
    #[must_use]
    pub fn new(issuers: Vec<(Issuer, Arc<Keys>)>) -> Self {
        Self {
            issuers,
            remembered: Cache::with_weighter(USUAL_TOKENS, MOST_REMEMBERED, ByLength),
        }
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
    /// The token is invalid, or there are no keys to verify it with.
    pub async fn verify(&self, token: &[u8], now: Timestamp) -> Result<Valid, Rejection> {
        if token.len() > MOST_BYTES {
            return Err(Refusal::TooLong.into());
        }
        let digest: Digest = Sha256::digest(token).into();
        if let Some(user) = self.remembered(&digest, now) {
            let warnings = Vec::new();
            return Ok(Valid { user, warnings });
        }
        let parsed = Unverified::parse(token)?;
        let name = parsed.issuer()?;
        let known = self.issuers.iter().position(|(it, _)| it.name == name);
        let position = known.ok_or(Refusal::OtherIssuer)?;
        let (verified, set) = self.verified(position, &parsed, now).await?;
        let user = Arc::new(verified.user);
        let remembered = Remembered {
            issuer: position,
            set,
            user: Arc::clone(&user),
            expires_at: verified.expires_at,
            length: token.len(),
        };
        self.remembered.insert(digest, remembered);
        Ok(Valid {
            user,
            warnings: verified.warnings,
        })
    }

    /// The user of a token that was valid by the keys that are held now, and has not expired.
    fn remembered(&self, digest: &Digest, now: Timestamp) -> Option<Arc<User>> {
        let remembered = self.remembered.get(digest)?;
        let (issuer, keys) = self.issuers.get(remembered.issuer)?;
        let is_valid = issuer.is_unexpired(remembered.expires_at, now)
            && Arc::ptr_eq(&keys.current()?, &remembered.set);
        is_valid.then_some(remembered.user)
    }

    async fn verified(
        &self,
        position: usize,
        token: &Unverified<'_>,
        now: Timestamp,
    ) -> Result<(Verified, Arc<KeySet>), Rejection> {
        let (issuer, keys) = self.issuers.get(position).ok_or(Refusal::OtherIssuer)?;
        let held = keys.current().ok_or(Rejection::Unavailable)?;
        let refusal = match issuer.verify(token, &held, now) {
            Ok(verified) => return Ok((verified, held)),
            Err(refusal) if !refusal.newer_keys_may_help() => return Err(refusal.into()),
            Err(refusal) => refusal,
        };
        match (keys.refreshed().await, keys.current()) {
            (Refreshed::Yes, Some(newer)) => Ok((issuer.verify(token, &newer, now)?, newer)),
            // A wrong signature under a known key is most likely just wrong.
            (Refreshed::Unavailable, _) | (_, None) if refusal == Refusal::UnknownKey => {
                Err(Rejection::Unavailable)
            }
            _ => Err(refusal.into()),
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// It shows no users.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.issuers().map(|(name, _)| name).collect();
        f.debug_tuple("Tokens").field(&issuers).finish()
    }
}
