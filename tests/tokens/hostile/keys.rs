//! Keys and signatures: other keys, keys of other algorithms, and signatures that are not by the key.

use jsonwebtoken::Algorithm;
use keygate_users::{Refusal, jwt::Part};
use serde_json::json;

use super::super::issuer::{
    OTHER_RSA, P256, RSA, SECRET, decoded, der_signature, encoded, with_secret,
};
use super::{Forge, Hostile, NARROW_ISSUER, SECRET_ISSUER, rejected};

pub(super) fn table(forge: &Forge) -> Vec<Hostile> {
    [ids(forge), families(forge), signatures(forge)].concat()
}

fn ids(forge: &Forge) -> Vec<Hostile> {
    let unknown = [
        "p257",
        "",
        "../../../../dev/null",
        "p256' OR '1'='1",
        "p256; cat /etc/passwd",
        "https://evil.example.com/key",
        "p256\u{0}",
        " p256",
        "P256",
    ];
    let other_types = [json!(null), json!(1), json!(["p256"]), json!({"$ne": ""})];
    // No key of the set is without an id.
    let missing = forge.with_header_text(r#"{"alg":"ES256"}"#);
    let mut embedded = json!({
        "alg": "RS256", "typ": "JWT", "kid": "rsa", "jwk": OTHER_RSA.jwk(),
        "jku": "https://evil.example.com/jwks", "x5u": "https://evil.example.com/cert",
        "x5c": ["MII="],
    });
    let claims = forge.claims().to_string();
    let known = OTHER_RSA.token_of(&embedded.to_string(), &claims);
    embedded["kid"] = "other".into();
    let of_its_own = OTHER_RSA.token_of(&embedded.to_string(), &claims);
    [
        rejected(
            "unknown key id",
            Refusal::UnknownKey,
            unknown.map(|id| forge.with_header("kid", id.into())),
        ),
        rejected("missing key id", Refusal::UnknownKey, [missing]),
        rejected(
            "key id that is not a string",
            Refusal::KeyIdNotText,
            other_types.map(|id| forge.with_header("kid", id)),
        ),
        rejected("key in the header", Refusal::UnknownKey, [of_its_own]),
        rejected(
            "key in the header under a known id",
            Refusal::BadSignature,
            [known],
        ),
    ]
    .concat()
}

/// Keys and algorithms that do not belong together.
fn families(forge: &Forge) -> Vec<Hostile> {
    let claims = forge.claims().to_string();
    let others = [
        (&*P256, "rsa"),
        (&*P256, "p384"),
        (&*P256, "ed"),
        (&*RSA, "p256"),
    ];
    let others = others.map(|(signer, id)| {
        let header = json!({"alg": signer.algorithm, "kid": id});
        signer.token_of(&header.to_string(), &claims)
    });
    let signed_by_rsa = |signed: Algorithm, named: Algorithm, claims: &str| {
        let header = json!({"alg": named, "kid": "rsa"}).to_string();
        let message = format!("{}.{}", encoded(header), encoded(claims));
        format!("{message}.{}", RSA.sign_by(signed, &message))
    };
    let misnamed = [
        (Algorithm::RS256, Algorithm::PS256),
        (Algorithm::PS256, Algorithm::RS256),
        (Algorithm::RS256, Algorithm::RS512),
    ];
    let misnamed = misnamed.map(|(signed, named)| signed_by_rsa(signed, named, &claims));
    let narrow = forge.claims_of(NARROW_ISSUER).to_string();
    let narrow = signed_by_rsa(Algorithm::PS256, Algorithm::PS256, &narrow);
    let of_secret = forge.claims_of(SECRET_ISSUER);
    let with_key = [&*P256, &RSA].map(|key| key.token(&of_secret));
    let hs256 = json!({"alg": "HS256"});
    let other_secrets = [b"secret", &SECRET[1..], b""]
        .map(|secret| with_secret(Algorithm::HS256, secret, &hs256, &of_secret));
    [
        rejected(
            "key of another family",
            Refusal::AlgorithmOfAnotherKey,
            others,
        ),
        rejected(
            "another algorithm of the family",
            Refusal::BadSignature,
            misnamed,
        ),
        rejected(
            "algorithm that the key does not name",
            Refusal::AlgorithmOfAnotherKey,
            [narrow],
        ),
        rejected(
            "key pair where there is a secret",
            Refusal::AlgorithmNotAllowed,
            with_key,
        ),
        rejected("another secret", Refusal::BadSignature, other_secrets),
    ]
    .concat()
}

fn signatures(forge: &Forge) -> Vec<Hostile> {
    let [header, claims, signature] = forge.parts();
    let message = format!("{header}.{claims}");
    let damages: [fn(&mut Vec<u8>); 6] = [
        |it| it[5] ^= 1,
        |it| it.truncate(63),
        |it| it.truncate(1),
        |it| it.push(0),
        |it| it.fill(0),
        |it| it.rotate_left(32),
    ];
    let invalid = damages.map(|damage| {
        let mut signature = decoded(&signature);
        damage(&mut signature);
        format!("{message}.{}", encoded(signature))
    });
    let by_another = OTHER_RSA.token_of(&RSA.header().to_string(), &forge.claims().to_string());
    let of_other_claims = {
        let claims = encoded(forge.claims_with("sub", "eve".into()).to_string());
        format!("{header}.{claims}.{signature}")
    };
    [
        rejected("changed signature", Refusal::BadSignature, invalid),
        rejected(
            "signature in DER",
            Refusal::BadSignature,
            [format!("{message}.{}", der_signature(&message))],
        ),
        rejected(
            "another key of the same family",
            Refusal::BadSignature,
            [by_another],
        ),
        rejected("changed claims", Refusal::BadSignature, [of_other_claims]),
        rejected(
            "no signature",
            Refusal::EmptyPart(Part::Signature),
            [format!("{message}.")],
        ),
        rejected(
            "bits behind the end of the signature",
            Refusal::NotBase64(Part::Signature),
            [format!("{message}.{}", with_more_bits(&signature))],
        ),
    ]
    .concat()
}

/// The same 64 bytes: they are 85 characters and 2 bits, so the last character has 4 that mean nothing.
fn with_more_bits(signature: &str) -> String {
    let (rest, last) = signature.split_at(signature.len() - 1);
    let other = match last {
        "A" => 'B',
        "Q" => 'R',
        "g" => 'h',
        "w" => 'x',
        other => panic!("`{other}` has bits behind the end"),
    };
    format!("{rest}{other}")
}
