//! An issuer: keys made for this run, and tokens that may be wrong in any part.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example.com/";
pub(crate) const LEEWAY: u32 = 30;
pub(crate) const SECRET: &[u8] =
    b"a secret of a test, which is 64 bytes long: 0123456789 abcdefghi";

/// A key of a test, which signs by one algorithm at a time.
pub(crate) struct TestKey {
    pub(crate) id: &'static str,
    pub(crate) key: EncodingKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) pkcs8: Vec<u8>,
}

pub(crate) static RSA: LazyLock<TestKey> = LazyLock::new(|| rsa("rsa"));
pub(crate) static OTHER_RSA: LazyLock<TestKey> = LazyLock::new(|| rsa("other"));
pub(crate) static P256: LazyLock<TestKey> = LazyLock::new(|| {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    test_key(
        "p256",
        Algorithm::ES256,
        made.unwrap().as_ref(),
        EncodingKey::from_ec_der,
    )
});
pub(crate) static P384: LazyLock<TestKey> = LazyLock::new(|| {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new());
    test_key(
        "p384",
        Algorithm::ES384,
        made.unwrap().as_ref(),
        EncodingKey::from_ec_der,
    )
});
pub(crate) static ED: LazyLock<TestKey> = LazyLock::new(|| {
    // The version without the public key, as most programs write it.
    let made = Ed25519KeyPair::generate().unwrap();
    let made = made.to_pkcs8v1().unwrap();
    test_key(
        "ed",
        Algorithm::EdDSA,
        made.as_ref(),
        EncodingKey::from_ed_der,
    )
});

fn rsa(id: &'static str) -> TestKey {
    let made = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let made = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&made).unwrap();
    test_key(
        id,
        Algorithm::RS256,
        &pkcs1(made.as_ref()),
        EncodingKey::from_rsa_der,
    )
}

/// The RSA key inside a PKCS #8 document: behind the version and the algorithm, in an octet string.
fn pkcs1(pkcs8: &[u8]) -> Vec<u8> {
    pkcs8[26..].to_vec()
}

fn test_key(
    id: &'static str,
    algorithm: Algorithm,
    der: &[u8],
    key: fn(&[u8]) -> EncodingKey,
) -> TestKey {
    TestKey {
        id,
        key: key(der),
        algorithm,
        pkcs8: der.to_vec(),
    }
}

impl TestKey {
    /// The public half, as an issuer publishes it.
    pub(crate) fn jwk(&self) -> Value {
        keygate_users::crypto::install();
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        // Many issuers leave it out.
        jwk.as_object_mut().unwrap().remove("alg");
        jwk
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": self.algorithm, "typ": "JWT", "kid": self.id})
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        self.sign_by(self.algorithm, message)
    }

    pub(crate) fn sign_by(&self, algorithm: Algorithm, message: &str) -> String {
        keygate_users::crypto::install();
        crypto::sign(message.as_bytes(), &self.key, algorithm).unwrap()
    }

    /// A token of these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_of(&self.header().to_string(), &claims.to_string())
    }

    /// A token of any header and claims, with the right signature.
    pub(crate) fn token_of(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign(&message);
        format!("{message}.{signature}")
    }
}

/// An ES256 signature as X.509 writes it.
pub(crate) fn der_signature(message: &str) -> String {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &P256.pkcs8).unwrap();
    encoded(key.sign(&SystemRandom::new(), message.as_bytes()).unwrap())
}

/// A token signed with a secret.
pub(crate) fn with_secret(
    algorithm: Algorithm,
    secret: &[u8],
    header: &Value,
    claims: &Value,
) -> String {
    keygate_users::crypto::install();
    let message = format!(
        "{}.{}",
        encoded(header.to_string()),
        encoded(claims.to_string())
    );
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Claims that are valid throughout a period, in seconds since 1970.
pub(crate) fn claims_during(period: &RangeInclusive<i64>) -> Value {
    let (start, end) = (period.start(), period.end());
    json!({
        "iss": ISSUER, "aud": "orders-api", "sub": "ada", "iat": start - 60, "nbf": start - 60,
        "exp": end + 300, "groups": ["admin"], "scope": "read write",
        "realm_access": {"roles": ["editor"]}, "email": "ada@example.com",
    })
}

/// A set of keys, as an issuer publishes it.
pub(crate) fn set_of(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
