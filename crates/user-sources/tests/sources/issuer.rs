//! An issuer of tokens, whose keys are made for this run.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use keygate_user_sources::Keys;
use keygate_users::{
    Issuer, KeySet, Mapping,
    jwks::Ignored,
    jwt::{Algorithms, Audience},
};
use serde_json::{Value, json};

pub(crate) const NAME: &str = "https://id.example.com/";
const NOW: i64 = 1_800_000_000;

pub(crate) struct SigningKey {
    id: &'static str,
    key: EncodingKey,
}

pub(crate) static FIRST: LazyLock<SigningKey> = LazyLock::new(|| made("first"));
pub(crate) static SECOND: LazyLock<SigningKey> = LazyLock::new(|| made("second"));

fn made(id: &'static str) -> SigningKey {
    keygate_users::crypto::install();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    SigningKey {
        id,
        key: EncodingKey::from_ec_der(made.unwrap().as_ref()),
    }
}

impl SigningKey {
    pub(crate) fn token(&self) -> Vec<u8> {
        self.token_named(self.id)
    }

    pub(crate) fn token_named(&self, id: &str) -> Vec<u8> {
        self.token_until(id, NOW + 300)
    }

    pub(crate) fn token_until(&self, id: &str, expiry: i64) -> Vec<u8> {
        let header = json!({"alg": "ES256", "kid": id});
        let claims = json!({"iss": NAME, "aud": "api", "sub": "ada", "exp": expiry});
        let encoded = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}").into_bytes()
    }

    fn jwk(&self, id: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = id.into();
        jwk
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

pub(crate) fn issuer() -> Issuer {
    Issuer {
        name: NAME.to_owned(),
        audience: Audience::AnyOf(vec!["api".to_owned()]),
        algorithms: Algorithms::with_public_keys(),
        leeway_seconds: 0,
        mapping: Mapping {
            id: "/sub".parse().unwrap(),
            groups: vec![],
            permissions: vec![],
            properties: vec![],
        },
    }
}

pub(crate) fn set_of(keys: &[&SigningKey]) -> Vec<u8> {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk(key.id)).collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

/// A set in which a key has another's id.
pub(crate) fn set_named(key: &SigningKey, id: &str) -> Vec<u8> {
    json!({ "keys": [key.jwk(id)] }).to_string().into_bytes()
}

/// Keys as the reader of a file sets them.
pub(crate) fn loaded(set: KeySet, ignored: Vec<Ignored>) -> Arc<Keys> {
    let keys = Keys::of_file();
    keys.replace(set, ignored);
    keys
}
