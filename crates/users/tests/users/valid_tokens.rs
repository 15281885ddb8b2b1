//! Tokens that are accepted, and the user that they name.

use jsonwebtoken::Algorithm;
use keygate_users::{
    KeySet,
    jwt::{Algorithms, MOST_BYTES},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::signer::*;

#[test]
fn a_valid_token_names_its_user() {
    let verified = verify(P256.token(&claims())).unwrap();
    assert_eq!(verified.warnings, []);
    assert_eq!(verified.expires_at, NOW + 300);
    assert_eq!(verified.user.id, "ada");
    assert_eq!(
        verified.user.groups,
        ["admin", "editor"].into_iter().collect()
    );
    assert_eq!(
        verified.user.permissions,
        ["read", "write"].into_iter().collect()
    );
    let properties = Value::Object(verified.user.properties);
    assert_eq!(properties, json!({"email": "ada@example.com"}));
}

#[rstest]
#[case(&RSA, Algorithm::RS256)]
#[case(&RSA, Algorithm::RS384)]
#[case(&RSA, Algorithm::RS512)]
#[case(&RSA, Algorithm::PS256)]
#[case(&RSA, Algorithm::PS384)]
#[case(&RSA, Algorithm::PS512)]
#[case(&P256, Algorithm::ES256)]
#[case(&P384, Algorithm::ES384)]
#[case(&ED, Algorithm::EdDSA)]
fn every_supported_algorithm_is_accepted(#[case] key: &TestKey, #[case] algorithm: Algorithm) {
    let header = json!({"alg": algorithm, "kid": key.id}).to_string();
    let message = format!("{}.{}", encoded(header), encoded(claims().to_string()));
    let signature = key.sign_by(algorithm, &message);
    assert_eq!(
        verify(format!("{message}.{signature}")).unwrap().user.id,
        "ada"
    );
}

#[rstest]
#[case(Algorithm::HS256)]
#[case(Algorithm::HS384)]
#[case(Algorithm::HS512)]
fn a_secret_verifies_hmac(#[case] algorithm: Algorithm, #[values("", "\n", "\r\n")] end: &str) {
    let file = [SECRET, end.as_bytes()].concat();
    let keys = KeySet::of_secret(&file).unwrap();
    let header = json!({"alg": algorithm, "kid": "whatever"});
    let token = with_secret(algorithm, SECRET, &header, &claims());
    let verified = verify_with(token, &issuer(Algorithms::with_secret()), &keys, NOW);
    assert_eq!(verified.unwrap().user.id, "ada");
}

#[rstest]
#[case("exp", json!(NOW + 1))]
#[case("exp", json!(NOW - i64::from(LEEWAY) + 1))]
#[case("exp", json!(u64::MAX))]
#[case("nbf", json!(NOW + i64::from(LEEWAY)))]
#[case("nbf", json!(0))]
#[case("iat", json!(NOW + 3600))]
#[case("aud", json!(["x", "billing"]))]
#[case("aud", json!("billing"))]
#[case("sub", json!(42))]
#[case("more", json!({"a": [1.5, null]}))]
fn these_claims_are_accepted(#[case] name: &str, #[case] value: Value) {
    assert!(verify(P256.token(&claims_with(name, Some(value)))).is_ok());
}

#[rstest]
#[case("nbf")]
#[case("iat")]
#[case("groups")]
#[case("scope")]
#[case("email")]
fn these_claims_may_be_left_out(#[case] name: &str) {
    assert!(verify(P256.token(&claims_with(name, None))).is_ok());
}

#[rstest]
#[case(json!("JWT"))]
#[case(json!("jwt"))]
#[case(json!("at+jwt"))]
#[case(json!("application/at+JWT"))]
fn these_types_are_accepted(#[case] kind: Value) {
    let header = json!({"alg": "ES256", "kid": "p256", "typ": kind}).to_string();
    assert!(verify(P256.token_of(&header, &claims().to_string())).is_ok());
}

#[test]
fn long_tokens_are_accepted() {
    let token = P256.token(&claims_with("x", Some("x".repeat(11 * 1024).into())));
    assert!(token.len() < MOST_BYTES && verify(token).is_ok());
}
