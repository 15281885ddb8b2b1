//! A token as it is read, before anybody has verified it.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::{Part, Refusal};
use crate::json;

/// The longest token that is read, in bytes.
pub const MOST_BYTES: usize = 16 * 1024;

/// The types of token that are accepted (RFC 7519, section 5.1; RFC 9068, section 2.1).
///
/// Issuers sign other things with the same keys: logout tokens, proofs of possession.
const TYPES: [&str; 4] = ["JWT", "application/jwt", "at+jwt", "application/at+jwt"];

/// A token whose form is right, and nothing else is known of it.
pub struct Unverified<'t> {
    /// What is signed: header and claims.
    pub(crate) message: &'t [u8],
    pub(crate) signature: &'t str,
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) claims: Value,
}

impl<'t> Unverified<'t> {
    /// Reads a token.
    ///
    /// Keys that its header carries or points to (`jwk`, `jku`, `x5c`, `x5u`) are ignored.
    ///
    /// # Errors
    /// The token's form is wrong.
    pub fn parse(token: &'t [u8]) -> Result<Self, Refusal> {
        if token.len() > MOST_BYTES {
            return Err(Refusal::TooLong);
        }
        let parts: Vec<_> = token.split(|byte| *byte == b'.').take(4).collect();
        let [header, claims, signature] = *parts else {
            return Err(Refusal::NotThreeParts);
        };
        let header = decoded(Part::Header, header)?;
        let header = json::object(&header).map_err(Refusal::Header)?;
        let algorithm = checked_header(&header)?;
        let key_id = key_id(&header)?;
        decoded(Part::Signature, signature)?;
        let signed = token
            .len()
            .saturating_sub(signature.len().saturating_add(1));
        let claims = decoded(Part::Claims, claims)?;
        Ok(Self {
            message: token.get(..signed).unwrap_or_default(),
            signature: std::str::from_utf8(signature)
                .map_err(|_| Refusal::NotBase64(Part::Signature))?,
            algorithm,
            key_id,
            claims: json::object(&claims).map_err(Refusal::Claims)?,
        })
    }

    /// Returns the issuer that the token names, which chooses the keys that it is verified with.
    ///
    /// # Errors
    /// It is missing, or not a string: a list could name two.
    pub fn issuer(&self) -> Result<&str, Refusal> {
        match self.claims.get("iss") {
            None => Err(Refusal::NoIssuer),
            Some(Value::String(issuer)) => Ok(issuer),
            Some(_) => Err(Refusal::IssuerNotText),
        }
    }

    /// Returns the expiry that the token claims, in seconds since 1970: unverified, so good for nothing
    /// but to forget what was learned by it.
    #[must_use]
    pub fn claimed_expiry(&self) -> Option<i64> {
        self.seconds("exp")
    }
}

fn decoded(part: Part, text: &[u8]) -> Result<Vec<u8>, Refusal> {
    if text.is_empty() {
        return Err(Refusal::EmptyPart(part));
    }
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refusal::NotBase64(part))
}

/// Returns the algorithm; it only chooses among those that issuer and key allow.
fn checked_header(header: &Value) -> Result<Algorithm, Refusal> {
    let algorithm = header
        .get("alg")
        .and_then(Value::as_str)
        .ok_or(Refusal::NoAlgorithm)?
        .parse()
        .map_err(|_| Refusal::UnknownAlgorithm)?;
    if header.get("crit").is_some() {
        return Err(Refusal::Critical);
    }
    let is_known = |kind: &str| TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind));
    match header.get("typ") {
        None => Ok(algorithm),
        Some(Value::String(kind)) if is_known(kind) => Ok(algorithm),
        Some(_) => Err(Refusal::OtherType),
    }
}

fn key_id(header: &Value) -> Result<Option<String>, Refusal> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err(Refusal::KeyIdNotText),
    }
}

/// It shows nothing: a token is a credential.
impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unverified(…)")
    }
}
