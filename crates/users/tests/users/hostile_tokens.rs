//! Tokens that must be rejected, each for its own reason.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE},
};
use jsonwebtoken::Algorithm;
use keygate_users::{
    JsonError, KeySet, Refusal,
    jwt::{Algorithms, Part, Time},
    mapping::InvalidId,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::signer::*;

/// Rejected, and nothing of the token stands in the message.
fn rejected(token: impl AsRef<[u8]>) -> Refusal {
    let refusal = verify(token).expect_err("it was accepted");
    let message = refusal.to_string();
    assert!(
        !message.contains("ada") && !message.contains("eyJ"),
        "{message}"
    );
    refusal
}

fn with_header(header: &Value) -> String {
    P256.token_of(&header.to_string(), &claims().to_string())
}

/// A valid ES256 header with one field more, or another one.
fn header_with(name: &str, value: Value) -> Value {
    let mut header = P256.header();
    header[name] = value;
    header
}

/// The parts of a valid token.
fn parts() -> [String; 3] {
    let token = P256.token(&claims());
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

fn changed_signature(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let [header, claims, signature] = parts();
    let mut signature = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(signature)
        .unwrap();
    change(&mut signature);
    format!("{header}.{claims}.{}", encoded(signature))
}

// The algorithm.

#[rstest]
#[case("none")]
#[case("None")]
#[case("NONE")]
#[case("nOnE")]
#[case("")]
#[case("es256")]
#[case("ES256 ")]
#[case("ES512")]
#[case("ES256K")]
#[case("EdDSA\u{0}")]
#[case("../../dev/null")]
fn unknown_algorithms_are_rejected(#[case] algorithm: &str) {
    let header = header_with("alg", algorithm.into());
    assert_eq!(rejected(with_header(&header)), Refusal::UnknownAlgorithm);
}

#[rstest]
#[case(json!(null))]
#[case(json!(["ES256"]))]
#[case(json!({"ES256": true}))]
#[case(json!(256))]
fn an_algorithm_that_is_not_a_string_is_rejected(#[case] algorithm: Value) {
    let header = header_with("alg", algorithm);
    assert_eq!(rejected(with_header(&header)), Refusal::NoAlgorithm);
}

#[test]
fn a_token_without_signature_is_rejected() {
    let header = encoded(r#"{"alg":"none"}"#);
    let claims = encoded(claims().to_string());
    // By its algorithm, before anything else is looked at.
    assert_eq!(
        rejected(format!("{header}.{claims}.")),
        Refusal::UnknownAlgorithm
    );
    let [header, claims, _] = parts();
    let signature = Refusal::EmptyPart(Part::Signature);
    assert_eq!(rejected(format!("{header}.{claims}.")), signature);
}

#[rstest]
#[case::rsa(&RSA)]
#[case::p256(&P256)]
#[case::ed(&ED)]
fn a_public_key_is_no_secret(
    #[case] key: &TestKey,
    #[values(Algorithm::HS256, Algorithm::HS384, Algorithm::HS512)] algorithm: Algorithm,
) {
    let jwk = key.jwk();
    let published = ["n", "x"]
        .into_iter()
        .find_map(|name| jwk[name].as_str())
        .unwrap();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(published)
        .unwrap();
    let header = json!({"alg": algorithm, "kid": key.id});
    for secret in [
        published.as_bytes(),
        &decoded,
        jwk.to_string().as_bytes(),
        b"",
    ] {
        let token = with_secret(algorithm, secret, &header, &claims());
        assert_eq!(rejected(token), Refusal::AlgorithmNotAllowed);
    }
}

#[test]
fn hmac_is_impossible_with_public_keys() {
    // Even where a setting would allow it: no key of a set is a secret.
    let header = json!({"alg": "HS256", "kid": "rsa"});
    let n = RSA.jwk()["n"].as_str().unwrap().to_owned();
    let token = with_secret(Algorithm::HS256, n.as_bytes(), &header, &claims());
    let verified = verify_with(token, &issuer(Algorithms::with_secret()), &KEYS, NOW);
    assert_eq!(verified, Err(Refusal::AlgorithmOfAnotherKey));
}

#[rstest]
#[case(&P256)]
#[case(&RSA)]
fn a_secret_verifies_nothing_but_hmac(#[case] key: &TestKey) {
    let keys = KeySet::of_secret(SECRET).unwrap();
    let token = key.token(&claims());
    let with_secret = verify_with(&token, &issuer(Algorithms::with_secret()), &keys, NOW);
    assert_eq!(with_secret, Err(Refusal::AlgorithmNotAllowed));
    let public = verify_with(&token, &issuer(Algorithms::with_public_keys()), &keys, NOW);
    assert_eq!(public, Err(Refusal::AlgorithmOfAnotherKey));
}

#[test]
fn another_secret_is_rejected() {
    let keys = KeySet::of_secret(SECRET).unwrap();
    let token = with_secret(
        Algorithm::HS256,
        b"secret",
        &json!({"alg": "HS256"}),
        &claims(),
    );
    let verified = verify_with(token, &issuer(Algorithms::with_secret()), &keys, NOW);
    assert_eq!(verified, Err(Refusal::BadSignature));
}

#[rstest]
#[case::rsa_key(&P256, "rsa")]
#[case::other_curve(&P256, "p384")]
#[case::edwards(&P256, "ed")]
#[case::elliptic(&RSA, "p256")]
fn a_key_is_used_for_its_own_family_alone(#[case] signer: &TestKey, #[case] id: &str) {
    let header = json!({"alg": signer.algorithm, "kid": id}).to_string();
    let token = signer.token_of(&header, &claims().to_string());
    assert_eq!(rejected(token), Refusal::AlgorithmOfAnotherKey);
}

#[rstest]
#[case(Algorithm::RS256, Algorithm::PS256)]
#[case(Algorithm::PS256, Algorithm::RS256)]
#[case(Algorithm::RS256, Algorithm::RS512)]
fn another_algorithm_of_the_family_is_a_wrong_signature(
    #[case] signed: Algorithm,
    #[case] said: Algorithm,
) {
    let header = json!({"alg": said, "kid": "rsa"}).to_string();
    let message = format!("{}.{}", encoded(header), encoded(claims().to_string()));
    let signature = RSA.sign_by(signed, &message);
    assert_eq!(
        rejected(format!("{message}.{signature}")),
        Refusal::BadSignature
    );
}

#[test]
fn an_algorithm_that_the_key_does_not_name_is_rejected() {
    let mut jwk = RSA.jwk();
    jwk["alg"] = "RS256".into();
    let (keys, _) = KeySet::parse(&set_of(&[jwk])).unwrap();
    let header = json!({"alg": "PS256", "kid": "rsa"}).to_string();
    let message = format!("{}.{}", encoded(header), encoded(claims().to_string()));
    let token = format!("{message}.{}", RSA.sign_by(Algorithm::PS256, &message));
    let verified = verify_with(token, &issuer(Algorithms::with_public_keys()), &keys, NOW);
    assert_eq!(verified, Err(Refusal::AlgorithmOfAnotherKey));
}

#[test]
fn an_algorithm_that_the_issuer_does_not_use_is_rejected() {
    let only = issuer(Algorithms::new(vec![Algorithm::RS256]).unwrap());
    let verified = verify_with(P256.token(&claims()), &only, &KEYS, NOW);
    assert_eq!(verified, Err(Refusal::AlgorithmNotAllowed));
}

// The key.

#[rstest]
#[case::unknown("p257")]
#[case::empty("")]
#[case::traversal("../../../../dev/null")]
#[case::injection("p256' OR '1'='1")]
#[case::command("p256; cat /etc/passwd")]
#[case::url("https://evil.example.com/key")]
#[case::nul("p256\u{0}")]
#[case::blank(" p256")]
#[case::case("P256")]
fn unknown_key_ids_are_rejected(#[case] id: &str) {
    let header = header_with("kid", id.into());
    assert_eq!(rejected(with_header(&header)), Refusal::UnknownKey);
}

#[test]
fn a_missing_key_id_matches_only_keys_without_one() {
    let header = json!({"alg": "ES256"});
    assert_eq!(rejected(with_header(&header)), Refusal::UnknownKey);
}

#[rstest]
#[case(json!(null))]
#[case(json!(1))]
#[case(json!(["p256"]))]
#[case(json!({"$ne": ""}))]
fn a_key_id_that_is_not_a_string_is_rejected(#[case] id: Value) {
    let header = header_with("kid", id);
    assert_eq!(rejected(with_header(&header)), Refusal::KeyIdNotText);
}

#[test]
fn keys_in_the_header_are_ignored() {
    let header = json!({
        "alg": "RS256", "typ": "JWT", "kid": "rsa", "jwk": OTHER_RSA.jwk(),
        "jku": "https://evil.example.com/jwks", "x5u": "https://evil.example.com/cert",
        "x5c": ["MII="],
    });
    let token = OTHER_RSA.token_of(&header.to_string(), &claims().to_string());
    assert_eq!(rejected(token), Refusal::BadSignature);
    let mut header = header;
    header["kid"] = "other".into();
    let token = OTHER_RSA.token_of(&header.to_string(), &claims().to_string());
    assert_eq!(rejected(token), Refusal::UnknownKey);
}

// The signature.

#[test]
fn another_key_of_the_same_family_is_rejected() {
    let token = OTHER_RSA.token_of(&RSA.header().to_string(), &claims().to_string());
    assert_eq!(rejected(token), Refusal::BadSignature);
}

#[rstest]
#[case::changed(changed_signature(|it| it[5] ^= 1))]
#[case::truncated(changed_signature(|it| it.truncate(63)))]
#[case::one_byte(changed_signature(|it| it.truncate(1)))]
#[case::longer(changed_signature(|it| it.push(0)))]
#[case::zeros(changed_signature(|it| it.fill(0)))]
#[case::halves_swapped(changed_signature(|it| it.rotate_left(32)))]
fn wrong_signatures_are_rejected(#[case] token: String) {
    assert_eq!(rejected(token), Refusal::BadSignature);
}

#[test]
fn an_ecdsa_signature_in_der_is_rejected() {
    let [header, claims, _] = parts();
    let message = format!("{header}.{claims}");
    let token = format!("{message}.{}", der_signature(&message));
    assert_eq!(rejected(token), Refusal::BadSignature);
}

#[test]
fn changed_claims_are_rejected() {
    let [header, _, signature] = parts();
    let claims = encoded(claims_with("sub", Some("eve".into())).to_string());
    assert_eq!(
        rejected(format!("{header}.{claims}.{signature}")),
        Refusal::BadSignature
    );
}

// The header.

#[rstest]
#[case(json!(["exp"]))]
#[case(json!(["b64"]))]
#[case(json!([]))]
#[case(json!(null))]
fn critical_extensions_are_rejected(#[case] names: Value) {
    let header = header_with("crit", names);
    assert_eq!(rejected(with_header(&header)), Refusal::Critical);
}

#[rstest]
#[case(json!("logout+jwt"))]
#[case(json!("dpop+jwt"))]
#[case(json!("secevent+jwt"))]
#[case(json!("JOSE"))]
#[case(json!(""))]
#[case(json!(1))]
#[case(json!(null))]
fn other_types_of_token_are_rejected(#[case] kind: Value) {
    let header = header_with("typ", kind);
    assert_eq!(rejected(with_header(&header)), Refusal::OtherType);
}

#[rstest]
#[case::repeated(
    r#"{"alg":"ES256","kid":"p256","alg":"none"}"#,
    JsonError::RepeatedName
)]
#[case::repeated_key_id(r#"{"alg":"ES256","kid":"rsa","kid":"p256"}"#, JsonError::RepeatedName)]
#[case::escaped(
    r#"{"alg":"ES256","kid":"p256","\u0061lg":"none"}"#,
    JsonError::RepeatedName
)]
#[case::list(r#"["ES256"]"#, JsonError::NotAnObject)]
#[case::text(r#""ES256""#, JsonError::NotAnObject)]
#[case::more(r#"{"alg":"ES256","kid":"p256"}{}"#, JsonError::Syntax)]
#[case::byte_order_mark("\u{feff}{\"alg\":\"ES256\",\"kid\":\"p256\"}", JsonError::Syntax)]
#[case::not_json("alg=ES256", JsonError::Syntax)]
fn unreadable_headers_are_rejected(#[case] header: &str, #[case] error: JsonError) {
    let token = P256.token_of(header, &claims().to_string());
    assert_eq!(rejected(token), Refusal::Header(error));
}

// The claims.

#[rstest]
#[case::repeated(r#""sub":"eve""#, JsonError::RepeatedName)]
#[case::repeated_expiry(r#""exp":9999999999"#, JsonError::RepeatedName)]
#[case::repeated_inside(r#""a":{"b":1,"b":1}"#, JsonError::RepeatedName)]
#[case::not_a_number(r#""a":NaN"#, JsonError::Syntax)]
#[case::control_character("\"a\":\"\u{1}\"", JsonError::Syntax)]
#[case::comma(r#""a":1,"#, JsonError::Syntax)]
#[case::surrogate(r#""a":"\ud800""#, JsonError::Syntax)]
fn unreadable_claims_are_rejected(#[case] more: &str, #[case] error: JsonError) {
    let mut claims = claims().to_string();
    claims.insert_str(claims.len() - 1, &format!(",{more}"));
    let token = P256.token_of(&P256.header().to_string(), &claims);
    assert_eq!(rejected(token), Refusal::Claims(error));
}

#[test]
fn claims_that_are_not_an_object_are_rejected() {
    let token = P256.token_of(&P256.header().to_string(), &json!([claims()]).to_string());
    assert_eq!(rejected(token), Refusal::Claims(JsonError::NotAnObject));
    let nested = P256.token_of(&P256.header().to_string(), &P256.token(&claims()));
    assert_eq!(rejected(nested), Refusal::Claims(JsonError::Syntax));
}

#[test]
fn claims_that_are_not_utf8_are_rejected() {
    let mut bytes = claims().to_string().into_bytes();
    let at = bytes.windows(3).position(|it| it == b"ada").unwrap();
    bytes[at] = 0xff;
    let [header, _, signature] = parts();
    let token = format!("{header}.{}.{signature}", encoded(bytes));
    assert_eq!(rejected(token), Refusal::Claims(JsonError::NotUtf8));
}

#[rstest]
#[case::in_claims(claims_nested("[", "]"), Refusal::Claims(JsonError::TooDeep))]
#[case::in_objects(claims_nested("{\"a\":", "}"), Refusal::TooLong)]
#[case::in_header(header_nested(), Refusal::Header(JsonError::TooDeep))]
fn deep_nesting_is_rejected(#[case] token: String, #[case] expected: Refusal) {
    assert_eq!(rejected(token), expected);
}

/// 5,000 lists, which fit into a token; 10,000 do not, and are tried where JSON is read.
fn claims_nested(open: &str, close: &str) -> String {
    let inner = format!("{}0{}", open.repeat(5_000), close.repeat(5_000));
    let mut claims = claims().to_string();
    claims.insert_str(claims.len() - 1, &format!(",\"x\":{inner}"));
    P256.token_of(&P256.header().to_string(), &claims)
}

fn header_nested() -> String {
    // Never closed: no parser may be on the way down for long.
    let header = format!("{{\"alg\":{}", "[".repeat(10_000));
    P256.token_of(&header, "{}")
}

#[rstest]
#[case(claims_with("iss", None), Refusal::NoIssuer)]
#[case(claims_with("iss", Some(json!(null))), Refusal::IssuerNotText)]
#[case(claims_with("iss", Some(json!([ISSUER]))), Refusal::IssuerNotText)]
#[case(claims_with("iss", Some(json!([ISSUER, "x"]))), Refusal::IssuerNotText)]
#[case(claims_with("iss", Some(json!({"a": ISSUER}))), Refusal::IssuerNotText)]
#[case(claims_with("iss", Some("https://id.example.com".into())), Refusal::OtherIssuer)]
#[case(claims_with("iss", Some("https://ID.example.com/".into())), Refusal::OtherIssuer)]
#[case(claims_with("iss", Some("".into())), Refusal::OtherIssuer)]
#[case(claims_with("iss", Some("https://id.example.com/\u{0}".into())), Refusal::OtherIssuer)]
fn the_issuer_must_be_the_one_of_the_settings(#[case] claims: Value, #[case] expected: Refusal) {
    assert_eq!(rejected(P256.token(&claims)), expected);
}

#[rstest]
#[case(claims_with("exp", None), Refusal::NoExpiry)]
#[case(claims_with("exp", Some(json!(null))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!((NOW + 300).to_string()))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!(1_800_000_300.5))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!(1e30))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!(-1))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!([NOW + 300]))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!({}))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!(true))), Refusal::NotATime(Time::Expiry))]
#[case(claims_with("exp", Some(json!(0))), Refusal::Expired)]
#[case(claims_with("exp", Some(json!(NOW - i64::from(LEEWAY)))), Refusal::Expired)]
#[case(claims_with("exp", Some(json!(NOW - i64::from(LEEWAY) - 1))), Refusal::Expired)]
#[case(claims_with("nbf", Some(json!(NOW + i64::from(LEEWAY) + 1))), Refusal::NotYetValid)]
#[case(claims_with("nbf", Some(json!(u64::MAX))), Refusal::NotYetValid)]
#[case(claims_with("nbf", Some(json!("0"))), Refusal::NotATime(Time::NotBefore))]
#[case(claims_with("nbf", Some(json!(null))), Refusal::NotATime(Time::NotBefore))]
#[case(claims_with("nbf", Some(json!(-1))), Refusal::NotATime(Time::NotBefore))]
#[case(claims_with("iat", Some(json!("2026"))), Refusal::NotATime(Time::IssuedAt))]
#[case(claims_with("iat", Some(json!({}))), Refusal::NotATime(Time::IssuedAt))]
fn the_times_must_be_right(#[case] claims: Value, #[case] expected: Refusal) {
    assert_eq!(rejected(P256.token(&claims)), expected);
}

#[rstest]
#[case("1e400")]
#[case("-1e400")]
#[case("18446744073709551616e999")]
#[case("Infinity")]
#[case("01800000300")]
#[case("0x6b49d200")]
fn an_expiry_beyond_all_numbers_is_rejected(#[case] expiry: &str) {
    let claims = claims()
        .to_string()
        .replace(&(NOW + 300).to_string(), expiry);
    let token = P256.token_of(&P256.header().to_string(), &claims);
    assert_eq!(rejected(token), Refusal::Claims(JsonError::Syntax));
}

#[rstest]
#[case(claims_with("aud", None), Refusal::NoAudience)]
#[case(claims_with("aud", Some(json!([]))), Refusal::NoAudience)]
#[case(claims_with("aud", Some(json!(null))), Refusal::AudienceNotText)]
#[case(claims_with("aud", Some(json!({"orders-api": true}))), Refusal::AudienceNotText)]
#[case(claims_with("aud", Some(json!(1))), Refusal::AudienceNotText)]
#[case(claims_with("aud", Some(json!(["orders-api", 1]))), Refusal::AudienceNotText)]
#[case(claims_with("aud", Some(json!([["orders-api"]]))), Refusal::AudienceNotText)]
#[case(claims_with("aud", Some(json!("other"))), Refusal::OtherAudience)]
#[case(claims_with("aud", Some(json!("orders-api,other"))), Refusal::OtherAudience)]
#[case(claims_with("aud", Some(json!(["ORDERS-API", ""]))), Refusal::OtherAudience)]
fn the_audience_must_be_one_of_ours(#[case] claims: Value, #[case] expected: Refusal) {
    assert_eq!(rejected(P256.token(&claims)), expected);
}

#[rstest]
#[case(None, InvalidId::Missing)]
#[case(Some(json!("")), InvalidId::Missing)]
#[case(Some(json!(["ada"])), InvalidId::NotText)]
#[case(Some(json!("a\r\nx: y")), InvalidId::Unsafe)]
fn a_token_names_a_user(#[case] id: Option<Value>, #[case] expected: InvalidId) {
    let token = P256.token(&claims_with("sub", id));
    assert_eq!(rejected(token), Refusal::Id(expected));
}

// The form.

#[rstest]
#[case::nothing(String::new(), Refusal::NotThreeParts)]
#[case::one(parts()[0].clone(), Refusal::NotThreeParts)]
#[case::two(parts()[..2].join("."), Refusal::NotThreeParts)]
#[case::four(format!("{}.", parts().join(".")), Refusal::NotThreeParts)]
#[case::four_in_front(format!(".{}", parts().join(".")), Refusal::NotThreeParts)]
#[case::five([parts().join("."), "a.b".to_owned()].join("."), Refusal::NotThreeParts)]
#[case::dots("..".to_owned(), Refusal::EmptyPart(Part::Header))]
#[case::no_claims(format!("{}..{}", parts()[0], parts()[2]), Refusal::EmptyPart(Part::Claims))]
#[case::no_header(format!(".{}.{}", parts()[1], parts()[2]), Refusal::EmptyPart(Part::Header))]
#[case::json(json!({"payload": "a", "signatures": []}).to_string(), Refusal::NotThreeParts)]
fn a_token_has_three_parts(#[case] token: String, #[case] expected: Refusal) {
    assert_eq!(rejected(token), expected);
}

/// Each part as another decoder would also take it.
fn spelled(part: usize, spell: impl Fn(&str) -> String) -> String {
    let mut parts = parts();
    parts[part] = spell(&parts[part]);
    parts.join(".")
}

#[rstest]
#[case::padded(|text: &str| format!("{text}="))]
#[case::padded_twice(|text: &str| format!("{text}=="))]
#[case::blank_before(|text: &str| format!(" {text}"))]
#[case::blank_after(|text: &str| format!("{text} "))]
#[case::line_break(|text: &str| format!("{text}\n"))]
#[case::nul(|text: &str| format!("{text}\0"))]
#[case::inside(|text: &str| format!("{}\n{}", &text[..4], &text[4..]))]
#[case::percent(|text: &str| text.replacen('e', "%65", 1).replace('.', "%2e") + "%")]
#[case::beyond_ascii(|text: &str| format!("{text}é"))]
#[case::one_character_more(|text: &str| {
    let more = (4 - text.len() % 4) % 4 + 1;
    format!("{text}{}", "A".repeat(more))
})]
fn other_spellings_of_base64_are_rejected(
    #[values((0, Part::Header), (1, Part::Claims), (2, Part::Signature))] part: (usize, Part),
    #[case] spell: fn(&str) -> String,
) {
    let token = spelled(part.0, spell);
    assert_eq!(rejected(token), Refusal::NotBase64(part.1));
}

#[test]
fn the_alphabet_with_plus_and_slash_is_rejected() {
    // `>>>` and `???` are `-` and `_` in one alphabet, `+` and `/` in the other.
    let claims = claims_with("x", Some(">>>???".into())).to_string();
    let header = encoded(P256.header().to_string());
    let claims = (0..3)
        .map(|blanks| STANDARD_NO_PAD.encode(format!("{claims}{}", " ".repeat(blanks))))
        .find(|claims| claims.contains(['+', '/']))
        .unwrap();
    let message = format!("{header}.{claims}");
    let token = format!("{message}.{}", P256.sign(&message));
    assert_eq!(rejected(token), Refusal::NotBase64(Part::Claims));
}

#[test]
fn padded_parts_with_a_right_signature_are_rejected() {
    let claims = (0..3)
        .map(|blanks| URL_SAFE.encode(format!("{}{}", claims(), " ".repeat(blanks))))
        .find(|claims| claims.ends_with('='))
        .unwrap();
    let message = format!("{}.{claims}", encoded(P256.header().to_string()));
    let token = format!("{message}.{}", P256.sign(&message));
    assert_eq!(rejected(token), Refusal::NotBase64(Part::Claims));
}

#[test]
fn bits_behind_the_end_of_a_signature_are_rejected() {
    // 64 bytes are 85 characters and 2 bits; the last character has 4 bits that mean nothing.
    let [header, claims, mut signature] = parts();
    let last = signature.pop().unwrap();
    let other = match last {
        'A' => 'B',
        'Q' => 'R',
        'g' => 'h',
        'w' => 'x',
        other => panic!("`{other}` has bits behind the end"),
    };
    signature.push(other);
    let token = format!("{header}.{claims}.{signature}");
    assert_eq!(rejected(token), Refusal::NotBase64(Part::Signature));
}

#[rstest]
#[case::a_byte_more(16 * 1024 + 1)]
#[case::a_megabyte(1 << 20)]
fn long_tokens_are_rejected(#[case] length: usize, #[values("a", ".", "{")] of: &str) {
    assert_eq!(rejected(of.repeat(length)), Refusal::TooLong);
}

#[test]
fn a_long_token_with_a_right_signature_is_rejected() {
    let token = P256.token(&claims_with("x", Some("x".repeat(12 * 1024).into())));
    assert!(token.len() > 16 * 1024);
    assert_eq!(rejected(token), Refusal::TooLong);
    let fits = P256.token(&claims_with("x", Some("x".repeat(11 * 1024).into())));
    assert!(verify(fits).is_ok());
}

#[test]
fn bytes_that_are_not_text_are_rejected() {
    assert_eq!(
        rejected([0xff, b'.', 0xfe, b'.', 0xfd]),
        Refusal::NotBase64(Part::Header)
    );
}

#[test]
fn an_encrypted_token_is_rejected() {
    let header = encoded(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    assert_eq!(
        rejected(format!("{header}.a.b.c.d")),
        Refusal::NotThreeParts
    );
}
