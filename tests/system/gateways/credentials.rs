//! Users, and keys in other headers, behind every example.

use std::fs;

use rstest_reuse::apply;
use serde_json::json;
use tempfile::TempDir;

use crate::gateways::{each_example, examples};
use crate::support::caller;
use crate::support::example::Example;
use crate::support::gateway::corpus_folder;
use crate::support::problem::is_problem;
use crate::support::report;
use crate::support::signing::{self, KEY_FILE, identity_section};
use crate::support::token_issuer::{ISSUER, P256, in_seconds, jwks};

const POLICY: &str = "
version: 1
endpoints:
  - path: /any-key
  - path: /orders
    groupExpression: clientType === 'A'
  - path: /me
    apiKeyRequired: false
    authenticationRequired: true
";

/// The `authorization` that the backend gets, or the reason of a denial.
type Expected<'t> = Result<Option<&'t str>, &'static str>;

/// Returns the folder of services that know the users of an issuer.
fn folder(settings: &str) -> TempDir {
    let folder = corpus_folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("policy.yaml", POLICY);
    write("jwks.json", &jwks(&[&P256]));
    let keys = folder.path().join("jwks.json");
    let users = format!(
        "users:
  jwt:
    - {{issuer: '{ISSUER}', audience: [orders], jwks-file: {}, properties: [/email]}}
",
        keys.display()
    );
    write(KEY_FILE, signing::P256);
    let signed = identity_section(folder.path());
    write("settings.yaml", &(users + &signed + settings));
    folder
}

fn bearer() -> String {
    let claims = json!({
        "iss": ISSUER, "aud": "orders", "sub": "ada", "exp": in_seconds(60),
        "groups": ["staff", "admin"], "email": "ada@example.com",
    });
    format!("authorization: Bearer {}", P256.token(&claims))
}

#[apply(each_example)]
fn backends_get_the_user_under_the_names_that_they_know(example: Example) {
    let gateway = example.start_in(folder(""), |_, text| text);
    let claimed = [
        "miauserid: root",
        "mia-userid: root",
        "miausergroups: root",
        "x-keygate-token: forged",
        "x-keygate-handoff: forged",
        "x-keygate-reason: ok",
        "x-keygate-endpoint: /me",
        "x-keygate-key-id: root",
    ];
    let response = caller::get(&gateway.address, "/me", &claimed);
    assert_eq!(
        is_problem(&response, 401, "missing-user"),
        Ok(()),
        "{response:?}"
    );
    assert!(gateway.backend.take().is_empty());

    let token = bearer();
    let lines = [&claimed[..], &[&token]].concat();
    let response = caller::get(&gateway.address, "/me", &lines);
    assert_eq!(response.status(), 200, "{response:?}");
    let request = gateway.backend.take_one();
    let expected = [
        ("miauserid", Some("ada")),
        ("miausergroups", Some("admin,staff")),
        ("miauserproperties", Some("{\"email\":\"ada@example.com\"}")),
        ("mia-userid", None),
        ("mia-groups", None),
        ("client-type", None),
        ("x-keygate-handoff", None),
        ("x-keygate-reason", None),
        ("x-keygate-endpoint", None),
        ("x-keygate-key-id", None),
        ("authorization", token.strip_prefix("authorization: ")),
    ];
    for (name, value) in expected {
        assert_eq!(request.header(name), value, "{name}: {request:?}");
    }
    let signed = request.header("x-keygate-token").unwrap();
    assert_eq!(signed.split('.').count(), 3, "{signed}");
    report::passed_at(example.name, "users: by token");
}

#[apply(each_example)]
fn keys_in_other_headers_are_removed_and_users_tokens_stay(example: Example) {
    let folder = folder("key-headers: [authorization, x-api-key]\n");
    let changed = |_: &str, text: String| {
        let changes = example.other_keys.iter();
        changes.fold(text, |text, (from, to)| text.replace(from, to))
    };
    let gateway = example.start_in(folder, changed);
    let token = bearer();
    let (key, bearer_key) = (
        "x-api-key: sample-key-of-client-a",
        "authorization: Bearer sample-key-of-client-a",
    );
    let cases: [(&str, &[&str], Expected<'_>); 8] = [
        ("/orders", &[key], Ok(None)),
        ("/orders", &[bearer_key], Ok(None)),
        ("/orders", &[key, bearer_key], Ok(None)),
        ("/orders", &[key, &token], Ok(Some(&token))),
        ("/me", &[&token], Ok(Some(&token))),
        ("/orders", &[&token], Err("missing-key")),
        (
            "/orders",
            &["authorization: Bearer sample-key-of-nobody"],
            Err("unknown-key"),
        ),
        (
            "/orders",
            &["client-key: sample-key-of-client-a"],
            Err("missing-key"),
        ),
    ];
    for (target, lines, expected) in cases {
        let response = caller::get(&gateway.address, target, lines);
        match expected {
            Err(reason) => {
                assert_eq!(is_problem(&response, 401, reason), Ok(()), "{response:?}");
                assert!(gateway.backend.take().is_empty());
            }
            Ok(authorization) => {
                assert_eq!(response.status(), 200, "{target} {lines:?}: {response:?}");
                let request = gateway.backend.take_one();
                let passed = request.header("authorization");
                let value = authorization.and_then(|line| line.strip_prefix("authorization: "));
                assert_eq!(passed, value, "{lines:?}");
                assert_eq!(request.header("x-api-key"), None);
            }
        }
        report::passed_at(
            example.name,
            &format!("keys in other headers: {target}, {} lines", lines.len()),
        );
    }
}

#[apply(each_example)]
fn a_caller_cannot_choose_the_address_of_its_failed_keys(example: Example) {
    let header = example.client_address;
    let settings = format!("failed-keys-per-minute: 3\nclient-address-header: {header}\n");
    let gateway = example.start_in(folder(&settings), |_, text| text);
    let status = |key: &str, n: u8| {
        let names = ["x-forwarded-for", header];
        let [forwarded, own] = names.map(|name| format!("{name}: 192.0.2.{n}"));
        caller::get(&gateway.address, "/any-key", &[key, &forwarded, &own]).status()
    };
    assert_eq!(status("client-key: sample-key-of-client-a", 0), 200);
    for n in 1..6 {
        let key = format!("client-key: sample-key-of-nobody-{n}");
        assert_eq!(status(&key, n), 401);
    }
    assert_eq!(status("client-key: sample-key-of-client-a", 6), 401);
    report::passed_at(example.name, "failed keys: by address");
}
