//! The public keys of an issuer: a JSON Web Key Set (RFC 7517), or the secret of an HMAC issuer.
//!
//! A set is read key by key: one that cannot be used is ignored and reported, and the others stay.

mod key;

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;

use crate::jwt::{Refusal, Unverified};
pub use key::UnusableKey;

/// How many ignored keys of a set are reported: a set of 256 KiB has room for 87,000.
const MOST_REPORTED: usize = 16;

/// How many keys are tried on one token: those of its key id, or those without one.
pub const MOST_TRIED: usize = 4;

/// The shortest secret for HMAC, in bytes: as long as what HS256 hashes to (RFC 7518, section 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// The keys of one issuer; a newer set replaces it whole.
pub struct KeySet {
    keys: Vec<Key>,
}

/// A key that signatures are verified with.
struct Key {
    id: Option<String>,
    /// What a signature by this key may be: the key decides, never the token alone.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// A key of a set that was ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {number} in the key set is ignored: {why}")]
pub struct Ignored {
    /// Its position, counted from 1.
    pub number: usize,
    /// The reason.
    pub why: UnusableKey,
}

/// Why a set is rejected as a whole; the one before it stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSet {
    /// It is not a JWKS.
    #[error("this is not a JSON Web Key Set, which is an object with a list `keys`")]
    NotASet,
    /// Every key was ignored, or there is none.
    #[error("no key in the key set can be used to verify signatures{}", first_reason(.0))]
    NoUsableKey(Vec<Ignored>),
}

/// The error for a secret that could be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret is shorter than {SHORTEST_SECRET} bytes: use a random one, such as the output of \
     `openssl rand -base64 32`"
)]
pub struct ShortSecret;

fn first_reason(ignored: &[Ignored]) -> String {
    ignored
        .first()
        .map(|first| format!(": {first}"))
        .unwrap_or_default()
}

impl KeySet {
    /// Reads a set, and returns beside it the first keys that were ignored.
    ///
    /// # Errors
    /// It is no set, or no key of it can be used.
    pub fn parse(text: &[u8]) -> Result<(Self, Vec<Ignored>), InvalidSet> {
        crate::crypto::install();
        let set: Value = serde_json::from_slice(text).map_err(|_| InvalidSet::NotASet)?;
        let entries = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(InvalidSet::NotASet)?;
        let mut keys = Vec::new();
        let mut ignored = Vec::new();
        for (number, entry) in (1..).zip(entries) {
            match key::read(entry) {
                Ok(key) => keys.push(key),
                Err(why) if ignored.len() < MOST_REPORTED => {
                    ignored.push(Ignored { number, why });
                }
                Err(_) => {}
            }
        }
        if keys.is_empty() {
            return Err(InvalidSet::NoUsableKey(ignored));
        }
        Ok((Self { keys }, ignored))
    }

    /// The one key of an issuer that signs by HMAC; line breaks at the end are not part of it.
    ///
    /// # Errors
    /// The secret is too short.
    pub fn of_secret(secret: &[u8]) -> Result<Self, ShortSecret> {
        crate::crypto::install();
        let secret = secret.trim_ascii_end();
        let algorithms: Vec<_> = [
            (Algorithm::HS256, 32),
            (Algorithm::HS384, 48),
            (Algorithm::HS512, 64),
        ]
        .into_iter()
        .filter(|(_, shortest)| secret.len() >= *shortest)
        .map(|(algorithm, _)| algorithm)
        .collect();
        if algorithms.is_empty() {
            return Err(ShortSecret);
        }
        let key = Key {
            id: None,
            algorithms,
            decoding: DecodingKey::from_secret(secret),
        };
        Ok(Self { keys: vec![key] })
    }

    /// Returns the number of keys, which is at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Returns the ids of the keys; `None` for a key without one.
    pub fn ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.id.as_deref())
    }

    /// Verifies the signature of a token.
    pub(crate) fn verify(&self, token: &Unverified<'_>) -> Result<(), Refusal> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.is_named_by(token))
            .peekable();
        if named.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        let fitting: Vec<_> = named
            .filter(|key| key.algorithms.contains(&token.algorithm))
            .take(MOST_TRIED.saturating_add(1))
            .collect();
        if fitting.is_empty() {
            return Err(Refusal::AlgorithmOfAnotherKey);
        }
        if fitting.len() > MOST_TRIED {
            return Err(Refusal::TooManyKeys);
        }
        if fitting.iter().any(|key| key.signed(token)) {
            Ok(())
        } else {
            Err(Refusal::BadSignature)
        }
    }
}

impl Key {
    /// The secret of an HMAC issuer is the only key there is, whatever the token calls it.
    fn is_named_by(&self, token: &Unverified<'_>) -> bool {
        self.id == token.key_id || self.decoding.family() == jsonwebtoken::AlgorithmFamily::Hmac
    }

    fn signed(&self, token: &Unverified<'_>) -> bool {
        let (signature, message) = (token.signature, token.message);
        let verified = crypto::verify(signature, message, &self.decoding, token.algorithm);
        verified == Ok(true)
    }
}

/// It holds a secret where the issuer signs by HMAC.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}
