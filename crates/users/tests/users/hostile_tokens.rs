//! Tokens that must be rejected, each for its own reason: the table of `tests/tokens`, and keys that no
//! settings give an issuer.

use std::sync::LazyLock;

use jsonwebtoken::Algorithm;
use keygate_users::{Issuer, KeySet, Refusal, Unverified, Verified, jwt::Algorithms};
use rstest::rstest;
use serde_json::json;

use crate::signer::*;
use crate::tokens::hostile::{
    Hostile, NARROW_ISSUER, SECRET_ISSUER, keys, narrow_keys, table, valid,
};

/// The issuers of the table, each with its keys.
static ISSUERS: LazyLock<Vec<(Issuer, KeySet)>> = LazyLock::new(|| {
    let named = |name: &str, algorithms| Issuer {
        name: name.to_owned(),
        ..issuer(algorithms)
    };
    let narrow = Algorithms::new(vec![Algorithm::RS256, Algorithm::PS256]).unwrap();
    let public = Algorithms::with_public_keys();
    let secret = KeySet::of_secret(SECRET).unwrap();
    vec![
        (named(ISSUER, public), parsed(&keys())),
        (named(SECRET_ISSUER, Algorithms::with_secret()), secret),
        (named(NARROW_ISSUER, narrow), parsed(&narrow_keys())),
    ]
});

/// Verifies a token by the issuer that it names.
fn verify_by_name(token: &[u8]) -> Result<Verified, Refusal> {
    let name = Unverified::parse(token)?.issuer()?.to_owned();
    let known = ISSUERS.iter().find(|(issuer, _)| issuer.name == name);
    let (issuer, keys) = known.ok_or(Refusal::OtherIssuer)?;
    verify_with(token, issuer, keys, NOW)
}

#[test]
fn every_token_of_the_table_is_rejected_for_its_reason() {
    for token in valid(NOW..=NOW) {
        assert_eq!(verify_by_name(token.as_bytes()).unwrap().user.id, "ada");
    }
    let wrong = |it: &Hostile| match verify_by_name(&it.token) {
        Err(refusal) if refusal == it.refusal => None,
        other => Some((it.name.clone(), it.refusal, other)),
    };
    let table = table(NOW..=NOW);
    let wrong: Vec<_> = table.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for it in &table {
        let message = it.refusal.to_string();
        let repeats = message.contains("ada") || message.contains("eyJ");
        assert!(!repeats, "{}: {message}", it.name);
    }
}

#[test]
fn hmac_is_impossible_with_public_keys() {
    // Even where a setting would allow it: no key of a set is a secret.
    let header = json!({"alg": "HS256", "kid": "rsa"});
    let n = RSA.jwk()["n"].as_str().unwrap().to_owned();
    let token = with_secret(Algorithm::HS256, n.as_bytes(), &header, &claims());
    let verified = verify_with(token, &issuer(Algorithms::with_secret()), &KEYS, NOW);
    assert_eq!(verified, Err(Refusal::AlgorithmOfAnotherKey));
}

#[rstest]
#[case(&P256)]
#[case(&RSA)]
fn a_secret_verifies_nothing_but_hmac(#[case] key: &TestKey) {
    let keys = KeySet::of_secret(SECRET).unwrap();
    let issuer = issuer(Algorithms::with_public_keys());
    let verified = verify_with(key.token(&claims()), &issuer, &keys, NOW);
    assert_eq!(verified, Err(Refusal::AlgorithmOfAnotherKey));
}
