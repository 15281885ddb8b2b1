//! Any token is rejected or verified, and a verified one satisfies the settings.
//!
//! The bytes are parsed as a token. If they contain an empty line, the parts before and after it are also
//! used as header and claims of a token with a valid signature.

#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use keygate_users::{
    Identity, Issuer, KeySet, Mapping, Pointer, Refusal, Unverified, Verified,
    identity::DEFAULT_LIMIT,
    jwt::{Algorithms, Audience, MOST_BYTES},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: i64 = 1_800_000_000;
const LEEWAY: u32 = 30;
const NAME: &str = "i";
const SECRET: &[u8] = b"a secret of the fuzz target, which is not a secret of anybody.!!";

static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::of_secret(SECRET).expect("it is long"));
static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let pointers = |text: &str| vec![text.parse::<Pointer>().expect("a pointer")];
    Issuer {
        name: NAME.to_owned(),
        audience: Audience::AnyOf(vec!["a".to_owned()]),
        algorithms: Algorithms::with_secret(),
        leeway_seconds: LEEWAY,
        mapping: Mapping {
            id: "/sub".parse().expect("a pointer"),
            groups: pointers("/groups"),
            permissions: pointers("/scope"),
            properties: pointers("/p"),
        },
    }
});

fuzz_target!(|data: &[u8]| {
    // The bytes cannot contain a valid signature.
    assert!(verify(data).is_err());

    let Some(blank) = data.windows(2).position(|it| it == b"\n\n") else { return };
    let (header, claims) = (&data[..blank], &data[blank + 2..]);
    let token = signed(header, claims);
    let verified = match verify(token.as_bytes()) {
        Ok(verified) => verified,
        Err(Refusal::TooLong) => return assert!(token.len() > MOST_BYTES),
        Err(_) => return,
    };
    check(&verified, &serde_json::from_slice(claims).expect("JSON"));
    // A changed signature is invalid.
    let last = token.len() - 5;
    let other = if token.as_bytes()[last] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..last], &token[last + 1..]);
    assert_eq!(verify(changed.as_bytes()), Err(Refusal::BadSignature));
});

fn verify(token: &[u8]) -> Result<Verified, Refusal> {
    let now = Timestamp::from_second(NOW).expect("a time");
    ISSUER.verify(&Unverified::parse(token)?, &KEYS, now)
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    keygate_users::crypto::install();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let algorithm = match header {
        header if header.windows(5).any(|it| it == b"HS512") => Algorithm::HS512,
        _ => Algorithm::HS256,
    };
    let key = EncodingKey::from_secret(SECRET);
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

fn check(verified: &Verified, claims: &Value) {
    assert_eq!(claims["iss"], NAME);
    let expiry = claims["exp"].as_u64().expect("a whole number");
    assert!(i128::from(expiry) + i128::from(LEEWAY) > i128::from(NOW));
    if let Some(start) = claims.get("nbf") {
        let start = start.as_u64().expect("a whole number");
        assert!(i128::from(start) <= i128::from(NOW) + i128::from(LEEWAY));
    }
    let is_ours = |name: &Value| name == "a";
    assert!(is_ours(&claims["aud"]) || claims["aud"].as_array().expect("a list").iter().any(is_ours));
    assert!(!verified.user.id.is_empty());
    if let Ok(identity) = Identity::of(&verified.user, DEFAULT_LIMIT) {
        assert!(identity.properties.is_none_or(|it| it.to_str().is_ok()));
    }
}
