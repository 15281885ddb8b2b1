//! Headers: algorithms, types, extensions, and text that is not a header.

use jsonwebtoken::Algorithm;
use keygate_users::{JsonError, Refusal, jwt::Part};
use serde_json::json;

use super::super::issuer::{ED, P256, RSA, decoded, encoded, with_secret};
use super::{Forge, Hostile, NARROW_ISSUER, rejected};

pub(super) fn table(forge: &Forge) -> Vec<Hostile> {
    [algorithms(forge), secrets(forge), fields(forge)].concat()
}

fn algorithms(forge: &Forge) -> Vec<Hostile> {
    let unknown = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "es256",
        "ES256 ",
        "ES512",
        "ES256K",
        "EdDSA\u{0}",
        "../../dev/null",
    ];
    let other_types = [
        json!(null),
        json!(["ES256"]),
        json!({"ES256": true}),
        json!(256),
    ];
    let [_, claims, _] = forge.parts();
    let unsigned = format!("{}.{claims}.", encoded(r#"{"alg":"none"}"#));
    let narrow = P256.token(&forge.claims_of(NARROW_ISSUER));
    [
        rejected(
            "unknown algorithm",
            Refusal::UnknownAlgorithm,
            unknown.map(|name| forge.with_header("alg", name.into())),
        ),
        // By its algorithm, before anything else is looked at.
        rejected("unsigned", Refusal::UnknownAlgorithm, [unsigned]),
        rejected(
            "algorithm that is not a string",
            Refusal::NoAlgorithm,
            other_types.map(|value| forge.with_header("alg", value)),
        ),
        rejected(
            "algorithm that the issuer does not use",
            Refusal::AlgorithmNotAllowed,
            [narrow],
        ),
    ]
    .concat()
}

/// What anybody can know of a public key, as the secret of an HMAC.
fn secrets(forge: &Forge) -> Vec<Hostile> {
    let mut tokens = Vec::new();
    for key in [&*RSA, &P256, &ED] {
        let jwk = key.jwk();
        let mut numbers = ["n", "x"].iter().filter_map(|name| jwk[name].as_str());
        let published = numbers.next().unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = json!({"alg": algorithm, "kid": key.id});
            for secret in [
                published.as_bytes(),
                &decoded(published),
                jwk.to_string().as_bytes(),
                b"",
            ] {
                tokens.push(with_secret(algorithm, secret, &header, &forge.claims()));
            }
        }
    }
    rejected("public key as secret", Refusal::AlgorithmNotAllowed, tokens)
}

fn fields(forge: &Forge) -> Vec<Hostile> {
    let critical = [json!(["exp"]), json!(["b64"]), json!([]), json!(null)];
    let types = [
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("secevent+jwt"),
        json!("JOSE"),
        json!(""),
        json!(1),
        json!(null),
    ];
    let repeated = [
        r#"{"alg":"ES256","kid":"p256","alg":"none"}"#,
        r#"{"alg":"ES256","kid":"rsa","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","\u0061lg":"none"}"#,
    ];
    let not_json = [
        r#"{"alg":"ES256","kid":"p256"}{}"#,
        "\u{feff}{\"alg\":\"ES256\",\"kid\":\"p256\"}",
        "alg=ES256",
    ];
    // Never closed: no parser may be on the way down for long.
    let nested = format!("{{\"alg\":{}", "[".repeat(10_000));
    let unreadable = |rule, error, headers: &[&str]| {
        let tokens = headers.iter().map(|text| forge.with_header_text(text));
        rejected(rule, Refusal::Header(error), tokens)
    };
    let [_, claims, signature] = forge.parts();
    [
        rejected(
            "critical extension",
            Refusal::Critical,
            critical.map(|names| forge.with_header("crit", names)),
        ),
        rejected(
            "another type of token",
            Refusal::OtherType,
            types.map(|kind| forge.with_header("typ", kind)),
        ),
        unreadable(
            "repeated name in the header",
            JsonError::RepeatedName,
            &repeated,
        ),
        unreadable(
            "header that is not an object",
            JsonError::NotAnObject,
            &[r#"["ES256"]"#, r#""ES256""#],
        ),
        unreadable("header that is not JSON", JsonError::Syntax, &not_json),
        rejected(
            "nested header",
            Refusal::Header(JsonError::TooDeep),
            [P256.token_of(&nested, "{}")],
        ),
        rejected(
            "no header",
            Refusal::EmptyPart(Part::Header),
            [format!(".{claims}.{signature}")],
        ),
    ]
    .concat()
}
