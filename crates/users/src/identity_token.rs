//! The signed identity that backends get: a JWT in `x-keygate-token`, which they verify with the key set
//! that Keygate publishes.
//!
//! [`SigningKeys`] are read from a key file, and [`IdentityTokens`] signs with them. Other keys mean
//! another [`IdentityTokens`], so that no token of a former key is handed out.

mod keys;
mod pem;
mod settings;

use std::fmt;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use keygate_expression::{NameSet, User};
use quick_cache::{
    Weighter,
    sync::{Cache, EntryAction, EntryResult, PlaceholderGuard},
};
use serde::{Serialize, Serializer};

use crate::identity::Unfit;
pub use keys::{BlockError, InvalidKeyFile, SigningKeys};
pub use settings::{IdentityToken, InvalidIdentityToken};

/// The token, for backends.
pub const HEADER: HeaderName = HeaderName::from_static("x-keygate-token");

/// How much is remembered of signed tokens, in bytes.
const MOST_REMEMBERED: u64 = 16 * 1024 * 1024;

/// How many identities are expected at once, for the size of the table.
const USUAL_IDENTITIES: usize = 1000;

/// Signs the identities of allowed requests: each once in half the lifetime of its token.
///
/// A token that is handed out is valid for at least half of the lifetime.
pub struct IdentityTokens {
    issuer: String,
    audience: Vec<String>,
    lifetime_seconds: i64,
    keys: SigningKeys,
    signed: Cache<String, Signed, ByLength>,
}

/// Who sent a request, as far as the decision on it needed to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The client type of the key.
    pub client_type: Option<&'a str>,
    /// The id of the key.
    pub key_id: Option<&'a str>,
    /// The logged-in user.
    pub user: Option<&'a User>,
}

/// A token, and when it was signed in seconds since 1970.
#[derive(Clone)]
struct Signed {
    token: HeaderValue,
    at: i64,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<String, Signed> for ByLength {
    fn weight(&self, identity: &String, signed: &Signed) -> u64 {
        let bytes = identity.len().saturating_add(signed.token.len());
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// The claims that say who it is: a token is signed once for the same ones.
#[derive(Serialize)]
struct Identity<'a> {
    /// Absent where nobody is logged in: a client type here could be taken for a user of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a NameSet>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(serialize_with = "one_or_list")]
    aud: &'a [String],
    #[serde(flatten)]
    identity: &'a Identity<'a>,
    iat: i64,
    exp: i64,
}

impl<'a> Identity<'a> {
    fn of(caller: Caller<'a>) -> Self {
        let groups = caller.user.map(|user| &user.groups);
        Self {
            sub: caller.user.map(|user| user.id.as_str()),
            client_type: caller.client_type,
            key_id: caller.key_id,
            groups: groups.filter(|groups| !groups.is_empty()),
        }
    }
}

impl IdentityTokens {
    /// Signs with these keys, as the setting `identity-token` says.
    #[must_use]
    pub fn new(settings: &IdentityToken, keys: SigningKeys) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            lifetime_seconds: i64::from(settings.lifetime_seconds),
            keys,
            signed: Cache::with_weighter(USUAL_IDENTITIES, MOST_REMEMBERED, ByLength),
        }
    }

    /// Returns the key set for backends (RFC 7517): the public halves of all keys of the file.
    #[must_use]
    pub fn key_set(&self) -> &str {
        self.keys.key_set()
    }

    /// Returns the token of a caller, of at most `limit` bytes.
    ///
    /// # Errors
    /// It would be longer, or cannot be signed.
    pub fn token(
        &self,
        caller: Caller<'_>,
        limit: usize,
        now: Timestamp,
    ) -> Result<HeaderValue, Unfit> {
        let now = now.as_second();
        let identity = Identity::of(caller);
        let key = serde_json::to_string(&identity).map_err(|_| Unfit::NotSigned)?;
        // Who comes while another thread signs the same identity waits for its token.
        let entry = self.signed.entry(key.as_str(), None, |_, signed| {
            if self.is_fresh(signed, now) {
                EntryAction::Retain(signed.token.clone())
            } else {
                EntryAction::ReplaceWithGuard
            }
        });
        let place: PlaceholderGuard<'_, _, _, _, _, _> = match entry {
            EntryResult::Retained(token) if token.len() <= limit => return Ok(token),
            EntryResult::Retained(token) => return Err(too_large(token.len(), limit)),
            EntryResult::Replaced(place, _) | EntryResult::Vacant(place) => place,
            EntryResult::Removed(..) | EntryResult::Timeout => return Err(Unfit::NotSigned),
        };
        let token = self.sign(&identity, limit, now)?;
        let signed = Signed {
            token: token.clone(),
            at: now,
        };
        // It is full of other tokens that are being signed: this one is signed again next time.
        let _ = place.insert(signed);
        Ok(token)
    }

    /// A token from the future, after the clock was set back, could be rejected by backends.
    fn is_fresh(&self, signed: &Signed, now: i64) -> bool {
        (0..self.lifetime_seconds / 2).contains(&now.saturating_sub(signed.at))
    }

    fn sign(&self, identity: &Identity<'_>, limit: usize, now: i64) -> Result<HeaderValue, Unfit> {
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            identity,
            iat: now,
            exp: now.saturating_add(self.lifetime_seconds),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| Unfit::NotSigned)?;
        let length = self.keys.token_length(claims.len());
        if length > limit {
            return Err(too_large(length, limit));
        }
        let token = self.keys.sign(&claims).ok_or(Unfit::NotSigned)?;
        let mut token = HeaderValue::try_from(token).map_err(|_| Unfit::NotSigned)?;
        token.set_sensitive(true);
        Ok(token)
    }
}

fn too_large(length: usize, limit: usize) -> Unfit {
    Unfit::TooLarge {
        name: HEADER,
        length,
        limit,
    }
}

/// One audience as a string (RFC 7519, section 4.1.3), which every library takes.
fn one_or_list<S: Serializer>(audience: &&[String], to: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => one.serialize(to),
        several => several.serialize(to),
    }
}

/// It shows neither keys nor tokens.
impl fmt::Debug for IdentityTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityTokens")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
