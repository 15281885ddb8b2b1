//! `keygate check --config`: the sources of users in settings, and rules that need one.

use std::fs;

use rstest::rstest;

use crate::support::program::{keygate, run_to_end};
use crate::support::token_issuer::{P256, RSA, jwks};

const POLICY: &str = "\
version: 1
endpoints:
  - path: /a
  - path: /b
    groupExpression: groups.admin
";

const USERS: &str =
    "users: {jwt: [{issuer: 'https://id.example.com/', audience: any, jwks-file: jwks.json}]}\n";

/// The exit code and the output of a check of these settings and the policy.
fn check(settings: &str, files: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("settings.yaml", settings), ("policy.yaml", POLICY)]
        .iter()
        .chain(files)
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let output = run_to_end(
        keygate()
            .args(["check", "--config", "settings.yaml"])
            .args(arguments)
            .current_dir(folder.path()),
    );
    let said = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy);
    (output.status.code(), said.concat())
}

const RULES: &str = "2 rules, 1 of which uses a logged-in user (the first is `/b`)";

#[test]
fn rules_that_use_a_user_are_a_warning_without_users() {
    let with_policy = ["--policy", "policy.yaml"];
    let (code, said) = check("log-level: info", &[], &with_policy);
    assert_eq!(code, Some(0), "{said}");
    let warning =
        format!("warning: policy.yaml: {RULES}, but the settings have no section `users`");
    assert!(said.contains(&warning), "{said}");
    assert!(
        said.contains(
            "settings.yaml: valid, no source of users is configured (nobody is ever \
                       logged in)"
        ),
        "{said}"
    );
    let denied = [&with_policy[..], &["--deny-warnings"]].concat();
    let (code, said) = check("log-level: info", &[], &denied);
    assert_eq!(code, Some(1), "{said}");
    // A resolver's settings say nothing about users.
    let (code, said) = check("keys: keys.yaml", &[], &denied);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn rules_may_use_a_user_where_the_settings_name_a_source() {
    let keys = jwks(&[&P256, &RSA]);
    let arguments = ["--policy", "policy.yaml", "--deny-warnings"];
    let (code, said) = check(USERS, &[("jwks.json", &keys)], &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(&format!("policy.yaml: valid, {RULES}\n")),
        "{said}"
    );
    let source = "users come from a token from `https://id.example.com/` in `authorization`";
    assert!(
        said.contains(&format!("settings.yaml: valid, {source}\n")),
        "{said}"
    );
}

#[test]
fn an_ignored_key_of_an_issuer_is_a_warning() {
    let keys = jwks(&[&P256]).replace("\"keys\":[", r#""keys":[{"kty":"oct","k":"c2VjcmV0"},"#);
    let (code, said) = check(USERS, &[("jwks.json", &keys)], &[]);
    assert_eq!(code, Some(0), "{said}");
    let warning = "warning: jwks.json: key 1 in the key set is ignored: it is a shared secret";
    assert!(
        said.contains(warning) && !said.contains("c2VjcmV0"),
        "{said}"
    );
}

#[rstest]
#[case::missing(USERS, &[], "error: cannot read jwks.json")]
#[case::no_set(USERS, &[("jwks.json", "{}")], "error: jwks.json: this is not a JSON Web Key Set")]
#[case::short_secret(
    "users: {jwt: [{issuer: i, audience: any, secret-file: secret}]}",
    &[("secret", "sample-secret")],
    "error: secret: the secret is shorter than 32 bytes"
)]
#[case::certificates(
    "users: {jwt: [{issuer: i, audience: any, jwks-url: 'https://i/', ca-file: ca.pem}]}",
    &[("ca.pem", "")],
    "error: https://i/: the CA file contains no valid PEM certificate"
)]
#[case::userinfo_certificates(
    "users: {userinfo: {url: 'https://u/', headers: [cookie], ca-file: ca.pem}}",
    &[],
    "error: cannot read ca.pem"
)]
fn an_unusable_file_of_users_is_an_error(
    #[case] settings: &str,
    #[case] files: &[(&str, &str)],
    #[case] expected: &str,
) {
    let (code, said) = check(settings, files, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(expected), "{said}");
    assert!(said.contains("settings.yaml: would not load"), "{said}");
    assert!(!said.contains("sample-secret"), "{said}");
}

#[rstest]
#[case::no_secret("handoff-secret-file: nowhere\n", "nowhere")]
#[case::short_secret("handoff-secret-file: short\n", "short")]
#[case::no_identity_key(
    "policy: policy.yaml\nidentity-token: {key-file: nowhere, issuer: a, audience: b}\n",
    "nowhere"
)]
#[case::no_key_in_the_file(
    "policy: policy.yaml\nidentity-token: {key-file: short, issuer: a, audience: b}\n",
    "short"
)]
fn files_to_sign_with_are_checked(#[case] settings: &str, #[case] file: &str) {
    let (code, said) = check(settings, &[("short", "s3cret\n")], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: ") && said.contains(file), "{said}");
    assert!(said.contains("would not load"), "{said}");
    assert!(
        !said.contains("s3cret") && !said.contains("error: error"),
        "{said}"
    );
}

#[test]
fn the_trusted_peers_of_the_environment_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.yaml"), "policy: policy.yaml\n").unwrap();
    let output = run_to_end(
        keygate()
            .args(["check", "--config", "settings.yaml"])
            .env("TRUST_MIA_USER_HEADERS", "true")
            .env("KEYGATE_TRUSTED_PEERS", "127.0.0.1")
            .current_dir(folder.path()),
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("users come from"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}
