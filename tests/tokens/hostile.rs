//! The table of hostile tokens: each must be rejected, and for its own reason.

mod claims;
mod form;
mod header;
mod keys;

use std::ops::RangeInclusive;

use jsonwebtoken::Algorithm;
use keygate_users::Refusal;
use serde_json::{Value, json};

use super::issuer::{ED, P256, P384, RSA, SECRET, TestKey, claims_during, set_of, with_secret};

/// The issuer whose tokens are signed with [`SECRET`].
pub(crate) const SECRET_ISSUER: &str = "https://secret.example.com/";

/// The issuer that uses RS256 and PS256, and whose only key is for RS256.
pub(crate) const NARROW_ISSUER: &str = "https://narrow.example.com/";

/// The keys of the issuer with public keys: one of each type.
pub(crate) fn keys() -> Vec<u8> {
    set_of(&[&*RSA, &P256, &P384, &ED].map(TestKey::jwk))
}

/// The key of [`NARROW_ISSUER`].
pub(crate) fn narrow_keys() -> Vec<u8> {
    let mut jwk = RSA.jwk();
    jwk["alg"] = "RS256".into();
    set_of(&[jwk])
}

/// A token that must be rejected.
#[derive(Clone)]
pub(crate) struct Hostile {
    pub(crate) name: String,
    pub(crate) token: Vec<u8>,
    pub(crate) refusal: Refusal,
}

/// Returns all of them, for a verification at any second of the period.
pub(crate) fn table(period: RangeInclusive<i64>) -> Vec<Hostile> {
    let forge = Forge { period };
    [
        header::table(&forge),
        keys::table(&forge),
        claims::table(&forge),
        form::table(&forge),
    ]
    .concat()
}

/// Returns a valid token of each issuer.
pub(crate) fn valid(period: RangeInclusive<i64>) -> [String; 3] {
    let forge = Forge { period };
    [
        P256.token(&forge.claims()),
        with_secret(
            Algorithm::HS256,
            SECRET,
            &json!({"alg": "HS256"}),
            &forge.claims_of(SECRET_ISSUER),
        ),
        RSA.token(&forge.claims_of(NARROW_ISSUER)),
    ]
}

/// Names some tokens after the rule that rejects them.
fn rejected<T: Into<Vec<u8>>>(
    rule: &str,
    refusal: Refusal,
    tokens: impl IntoIterator<Item = T>,
) -> Vec<Hostile> {
    let tokens = tokens.into_iter().enumerate();
    let hostile = |(n, token): (usize, T)| Hostile {
        name: format!("{rule}, {}", n + 1),
        token: token.into(),
        refusal,
    };
    tokens.map(hostile).collect()
}

/// A token whose claims are this text.
fn with_claims_text(claims: &str) -> String {
    P256.token_of(&P256.header().to_string(), claims)
}

/// Makes tokens that are valid but for what a case changes.
struct Forge {
    /// When they are verified, in seconds since 1970.
    period: RangeInclusive<i64>,
}

impl Forge {
    fn claims(&self) -> Value {
        claims_during(&self.period)
    }

    fn claims_of(&self, issuer: &str) -> Value {
        self.claims_with("iss", issuer.into())
    }

    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn claims_without(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    /// A token with one claim changed.
    fn with_claim(&self, name: &str, value: Value) -> String {
        P256.token(&self.claims_with(name, value))
    }

    fn without_claim(&self, name: &str) -> String {
        P256.token(&self.claims_without(name))
    }

    /// A token with one header field changed.
    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = P256.header();
        header[name] = value;
        self.with_header_text(&header.to_string())
    }

    /// A token whose header is this text.
    fn with_header_text(&self, header: &str) -> String {
        P256.token_of(header, &self.claims().to_string())
    }

    /// The parts of a valid token.
    fn parts(&self) -> [String; 3] {
        let token = P256.token(&self.claims());
        let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts.try_into().unwrap()
    }
}
