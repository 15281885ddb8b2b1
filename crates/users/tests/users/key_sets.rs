//! Sets of keys: which keys are used, and what is reported of the others.

use keygate_users::{
    KeySet, Refusal,
    jwks::{Ignored, InvalidSet, MOST_TRIED, ShortSecret, UnusableKey},
    jwt::Algorithms,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::signer::*;

fn changed(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

/// The modulus of a key of 1024 bits: half of a large one.
fn small_modulus() -> Value {
    let n = RSA.jwk()["n"].as_str().unwrap().to_owned();
    // The last characters, so that it is odd.
    json!(n[n.len() - 172 + 1..])
}

#[rstest]
#[case::not_an_object(json!("key"), UnusableKey::NoType)]
#[case::no_type(without(RSA.jwk(), "kty"), UnusableKey::NoType)]
#[case::other_type(changed(RSA.jwk(), "kty", json!("AKP")), UnusableKey::OtherType)]
#[case::secret(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "rsa", "alg": "HS256"}), UnusableKey::Secret)]
#[case::encryption(changed(RSA.jwk(), "use", json!("enc")), UnusableKey::NotForSignatures)]
#[case::odd_use(changed(RSA.jwk(), "use", json!(null)), UnusableKey::NotForSignatures)]
#[case::operations(changed(RSA.jwk(), "key_ops", json!(["encrypt"])), UnusableKey::NotForVerification)]
#[case::no_operation(changed(RSA.jwk(), "key_ops", json!([])), UnusableKey::NotForVerification)]
#[case::odd_operations(changed(RSA.jwk(), "key_ops", json!("verify")), UnusableKey::NotForVerification)]
#[case::encrypting_algorithm(changed(RSA.jwk(), "alg", json!("RSA-OAEP")), UnusableKey::OtherAlgorithm)]
#[case::hmac(changed(RSA.jwk(), "alg", json!("HS256")), UnusableKey::OtherAlgorithm)]
#[case::algorithm_of_another_curve(changed(P256.jwk(), "alg", json!("ES384")), UnusableKey::OtherAlgorithm)]
#[case::odd_algorithm(changed(RSA.jwk(), "alg", json!(1)), UnusableKey::OtherAlgorithm)]
#[case::curve(changed(P256.jwk(), "crv", json!("P-521")), UnusableKey::OtherCurve)]
#[case::bitcoin(changed(P256.jwk(), "crv", json!("secp256k1")), UnusableKey::OtherCurve)]
#[case::x25519(changed(ED.jwk(), "crv", json!("X25519")), UnusableKey::OtherCurve)]
#[case::wrong_curve(changed(P256.jwk(), "crv", json!("P-384")), UnusableKey::InvalidParameters)]
#[case::odd_id(changed(RSA.jwk(), "kid", json!(1)), UnusableKey::KeyIdNotText)]
#[case::no_modulus(without(RSA.jwk(), "n"), UnusableKey::InvalidParameters)]
#[case::modulus_not_base64(changed(RSA.jwk(), "n", json!("+/==")), UnusableKey::InvalidParameters)]
#[case::exponent_of_one(changed(RSA.jwk(), "e", json!("AQ")), UnusableKey::InvalidParameters)]
#[case::even_exponent(changed(RSA.jwk(), "e", json!("Ag")), UnusableKey::InvalidParameters)]
#[case::no_exponent(changed(RSA.jwk(), "e", json!("")), UnusableKey::InvalidParameters)]
#[case::long_exponent(changed(RSA.jwk(), "e", json!("AQABAAEAAQ")), UnusableKey::InvalidParameters)]
#[case::empty_modulus(changed(RSA.jwk(), "n", json!("")), UnusableKey::RsaSize(0))]
#[case::small(changed(RSA.jwk(), "n", small_modulus()), UnusableKey::RsaSize(1024))]
#[case::short_point(changed(P256.jwk(), "x", json!("AQAB")), UnusableKey::InvalidParameters)]
#[case::no_point(without(ED.jwk(), "x"), UnusableKey::InvalidParameters)]
fn one_unusable_key_does_not_lose_the_set(#[case] key: Value, #[case] why: UnusableKey) {
    let text = set_of(&[key.clone(), ED.jwk()]);
    let (keys, ignored) = KeySet::parse(&text).unwrap();
    let ignored_size = |it: &UnusableKey| matches!(it, UnusableKey::RsaSize(1..));
    match (&*ignored, why) {
        // The size depends on the key of this run, by the zeros in front.
        (
            [
                Ignored {
                    number: 1,
                    why: found,
                },
            ],
            why,
        ) if ignored_size(found) && ignored_size(&why) => {}
        _ => assert_eq!(ignored, [Ignored { number: 1, why }]),
    }
    let public = issuer(Algorithms::with_public_keys());
    assert!(verify_with(ED.token(&claims()), &public, &keys, NOW).is_ok());
    // Alone, it makes no set.
    assert!(matches!(
        KeySet::parse(&set_of(&[key])),
        Err(InvalidSet::NoUsableKey(_))
    ));
}

#[test]
fn few_of_many_ignored_keys_are_reported() {
    let mut keys = vec![json!({}); 10_000];
    keys.push(ED.jwk());
    let (set, ignored) = KeySet::parse(&set_of(&keys)).unwrap();
    assert_eq!(set.count(), 1);
    let numbers: Vec<_> = ignored.iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}

#[rstest]
#[case("")]
#[case("<html>login</html>")]
#[case("[]")]
#[case("{}")]
#[case(r#"{"keys":{}}"#)]
#[case(r#"{"keys":null}"#)]
fn other_documents_are_rejected(#[case] text: &str) {
    assert_eq!(
        KeySet::parse(text.as_bytes()).unwrap_err(),
        InvalidSet::NotASet
    );
}

#[test]
fn a_deep_document_is_rejected() {
    let text = format!("{{\"keys\":{}", "[".repeat(100_000));
    assert_eq!(
        KeySet::parse(text.as_bytes()).unwrap_err(),
        InvalidSet::NotASet
    );
}

#[test]
fn an_empty_set_is_rejected() {
    let error = KeySet::parse(&set_of(&[])).unwrap_err();
    assert_eq!(error, InvalidSet::NoUsableKey(vec![]));
    let error = KeySet::parse(&set_of(&[json!({"kty": "oct", "k": "secret"})])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no key in the key set can be used to verify signatures: key 1 in the key set is ignored: \
         it is a shared secret (`oct`), which a set of public keys must not contain"
    );
}

#[test]
fn each_key_of_a_repeated_id_is_tried() {
    let same_id = changed(OTHER_RSA.jwk(), "kid", json!("rsa"));
    let (keys, _) = KeySet::parse(&set_of(&[same_id, P384.jwk(), RSA.jwk()])).unwrap();
    let public = issuer(Algorithms::with_public_keys());
    assert!(verify_with(RSA.token(&claims()), &public, &keys, NOW).is_ok());
    let other = OTHER_RSA.token_of(&RSA.header().to_string(), &claims().to_string());
    assert!(verify_with(other, &public, &keys, NOW).is_ok());
}

#[test]
fn keys_without_an_id_verify_tokens_without_one() {
    let keys = [without(RSA.jwk(), "kid"), without(P256.jwk(), "kid")];
    let (keys, _) = KeySet::parse(&set_of(&keys)).unwrap();
    let public = issuer(Algorithms::with_public_keys());
    let anonymous = P256.token_of(r#"{"alg":"ES256"}"#, &claims().to_string());
    assert!(verify_with(anonymous, &public, &keys, NOW).is_ok());
    let named = verify_with(P256.token(&claims()), &public, &keys, NOW);
    assert_eq!(named, Err(Refusal::UnknownKey));
}

#[test]
fn the_number_of_keys_that_are_tried_is_bounded() {
    let verified = |others: usize| {
        let mut keys = vec![without(OTHER_RSA.jwk(), "kid"); others];
        keys.push(without(RSA.jwk(), "kid"));
        let (keys, _) = KeySet::parse(&set_of(&keys)).unwrap();
        let token = RSA.token_of(r#"{"alg":"RS256"}"#, &claims().to_string());
        let public = issuer(Algorithms::with_public_keys());
        verify_with(token, &public, &keys, NOW).map(|it| it.user.id)
    };
    assert_eq!(verified(MOST_TRIED - 1), Ok("ada".to_owned()));
    assert_eq!(verified(MOST_TRIED), Err(Refusal::TooManyKeys));
}

#[test]
fn a_key_that_the_newer_set_lacks_stops_working() {
    let public = issuer(Algorithms::with_public_keys());
    let token = RSA.token(&claims());
    assert!(verify_with(&token, &public, &KEYS, NOW).is_ok());
    let (newer, _) = KeySet::parse(&set_of(&[P256.jwk()])).unwrap();
    let verified = verify_with(&token, &public, &newer, NOW);
    assert_eq!(verified, Err(Refusal::UnknownKey));
    assert!(Refusal::UnknownKey.newer_keys_may_help());
}

#[test]
fn a_secret_that_could_be_guessed_is_rejected() {
    assert_eq!(KeySet::of_secret(&[b'x'; 31]).unwrap_err(), ShortSecret);
    assert!(KeySet::of_secret(&[b'x'; 32]).is_ok());
    let padded = [&[b'x'; 31][..], b"\n\n\n"].concat();
    assert_eq!(KeySet::of_secret(&padded).unwrap_err(), ShortSecret);
}

#[test]
fn no_debug_output_shows_a_secret() {
    let keys = KeySet::of_secret(SECRET).unwrap();
    assert_eq!(format!("{keys:?}"), "KeySet(1 keys)");
}
