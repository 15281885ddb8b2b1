//! Claims: issuer, times, audience, user, and text that is not claims.

use keygate_users::{JsonError, Refusal, jwt::Time, mapping::InvalidId};
use serde_json::{Value, json};

use super::super::issuer::{ISSUER, LEEWAY, P256, encoded};
use super::{Forge, Hostile, rejected, with_claims_text};

pub(super) fn table(forge: &Forge) -> Vec<Hostile> {
    [
        unreadable(forge),
        issuers(forge),
        times(forge),
        audiences(forge),
        users(forge),
    ]
    .concat()
}

fn unreadable(forge: &Forge) -> Vec<Hostile> {
    let valid = forge.claims().to_string();
    let with_more = |more: &str| {
        let claims = valid.strip_suffix('}').unwrap();
        with_claims_text(&format!("{claims},{more}}}"))
    };
    let repeated = [
        r#""sub":"eve""#,
        r#""exp":9999999999"#,
        r#""a":{"b":1,"b":1}"#,
    ];
    let not_json = [
        r#""a":NaN"#,
        "\"a\":\"\u{1}\"",
        r#""a":1,"#,
        r#""a":"\ud800""#,
    ];
    let expiries = [
        "1e400",
        "-1e400",
        "18446744073709551616e999",
        "Infinity",
        "01800000300",
        "0x6b49d200",
    ];
    let expiry = (forge.period.end() + 300).to_string();
    let not_utf8 = {
        let mut bytes = valid.clone().into_bytes();
        let at = bytes.windows(3).position(|it| it == b"ada").unwrap();
        bytes[at] = 0xff;
        let [header, _, signature] = forge.parts();
        format!("{header}.{}.{signature}", encoded(bytes))
    };
    // 5,000 of them fit into a token; 10,000 do not, and are tried where JSON is read.
    let nested = |open: &str, close: &str| {
        let inner = format!("{}0{}", open.repeat(5_000), close.repeat(5_000));
        with_more(&format!("\"x\":{inner}"))
    };
    let inside_a_token = with_claims_text(&P256.token(&forge.claims()));
    let rejected_by =
        |rule, error, tokens: Vec<String>| rejected(rule, Refusal::Claims(error), tokens);
    [
        rejected_by(
            "repeated claim",
            JsonError::RepeatedName,
            repeated.map(with_more).to_vec(),
        ),
        rejected_by(
            "claims that are not JSON",
            JsonError::Syntax,
            not_json.map(with_more).to_vec(),
        ),
        rejected_by(
            "expiry beyond all numbers",
            JsonError::Syntax,
            expiries
                .map(|it| with_claims_text(&valid.replace(&expiry, it)))
                .to_vec(),
        ),
        rejected_by(
            "claims that are not an object",
            JsonError::NotAnObject,
            vec![with_claims_text(&json!([forge.claims()]).to_string())],
        ),
        rejected_by("a token as claims", JsonError::Syntax, vec![inside_a_token]),
        rejected_by(
            "claims that are not UTF-8",
            JsonError::NotUtf8,
            vec![not_utf8],
        ),
        rejected_by("nested lists", JsonError::TooDeep, vec![nested("[", "]")]),
        rejected("nested objects", Refusal::TooLong, [nested("{\"a\":", "}")]),
    ]
    .concat()
}

fn issuers(forge: &Forge) -> Vec<Hostile> {
    let other_types = [
        json!(null),
        json!([ISSUER]),
        json!([ISSUER, "x"]),
        json!({"a": ISSUER}),
    ];
    let others = [
        "https://id.example.com",
        "https://ID.example.com/",
        "",
        "https://id.example.com/\u{0}",
    ];
    [
        rejected("no issuer", Refusal::NoIssuer, [forge.without_claim("iss")]),
        rejected(
            "issuer that is not a string",
            Refusal::IssuerNotText,
            other_types.map(|value| forge.with_claim("iss", value)),
        ),
        rejected(
            "another issuer",
            Refusal::OtherIssuer,
            others.map(|name| forge.with_claim("iss", name.into())),
        ),
    ]
    .concat()
}

fn times(forge: &Forge) -> Vec<Hostile> {
    let (start, end) = (*forge.period.start(), *forge.period.end());
    let leeway = i64::from(LEEWAY);
    let with = |name: &'static str, values: Vec<Value>| {
        let tokens = values
            .into_iter()
            .map(|value| forge.with_claim(name, value));
        tokens.collect::<Vec<_>>()
    };
    let not_expiries = vec![
        json!(null),
        json!((end + 300).to_string()),
        json!(1_800_000_300.5),
        json!(1e30),
        json!(-1),
        json!([end + 300]),
        json!({}),
        json!(true),
    ];
    let expired = vec![json!(0), json!(start - leeway), json!(start - leeway - 1)];
    let too_early = vec![json!(end + leeway + 1), json!(u64::MAX)];
    let not_starts = vec![json!("0"), json!(null), json!(-1)];
    let not_issued = vec![json!("2026"), json!({})];
    [
        rejected("no expiry", Refusal::NoExpiry, [forge.without_claim("exp")]),
        rejected(
            "expiry that is not a time",
            Refusal::NotATime(Time::Expiry),
            with("exp", not_expiries),
        ),
        rejected("expired", Refusal::Expired, with("exp", expired)),
        rejected(
            "not yet valid",
            Refusal::NotYetValid,
            with("nbf", too_early),
        ),
        rejected(
            "start that is not a time",
            Refusal::NotATime(Time::NotBefore),
            with("nbf", not_starts),
        ),
        rejected(
            "issued at no time",
            Refusal::NotATime(Time::IssuedAt),
            with("iat", not_issued),
        ),
    ]
    .concat()
}

fn audiences(forge: &Forge) -> Vec<Hostile> {
    let other_types = [
        json!(null),
        json!({"orders-api": true}),
        json!(1),
        json!(["orders-api", 1]),
        json!([["orders-api"]]),
    ];
    let others = [
        json!("other"),
        json!("orders-api,other"),
        json!(["ORDERS-API", ""]),
    ];
    [
        rejected(
            "no audience",
            Refusal::NoAudience,
            [
                forge.without_claim("aud"),
                forge.with_claim("aud", json!([])),
            ],
        ),
        rejected(
            "audience that is not a string",
            Refusal::AudienceNotText,
            other_types.map(|value| forge.with_claim("aud", value)),
        ),
        rejected(
            "another audience",
            Refusal::OtherAudience,
            others.map(|value| forge.with_claim("aud", value)),
        ),
    ]
    .concat()
}

fn users(forge: &Forge) -> Vec<Hostile> {
    let id = |rule, error, token| rejected(rule, Refusal::Id(error), [token]);
    [
        id("no user", InvalidId::Missing, forge.without_claim("sub")),
        id(
            "user without a name",
            InvalidId::Missing,
            forge.with_claim("sub", json!("")),
        ),
        id(
            "list of users",
            InvalidId::NotText,
            forge.with_claim("sub", json!(["ada"])),
        ),
        id(
            "line break in the user's id",
            InvalidId::Unsafe,
            forge.with_claim("sub", json!("a\r\nx: y")),
        ),
    ]
    .concat()
}
