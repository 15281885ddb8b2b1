//! The issuer as this crate knows it, and the verification of its tokens at a fixed time.

use std::sync::LazyLock;

use jiff::Timestamp;
use keygate_users::{
    Issuer, KeySet, Mapping, Refusal, Unverified, Verified,
    jwt::{Algorithms, Audience},
};
use serde_json::Value;

use crate::tokens::hostile;
pub(crate) use crate::tokens::issuer::*;

pub(crate) const NOW: i64 = 1_800_000_000;

/// Claims that are valid.
pub(crate) fn claims() -> Value {
    claims_during(&(NOW..=NOW))
}

/// Valid claims with one changed, or left out.
pub(crate) fn claims_with(name: &str, value: Option<Value>) -> Value {
    let mut claims = claims();
    let fields = claims.as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    claims
}

pub(crate) fn issuer(algorithms: Algorithms) -> Issuer {
    let pointers = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Issuer {
        name: ISSUER.to_owned(),
        audience: Audience::AnyOf(vec!["billing".to_owned(), "orders-api".to_owned()]),
        algorithms,
        leeway_seconds: LEEWAY,
        mapping: Mapping {
            id: "/sub".parse().unwrap(),
            groups: pointers(&["/groups", "/realm_access/roles"]),
            permissions: pointers(&["/scope"]),
            properties: pointers(&["/email"]),
        },
    }
}

/// The keys of a published set.
pub(crate) fn parsed(set: &[u8]) -> KeySet {
    let (keys, ignored) = KeySet::parse(set).unwrap();
    assert_eq!(ignored, []);
    keys
}

/// The issuer's set: one key of each type.
pub(crate) static KEYS: LazyLock<KeySet> = LazyLock::new(|| parsed(&hostile::keys()));

/// Verifies a token of the issuer with public keys.
pub(crate) fn verify(token: impl AsRef<[u8]>) -> Result<Verified, Refusal> {
    verify_with(token, &issuer(Algorithms::with_public_keys()), &KEYS, NOW)
}

pub(crate) fn verify_with(
    token: impl AsRef<[u8]>,
    issuer: &Issuer,
    keys: &KeySet,
    now: i64,
) -> Result<Verified, Refusal> {
    let token = Unverified::parse(token.as_ref())?;
    issuer.verify(&token, keys, Timestamp::from_second(now).unwrap())
}
