//! Signed identities: the keys of the key file, and what backends verify.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use keygate_users::{
    IdentityToken, IdentityTokens, Issuer, KeySet, SigningKeys, Unverified, User,
    identity::Unfit,
    identity_token::{BlockError, Caller, HEADER, InvalidKeyFile},
    jwt::{Algorithms, Audience},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::signer::*;

const LIMIT: usize = 4096;
const KEYGATE: &str = "https://keygate.example.com";

fn pem(label: &str, der: impl AsRef<[u8]>) -> String {
    let content = STANDARD.encode(der);
    let lines: Vec<_> = content.as_bytes().chunks(64).collect();
    let lines: Vec<_> = lines.into_iter().map(String::from_utf8_lossy).collect();
    let content = lines.join("\n");
    format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
}

fn private(key: &TestKey) -> String {
    pem("PRIVATE KEY", &key.pkcs8)
}

/// The public half of a key, as `openssl pkey -pubout` writes it.
fn public(key: &TestKey) -> String {
    let jwk = key.jwk();
    let part = |name: &str| decoded(jwk[name].as_str().unwrap());
    let der = if jwk["kty"] == "EC" {
        let start = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
        [from_hexadecimal(start), part("x"), part("y")].concat()
    } else {
        [from_hexadecimal("302a300506032b6570032100"), part("x")].concat()
    };
    pem("PUBLIC KEY", der)
}

fn from_hexadecimal(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let text = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
    text.map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn tokens_of(audience: &Value, file: &str) -> IdentityTokens {
    let settings = json!({"key-file": "unused", "issuer": KEYGATE, "audience": audience});
    let settings: IdentityToken = serde_json::from_value(settings).unwrap();
    IdentityTokens::new(&settings, SigningKeys::parse(file).unwrap())
}

fn tokens(file: &str) -> IdentityTokens {
    tokens_of(&json!("orders-api"), file)
}

fn ada() -> User {
    User {
        id: "ada".to_owned(),
        groups: ["editor", "a,b", "führung"].into_iter().collect(),
        ..User::default()
    }
}

fn token(tokens: &IdentityTokens, caller: Caller<'_>, now: i64) -> String {
    let now = Timestamp::from_second(now).unwrap();
    let token = tokens.token(caller, LIMIT, now).unwrap();
    token.to_str().unwrap().to_owned()
}

fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&decoded(claims)).unwrap()
}

fn key_id(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    header["kid"].clone()
}

/// Verifies a token as a backend does: with the published keys.
fn verified(tokens: &IdentityTokens, token: &str, now: i64) -> User {
    let (keys, ignored) = KeySet::parse(tokens.key_set().as_bytes()).unwrap();
    assert_eq!(ignored, []);
    let issuer = Issuer {
        name: KEYGATE.to_owned(),
        leeway_seconds: 0,
        audience: Audience::AnyOf(vec!["orders-api".to_owned()]),
        ..issuer(Algorithms::with_public_keys())
    };
    let token = Unverified::parse(token.as_bytes()).unwrap();
    let now = Timestamp::from_second(now).unwrap();
    issuer.verify(&token, &keys, now).unwrap().user
}

#[rstest]
#[case(&P256, json!("orders-api"))]
#[case(&ED, json!(["orders-api"]))]
#[case(&P256, json!(["billing", "orders-api"]))]
fn a_backend_verifies_the_token_with_the_key_set(#[case] key: &TestKey, #[case] audience: Value) {
    let tokens = tokens_of(&audience, &private(key));
    let user = ada();
    let caller = Caller {
        client_type: Some("partner"),
        key_id: Some("acme"),
        user: Some(&user),
    };
    let token = token(&tokens, caller, NOW);
    assert_eq!(verified(&tokens, &token, NOW + 299).groups, user.groups);
    let one = json!("orders-api");
    let audience = if audience == json!(["orders-api"]) {
        one
    } else {
        audience
    };
    assert_eq!(
        claims_of(&token),
        json!({
            "iss": KEYGATE, "aud": audience, "sub": "ada", "client_type": "partner", "key_id": "acme",
            "groups": ["a,b", "editor", "führung"], "iat": NOW, "exp": NOW + 300,
        })
    );
}

#[test]
fn parts_that_nobody_said_are_left_out() {
    let tokens = tokens(&private(&ED));
    let claims = |caller| claims_of(&token(&tokens, caller, NOW));
    let times = json!({"iss": KEYGATE, "aud": "orders-api", "iat": NOW, "exp": NOW + 300});
    assert_eq!(claims(Caller::default()), times);
    let key_only = Caller {
        client_type: Some("ada"),
        key_id: Some("k"),
        user: None,
    };
    let mut expected = times.clone();
    expected["client_type"] = "ada".into();
    expected["key_id"] = "k".into();
    assert_eq!(claims(key_only), expected, "a client type is no `sub`");
}

#[test]
fn an_identity_is_signed_once_in_half_the_lifetime() {
    // A signature by ES256 has random bits, so an equal token was not signed again.
    let tokens = tokens(&private(&P256));
    let caller = Caller {
        client_type: Some("A"),
        ..Caller::default()
    };
    let first = token(&tokens, caller, NOW);
    assert_eq!(token(&tokens, caller, NOW + 149), first);
    let second = token(&tokens, caller, NOW + 150);
    assert_ne!(second, first);
    assert_eq!(claims_of(&second)["exp"], NOW + 450);
    assert_eq!(token(&tokens, caller, NOW + 299), second);
    // The clock was set back: the token would be from the future.
    assert_eq!(claims_of(&token(&tokens, caller, NOW))["iat"], NOW);
}

#[test]
fn every_part_of_an_identity_makes_another_token() {
    let tokens = tokens(&private(&P256));
    let (ada, mut other, mut more) = (ada(), ada(), ada());
    other.id = "bob".to_owned();
    more.groups = ["editor"].into_iter().collect();
    let caller = |client_type, key_id, user| Caller {
        client_type,
        key_id,
        user,
    };
    let all = [
        caller(None, None, None),
        caller(Some("A"), None, None),
        caller(None, Some("A"), None),
        caller(Some("A"), Some("A"), None),
        caller(Some("A\",\"key_id\":\"A"), None, None),
        caller(Some("A"), Some("A"), Some(&ada)),
        caller(Some("A"), Some("A"), Some(&other)),
        caller(Some("A"), Some("A"), Some(&more)),
    ];
    let made: BTreeSet<_> = all.map(|it| token(&tokens, it, NOW)).into_iter().collect();
    assert_eq!(made.len(), all.len());
}

#[test]
fn concurrent_requests_of_one_identity_share_a_token() {
    let tokens = tokens(&private(&P256));
    let made: BTreeSet<_> = std::thread::scope(|scope| {
        let threads = [(); 8].map(|()| scope.spawn(|| token(&tokens, Caller::default(), NOW)));
        threads.map(|it| it.join().unwrap()).into_iter().collect()
    });
    assert_eq!(made.len(), 1);
}

#[test]
fn a_token_longer_than_the_limit_is_an_error() {
    let tokens = tokens(&private(&ED));
    let now = Timestamp::from_second(NOW).unwrap();
    let length = token(&tokens, Caller::default(), NOW).len();
    let too_large = |length, limit| Unfit::TooLarge {
        name: HEADER,
        length,
        limit,
    };
    let with = |limit| tokens.token(Caller::default(), limit, now);
    assert!(with(length).is_ok());
    assert_eq!(with(length - 1), Err(too_large(length, length - 1)));
    // The same before it is signed for the first time.
    let user = ada();
    let caller = Caller {
        user: Some(&user),
        ..Caller::default()
    };
    let before = tokens.token(caller, 100, now);
    let length = token(&tokens, caller, NOW).len();
    assert_eq!(before, Err(too_large(length, 100)));
}

#[test]
fn former_and_next_keys_are_published_and_do_not_sign() {
    let (current, next) = (&P256, &ED);
    let id = |file: &str| key_id(&token(&tokens(file), Caller::default(), NOW));
    let (p256, ed) = (id(&private(current)), id(&private(next)));
    for (file, signer) in [
        (private(current) + &private(next), &p256),
        (private(next) + &private(current), &ed),
        (private(current) + &public(next), &p256),
        (
            public(next) + "\ntext of a person\r\n" + &private(current),
            &p256,
        ),
    ] {
        let tokens = tokens(&file.replace('\n', "\r\n"));
        let made = token(&tokens, Caller::default(), NOW);
        assert_eq!(key_id(&made), *signer);
        let set: Value = serde_json::from_str(tokens.key_set()).unwrap();
        let ids: Vec<_> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["kid"])
            .collect();
        assert!(ids.contains(&&p256) && ids.contains(&&ed) && ids.len() == 2);
    }
}

#[test]
fn the_key_set_has_public_parts_alone() {
    let tokens = tokens(&(private(&P256) + &private(&ED)));
    let set: Value = serde_json::from_str(tokens.key_set()).unwrap();
    let names = |number: usize| {
        let key = set["keys"][number].as_object().unwrap();
        key.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(0), "alg crv kid kty use x y");
    assert_eq!(names(1), "alg crv kid kty use x");
    assert_eq!(set["keys"][0]["alg"], "ES256");
    assert_eq!(set["keys"][1]["alg"], "EdDSA");
    assert_eq!(set["keys"][0]["use"], "sig");
}

/// RFC 8037, appendices A.1 and A.3; and the key of RFC 7515, appendix A.3.
#[rstest]
#[case(
    "302e020100300506032b657004220420",
    "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
)]
#[case(
    "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420",
    "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
)]
fn the_key_id_is_the_thumbprint(#[case] start: &str, #[case] key: &str, #[case] id: &str) {
    let file = pem(
        "PRIVATE KEY",
        [from_hexadecimal(start), decoded(key)].concat(),
    );
    let tokens = tokens(&file);
    assert_eq!(key_id(&token(&tokens, Caller::default(), NOW)), id);
    let set: Value = serde_json::from_str(tokens.key_set()).unwrap();
    assert_eq!(set["keys"][0]["kid"], id);
}

#[test]
fn an_invalid_block_is_named_by_its_line() {
    let valid = private(&P256);
    let after = valid.lines().count() + 1;
    let unended = valid.replace("END PRIVATE KEY", "END PUBLIC KEY");
    let cut = valid.lines().take(2).collect::<Vec<_>>().join("\n");
    for (block, error) in [
        (unended, BlockError::Broken),
        (cut, BlockError::Broken),
        ("-----END PRIVATE KEY-----".to_owned(), BlockError::Broken),
        ("----- a comment".to_owned(), BlockError::Broken),
        (pem("EC PARAMETERS", "x"), BlockError::OlderForm),
        (pem("EC PRIVATE KEY", "x"), BlockError::OlderForm),
        (pem("ENCRYPTED PRIVATE KEY", "x"), BlockError::Encrypted),
        (pem("CERTIFICATE", "x"), BlockError::OtherContent),
        (valid.replace("\nM", "\n!"), BlockError::NotBase64),
        (pem("PRIVATE KEY", "x"), BlockError::OtherKey),
        (pem("PRIVATE KEY", ""), BlockError::OtherKey),
        (pem("PUBLIC KEY", "x"), BlockError::OtherKey),
        (pem("PUBLIC KEY", &P256.pkcs8), BlockError::OtherKey),
        (private(&P384), BlockError::OtherKey),
        (pem("RSA PRIVATE KEY", "x"), BlockError::OtherKey),
        (valid.clone(), BlockError::Repeated { first: 1 }),
        (public(&P256), BlockError::Repeated { first: 1 }),
    ] {
        let line = after;
        let found = SigningKeys::parse(&(valid.clone() + &block)).unwrap_err();
        assert_eq!(found, InvalidKeyFile::Block { line, error }, "{block}");
    }
}

#[test]
fn a_file_without_a_private_key_is_rejected() {
    for file in [String::new(), "text".to_owned(), public(&ED)] {
        let error = SigningKeys::parse(&file).unwrap_err();
        assert_eq!(error, InvalidKeyFile::NoPrivateKey);
        assert!(error.to_string().contains("openssl genpkey"), "{error}");
    }
}

#[test]
fn neither_keys_nor_tokens_are_shown() {
    let tokens = tokens(&private(&ED));
    let now = Timestamp::from_second(NOW).unwrap();
    let token = tokens.token(Caller::default(), LIMIT, now).unwrap();
    let keys = SigningKeys::parse(&private(&ED)).unwrap();
    let shown = format!("{tokens:?} {keys:?} {token:?}");
    let expected = "IdentityTokens { issuer: \"https://keygate.example.com\", \
                    audience: [\"orders-api\"], keys: SigningKeys(1 keys), .. } \
                    SigningKeys(1 keys) Sensitive";
    assert_eq!(shown, expected);
}
