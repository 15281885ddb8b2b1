//! An issuer of tokens, whose keys are made for this run.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The name of the issuer.
pub(crate) const ISSUER: &str = "https://id.example.com/";

/// A key of the issuer.
pub(crate) struct SigningKey {
    /// Its `kid`.
    pub(crate) id: &'static str,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

pub(crate) static P256: LazyLock<SigningKey> = LazyLock::new(|| p256("p256"));
pub(crate) static OTHER_P256: LazyLock<SigningKey> = LazyLock::new(|| p256("other"));
pub(crate) static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey {
    id: "rsa",
    pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
});

fn p256(id: &'static str) -> SigningKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let pair = Pair::P256(pair);
    SigningKey { id, pair }
}

impl SigningKey {
    /// The public half, as an issuer publishes it.
    pub(crate) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::P256(pair) => {
                // An uncompressed point: 4, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig",
                       "x": encoded(x), "y": encoded(y)})
            }
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let [n, e] = [key.modulus(), key.exponent()];
                json!({"kty": "RSA", "kid": self.id, "use": "sig",
                       "n": encoded(n.big_endian_without_leading_zero()),
                       "e": encoded(e.big_endian_without_leading_zero())})
            }
        }
    }

    /// A token with these claims, signed by this key.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_named(self.id, claims)
    }

    /// A token that names another key than the one that signs it.
    pub(crate) fn token_named(&self, id: &str, claims: &Value) -> String {
        let algorithm = match self.pair {
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        };
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": id});
        let message = [&header, claims].map(|part| encoded(part.to_string()));
        let message = message.join(".");
        format!("{message}.{}", encoded(self.sign(message.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }
}

/// The set of these keys, as an issuer publishes it.
pub(crate) fn jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Seconds since 1970, some seconds from now.
pub(crate) fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
