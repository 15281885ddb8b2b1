//! `keygate explain` with a user: from a token on standard input, and by description.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::thread;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{keygate, run_to_end};
use crate::support::secrets::assert_no_token_in;
use crate::support::token_issuer::{ISSUER, OTHER_RSA, P256, RSA, in_seconds, jwks};

const POLICY: &str = "\
version: 1
endpoints:
  - path: /staff
    apiKeyRequired: false
    groupExpression: groups.staff && permissions.read && user.email === 'ada@example.com'
  - path: /user
    apiKeyRequired: false
    authenticationRequired: true
  - path: /open
    apiKeyRequired: false
";

const SETTINGS: &str = "\
policy: policy.yaml
users:
  jwt:
    - issuer: https://id.example.com/
      audience: [orders-api]
      jwks-file: jwks.json
      permissions: [/scope]
      properties: [/email]
";

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": ["orders-api", "other"], "sub": "ada", "exp": in_seconds(5400),
        "groups": ["staff", "editors"], "scope": "read write", "email": "ada@example.com",
        "unused": "not shown",
    })
}

/// Valid claims with one that differs.
fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

/// A folder with these settings, a policy, and the public keys of the issuer.
fn folder(settings: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("settings.yaml", settings),
        ("policy.yaml", POLICY),
        ("jwks.json", &jwks(&[&P256, &RSA])),
    ];
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Explains with a text on standard input.
fn run_with(folder: &TempDir, input: &str, arguments: &[&str]) -> Output {
    let path = folder.path().join("input");
    fs::write(&path, input).unwrap();
    let output = run_to_end(
        keygate()
            .args(["explain", "--config", "settings.yaml"])
            .args(arguments)
            .current_dir(folder.path())
            .stdin(File::open(path).unwrap()),
    );
    assert_no_token_in(&output.stdout, "the output");
    assert_no_token_in(&output.stderr, "the error output");
    output
}

/// The exit code and the text of an explanation.
fn explained(settings: &str, token: &str, uri: &str) -> (Option<i32>, String) {
    let arguments = ["--token-stdin", "--uri", uri];
    said(&run_with(&folder(settings), token, &arguments))
}

fn said(output: &Output) -> (Option<i32>, String) {
    let said = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy);
    (output.status.code(), said.concat())
}

#[rstest]
#[case::es256(P256.token(&claims()), "ES256, kid p256")]
#[case::rs256(RSA.token(&claims()), "RS256, kid rsa")]
#[case::a_copied_header(format!("Bearer {}\n", P256.token(&claims())), "ES256, kid p256")]
fn the_claims_of_a_valid_token_decide(#[case] token: String, #[case] signed: &str) {
    let (code, said) = explained(SETTINGS, &token, "/staff");
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "issuer       https://id.example.com/",
        "audience     orders-api, other",
        &format!("signed       {signed}"),
        "user         ada",
        "groups       editors, staff",
        "permissions  read, write",
        r#"properties   {"email":"ada@example.com"}"#,
        "allowed (200, ok): all requirements of the endpoint are met",
    ] {
        assert!(said.lines().any(|it| it == line), "{line}: {said}");
    }
    // An hour and a half with the leeway, less what the test took.
    let first = said.lines().next().unwrap();
    let is_rounded =
        first.starts_with("token        valid for another 1h ") && !first.contains("ms");
    assert!(
        is_rounded && first.ends_with("s, including the leeway"),
        "{said}"
    );
    assert!(!said.contains("not shown"), "{said}");
}

#[test]
fn a_valid_token_may_still_be_denied() {
    let token = P256.token(&with("groups", json!(["editors"])));
    let (code, said) = explained(SETTINGS, &token, "/staff");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("denied (403, expression-false)"), "{said}");
    assert!(said.contains("✗ groups.staff"), "{said}");
}

#[rstest]
#[case::audience(
    P256.token(&with("aud", "billing")),
    "the token's `aud` is not in this issuer's `audience`",
    "the token is for `billing`, but the issuer's `audience` is `orders-api`"
)]
#[case::issuer(
    P256.token(&with("iss", "https://id.example.com")),
    "the token's `iss` is not an issuer in the setting `users`",
    "the token's issuer is `https://id.example.com`, but `users.jwt` has `https://id.example.com/`"
)]
#[case::expired(P256.token(&with("exp", in_seconds(-3600))), "the token has expired", "the token expired 1h")]
#[case::early(P256.token(&with("nbf", in_seconds(3600))), "the token is not valid yet", "the token becomes valid in ")]
#[case::unknown_key(
    OTHER_RSA.token(&claims()),
    "the issuer has no key with the token's `kid`",
    "the token names kid `other`, but the keys in jwks.json have kid `p256`, kid `rsa`"
)]
#[case::signature(
    OTHER_RSA.token_of(&RSA.header().to_string(), &claims().to_string()),
    "the token's signature is invalid",
    "the token was changed or truncated, or the keys in jwks.json are from another environment"
)]
#[case::algorithm(
    RSA.token_of(&json!({"alg": "RS256", "kid": "p256"}).to_string(), &claims().to_string()),
    "the key that the token names does not support the token's `alg`",
    "the token is signed with RS256"
)]
#[case::no_user(P256.token(&with("sub", "")), "the token identifies no user", "the setting `id` is `/sub`")]
#[case::opaque("opaque".to_owned(), "the token does not have three parts", "pass the whole token")]
fn a_rejected_token_has_a_cause_and_a_fix(
    #[case] token: String,
    #[case] cause: &str,
    #[case] fix: &str,
) {
    let (code, said) = explained(SETTINGS, &token, "/user");
    assert_eq!(code, Some(1), "{said}");
    let mut lines = said.lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with(&format!("token        rejected: {cause}")),
        "{said}"
    );
    let second = lines.next().unwrap();
    assert!(second.starts_with(&format!("fix          {fix}")), "{said}");
    assert!(said.contains("denied (401, invalid-token)"), "{said}");
}

#[test]
fn a_rejected_token_denies_only_where_a_user_is_needed() {
    let token = P256.token(&with("aud", "billing"));
    let (code, said) = explained(SETTINGS, &token, "/open");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("\nallowed (200, ok)"), "{said}");
    let anonymous = SETTINGS.replace("users:\n", "users:\n  invalid-token: anonymous\n");
    let (code, said) = explained(&anonymous, &token, "/user");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("denied (401, missing-user)"), "{said}");
}

#[test]
fn ignored_parts_of_a_token_are_warnings() {
    let token = P256.token(&with("groups", json!(["staff", 7, {"a": 1}])));
    let (_, said) = explained(SETTINGS, &token, "/staff");
    assert!(
        said.contains("warning      the list `/groups` contains entries that are not strings"),
        "{said}"
    );
}

#[test]
fn claims_do_not_control_the_terminal() {
    let token = P256.token(&with(
        "groups",
        json!(["staff\u{1b}[2Jx", "a\nuser         root"]),
    ));
    let (_, said) = explained(SETTINGS, &token, "/staff");
    assert!(said.contains("staff\\u{1b}[2Jx"), "{said}");
    assert!(
        !said.contains('\u{1b}') && !said.contains("\nuser         root"),
        "{said}"
    );
}

#[test]
fn an_identity_over_the_limit_is_denied_as_by_the_service() {
    let settings = format!("identity-header-limit: 20\n{SETTINGS}");
    let (code, said) = explained(&settings, &P256.token(&claims()), "/staff");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("denied (403, identity-too-large)"), "{said}");
    assert!(
        said.contains("hint      the identity header `miauserproperties`"),
        "{said}"
    );
}

#[test]
fn programs_get_token_and_decision_as_json() {
    let folder = folder(SETTINGS);
    let expiry = in_seconds(600);
    let token = P256.token(&with("exp", expiry));
    let arguments = ["--token-stdin", "--uri", "/staff", "--output", "json"];
    let output = run_with(&folder, &token, &arguments);
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["allowed"], true);
    let token = &explained["token"];
    assert_eq!(token["valid"], true);
    assert_eq!(token["audience"], json!(["orders-api", "other"]));
    assert_eq!(token["user"]["groups"], json!(["editors", "staff"]));
    let moment: jiff::Timestamp = token["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(moment.as_second(), expiry);
    let output = run_with(&folder, &P256.token(&with("aud", "x")), &arguments);
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["token"]["valid"], false);
    assert!(
        explained["token"]["cause"]
            .as_str()
            .unwrap()
            .contains("`aud`")
    );
    assert_eq!(explained["token"]["user"], Value::Null);
    assert_eq!(explained["reason"], "invalid-token");
}

/// Settings whose issuer has its keys at a URL.
fn settings_at(url: &str) -> String {
    SETTINGS.replace("jwks-file: jwks.json", &format!("jwks-url: {url}"))
}

#[test]
fn keys_at_a_url_are_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let body = jwks(&[&P256]);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    });
    let (code, said) = explained(&settings_at(&url), &P256.token(&claims()), "/staff");
    assert_eq!(code, Some(0), "{said}");
    server.join().unwrap();
}

#[test]
fn keys_that_cannot_be_loaded_are_an_error_of_the_command() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let url = format!("http://{}/jwks", closed.unwrap());
    let (code, said) = explained(&settings_at(&url), &P256.token(&claims()), "/staff");
    assert_eq!(code, Some(2), "{said}");
    let expected =
        format!("error: the keys of the issuer cannot be loaded: {url}: the request failed");
    assert!(said.starts_with(&expected), "{said}");
    let missing = SETTINGS.replace("jwks.json", "missing.json");
    let (code, said) = explained(&missing, &P256.token(&claims()), "/staff");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot read missing.json"), "{said}");
}

#[rstest]
#[case::no_token(SETTINGS, "\n", &["--token-stdin"], "no token on standard input")]
#[case::two_users(SETTINGS, "", &["--token-stdin", "--groups", "staff"], "cannot be used with")]
#[case::no_issuers("policy: policy.yaml", "x", &["--token-stdin"], "name no issuer of tokens")]
#[case::no_policy("log-level: info", "", &[], "settings.yaml names no policy: add `--policy FILE`")]
fn a_command_without_what_it_needs_ends_with_2(
    #[case] settings: &str,
    #[case] input: &str,
    #[case] arguments: &[&str],
    #[case] expected: &str,
) {
    let arguments = [&["--uri", "/staff"], arguments].concat();
    let (code, said) = said(&run_with(&folder(settings), input, &arguments));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(expected), "{said}");
}

#[rstest]
#[case::nobody(&[], "denied (401, missing-user)", "nobody is logged in: add a user id, groups, permissions or \
    properties; users come from a token from `https://id.example.com/` in `authorization`")]
#[case::an_id(&["--user-id", "ada"], "allowed (200, ok)", "")]
fn a_hint_says_where_users_come_from(
    #[case] user: &[&str],
    #[case] decision: &str,
    #[case] hint: &str,
) {
    let arguments = [&["--uri", "/user"], user].concat();
    let (_, said) = said(&run_with(&folder(SETTINGS), "", &arguments));
    assert!(said.contains(decision) && said.contains(hint), "{said}");
}

#[test]
fn a_described_user_without_a_source_of_users_is_a_warning() {
    let arguments = ["--uri", "/user", "--user-id", "ada"];
    let (code, said) = said(&run_with(&folder("policy: policy.yaml"), "", &arguments));
    assert_eq!(code, Some(0), "{said}");
    let warning = "warning   the settings have no section `users`, so nobody is ever logged in";
    assert!(said.lines().any(|line| line == warning), "{said}");
}
