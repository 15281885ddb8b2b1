use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn read(users: Value) -> Result<Users, String> {
    serde_json::from_value(users).map_err(|error| error.to_string())
}

fn jwt(more: Value) -> Result<Jwt, String> {
    let mut issuer = json!({"issuer": "https://id.example.com/", "audience": ["orders-api"]});
    let (Value::Object(fields), Value::Object(more)) = (&mut issuer, more) else {
        panic!("not objects");
    };
    fields.extend(more);
    read(json!({"jwt": [issuer]})).map(|users| users.jwt[0].clone())
}

#[test]
fn the_example_of_the_docs_is_read() {
    let users = read(json!({
        "jwt": [{
            "issuer": "https://id.example.com/",
            "audience": ["orders-api"],
            "jwks-url": "https://id.example.com/jwks",
            "algorithms": ["RS256", "ES256"],
            "leeway-seconds": 30,
            "id": "/sub",
            "groups": ["/groups", "/realm_access/roles"],
            "permissions": ["/scope"],
            "properties": ["/email", "/name"],
        }],
        "token-from": ["authorization", "cookie:sid"],
        "invalid-token": "anonymous",
        "userinfo": {
            "url": "http://userinfo.internal/me",
            "headers": ["cookie", "authorization"],
            "only-with": ["cookie"],
            "timeout-ms": 1000,
            "cache-seconds": 0,
            "id": "/sub",
            "groups": ["/groups"],
            "permissions": ["/permissions"],
            "properties": [],
        },
        "trusted-headers": {
            "peers": ["unix", "10.1.0.0/16"],
            "id": "miauserid",
            "groups": "miausergroups",
            "properties": "miauserproperties",
        },
    }))
    .unwrap();
    assert_eq!(users.jwt[0].issuer.leeway_seconds, 30);
    assert_eq!(users.invalid_token, InvalidToken::Anonymous);
    let userinfo = users.userinfo.unwrap();
    assert_eq!(userinfo.backoffice_url, userinfo.url);
    assert_eq!(userinfo.only_with, ["cookie"]);
    assert_eq!(
        users.trusted_headers.unwrap().names,
        TrustedNames::default()
    );
}

#[test]
fn what_is_left_out_has_a_default() {
    let users = read(json!({
        "userinfo": {"url": "http://u/", "headers": ["cookie", "X-Session"]},
        "trusted-headers": {"peers": ["unix"], "groups": "miagroups"},
    }))
    .unwrap();
    assert_eq!(users.token_from, [TokenFrom::Authorization]);
    assert_eq!(users.invalid_token, InvalidToken::Deny);
    let userinfo = users.userinfo.unwrap();
    assert_eq!(userinfo.only_with, ["cookie", "x-session"]);
    assert_eq!((userinfo.timeout_ms, userinfo.cache_seconds), (1000, 0));
    assert_eq!(userinfo.mapping.permissions, permissions());
    assert_eq!(users.trusted_headers.unwrap().names.groups, "miagroups");

    let public = jwt(json!({"jwks-file": "/k"})).unwrap();
    assert_eq!(public.issuer.algorithms, Algorithms::with_public_keys());
    let secret = jwt(json!({"secret-file": "/k"})).unwrap();
    assert_eq!(secret.issuer.algorithms, Algorithms::with_secret());
    assert_eq!(secret.keys, KeySource::Secret("/k".into()));
}

#[rstest]
#[case::no_keys(json!({}), InvalidUsers::KeySources)]
#[case::two_sources(json!({"jwks-file": "/k", "secret-file": "/s"}), InvalidUsers::KeySources)]
#[case::url_and_secret(json!({"jwks-url": "https://x/", "secret-file": "/s"}), InvalidUsers::KeySources)]
#[case::plaintext(json!({"jwks-url": "http://x/"}), InvalidUsers::Plaintext)]
#[case::hmac_with_jwks(json!({"jwks-file": "/k", "algorithms": ["HS256"]}), InvalidUsers::AlgorithmsOfKeys)]
#[case::rsa_with_secret(json!({"secret-file": "/k", "algorithms": ["RS256"]}), InvalidUsers::AlgorithmsOfKeys)]
#[case::mixed(json!({"jwks-file": "/k", "algorithms": ["RS256", "HS256"]}), InvalidAlgorithms::Mixed.into())]
#[case::none(json!({"jwks-file": "/k", "algorithms": []}), InvalidAlgorithms::Empty.into())]
#[case::ca_of_a_file(json!({"jwks-file": "/k", "ca-file": "/c"}), InvalidUsers::OnlyWithUrl("ca-file"))]
#[case::no_audience(json!({"jwks-file": "/k", "audience": []}), InvalidUsers::NoAudience)]
#[case::empty_audience(json!({"jwks-file": "/k", "audience": ""}), InvalidUsers::NoAudience)]
#[case::no_issuer(json!({"jwks-file": "/k", "issuer": ""}), InvalidUsers::NoIssuer)]
fn an_unsafe_issuer_is_rejected(#[case] more: Value, #[case] error: InvalidUsers) {
    assert_eq!(jwt(more).unwrap_err(), error.to_string());
}

#[rstest]
#[case(json!({"jwks-file": "/k", "algorithms": ["none"]}), "`none`: ")]
#[case(json!({"jwks-file": "/k", "id": "sub"}), "`sub` is not a JSON Pointer")]
#[case(json!({"jwks-file": "/k", "audiences": []}), "unknown field `audiences`")]
#[case(json!({"jwks-file": "/k", "audience": 1}), "a list of audiences, or `any`")]
fn an_error_says_what_is_wrong(#[case] more: Value, #[case] start: &str) {
    let error = jwt(more).unwrap_err();
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn exceptions_must_be_said() {
    let plaintext = json!({"jwks-url": "http://x/", "allow-plaintext": true});
    assert!(jwt(plaintext).is_ok());
    let any = jwt(json!({"jwks-file": "/k", "audience": "any"})).unwrap();
    assert_eq!(any.issuer.audience, Audience::Any);
}

#[rstest]
#[case(json!({"userinfo": {"url": "http://u/", "headers": []}}), InvalidUsers::NoHeaders)]
#[case(json!({"userinfo": {"url": "http://u/", "headers": ["cookie"], "timeout-ms": 0}}), InvalidUsers::NoTimeout)]
#[case(json!({"userinfo": {"url": "http://u/", "headers": ["cookie"], "timeout-ms": 60_001}}), InvalidUsers::LongTimeout)]
#[case(json!({"userinfo": {"url": "http://u/", "headers": ["cookie"], "cache-seconds": 86_401}}), InvalidUsers::LongCache)]
#[case(json!({"userinfo": {"url": "http://u/", "headers": ["cookie"], "only-with": ["secret"]}}), InvalidUsers::OnlyWith(HeaderName::from_static("secret")))]
#[case(json!({"userinfo": {"url": "http://u/", "headers": ["cookie", "content-length"]}}), InvalidUsers::OfConnection(header::CONTENT_LENGTH))]
#[case(json!({"userinfo": {"url": "http://u/", "headers": ["cookie", "host"]}}), InvalidUsers::OfConnection(header::HOST))]
#[case(json!({"token-from": []}), InvalidUsers::NoPlace)]
#[case(json!({}), InvalidUsers::NoSource)]
#[case(json!({"jwt": [], "invalid-token": "deny"}), InvalidUsers::NoSource)]
fn other_sections_are_checked_too(#[case] users: Value, #[case] error: InvalidUsers) {
    assert_eq!(read(users).unwrap_err(), error.to_string());
}

#[test]
fn the_longest_times_are_accepted() {
    let longest = json!({"url": "http://u/", "headers": ["cookie"], "timeout-ms": 60_000, "cache-seconds": 86_400});
    assert!(read(json!({ "userinfo": longest })).is_ok());
}

#[test]
fn an_issuer_has_one_set_of_keys() {
    let issuer = json!({"issuer": "https://a/", "audience": "any", "jwks-file": "/k"});
    assert_eq!(
        read(json!({"jwt": [issuer, issuer]})).unwrap_err(),
        InvalidUsers::RepeatedIssuer("https://a/".to_owned()).to_string()
    );
}

#[test]
fn the_sources_are_named_in_the_order_of_look_up() {
    let users = read(json!({
        "jwt": [
            {"issuer": "https://a/", "audience": "any", "jwks-file": "a"},
            {"issuer": "https://b/", "audience": "any", "jwks-file": "b"},
        ],
        "token-from": ["authorization", "cookie:sid"],
        "userinfo": {"url": "http://u/me", "headers": ["cookie", "x-session"]},
        "trusted-headers": {"peers": ["unix"], "groups": "x-groups"},
    }));
    assert_eq!(
        users.unwrap().sources(),
        [
            "the headers `miauserid`, `x-groups` and `miauserproperties` from a trusted gateway",
            "a token from `https://a/` or `https://b/` in `authorization` or the cookie `sid`",
            "the userinfo service `http://u/me`, for requests with `cookie` or `x-session`",
        ]
    );
}
