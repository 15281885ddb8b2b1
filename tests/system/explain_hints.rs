//! The hints of `keygate explain` and `keygate test` for incomplete requests.

use std::fs;

use rstest::rstest;
use tempfile::TempDir;

use crate::support::program::{keygate, run_to_end};

const POLICY: &str = "\
version: 1
endpoints:
  - path: /orders
    methods: [GET, POST]
    hosts: [api.example.com, '*.shop.example']
    clientTypes: [A]
    routes:
      - path: /{id}
        methods: [PUT]
  - path: /open
    apiKeyRequired: false
    groupExpression: clientType === null || clientType === ''
  - path: /lenient
    allowAmbiguous: [path-parameter, control-byte]
";

const CASES: &str = "\
version: 1
policy: policy.yaml
cases:
  - name: no host
    request: { uri: /orders, clientType: A }
    expect: allowed
  - name: another method
    request: { method: DELETE, uri: /orders, host: api.example.com, clientType: A }
    expect: allowed
    endpoint: GET,POST /orders
";

/// Runs a command and returns its output.
fn said(arguments: &[&str]) -> String {
    let folder: TempDir = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    fs::write(folder.path().join("cases.yaml"), CASES).unwrap();
    let mut command = keygate();
    let output = run_to_end(command.current_dir(folder.path()).args(arguments));
    [&*output.stdout, &*output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

fn explained(arguments: &[&str]) -> String {
    said(&[&["explain", "--policy", "policy.yaml"], arguments].concat())
}

#[test]
fn explain_reports_a_missing_host() {
    for arguments in [
        &["--uri", "/orders"][..],
        &["--uri", "/orders", "--host", ""],
    ] {
        let said = explained(arguments);
        assert!(said.contains("malformed-request"), "{said}");
        assert!(said.contains("`--host api.example.com`"), "{said}");
        assert!(said.contains("`*.shop.example`"), "{said}");
    }
    let said = explained(&[
        "--uri",
        "/orders",
        "--host",
        "api.example.com",
        "--client-type",
        "A",
    ]);
    assert!(
        said.starts_with("allowed (200, ok)") && !said.contains("hint"),
        "{said}"
    );
}

#[test]
fn explain_names_the_rules_for_other_methods() {
    let host = ["--host", "api.example.com"];
    let said = explained(&[&["--uri", "/orders", "--method", "DELETE"], &host[..]].concat());
    assert!(said.contains("method-not-allowed"), "{said}");
    let rule = "`GET,POST api.example.com/orders`";
    assert_eq!(said.matches(rule).count(), 1, "{said}");
    let said = explained(&[&["--uri", "/orders/7", "--method", "DELETE"], &host[..]].concat());
    assert!(said.contains("`PUT api.example.com/orders/{id}`"), "{said}");
    assert!(said.contains("`GET,POST api.example.com/orders`"), "{said}");
    let said = explained(&[&["--uri", "/nothing"], &host[..]].concat());
    assert!(
        said.contains("no-endpoint") && !said.contains("hint"),
        "{said}"
    );
}

#[rstest]
#[case(&["--client-type", ""])]
#[case(&["--client-type", "", "--groups", "", "--permissions", ""])]
#[case(&[])]
fn an_empty_client_type_is_none_as_in_a_header(#[case] arguments: &[&str]) {
    let request = ["--uri", "/open", "--host", "api.example.com"];
    let said = explained(&[&request[..], arguments].concat());
    assert!(said.starts_with("allowed (200, ok)"), "{said}");
    assert!(said.contains("clientType = null"), "{said}");
    let request = ["--uri", "/orders", "--host", "api.example.com"];
    let said = explained(&[&request[..], arguments].concat());
    assert!(said.starts_with("denied (401, missing-key)"), "{said}");
}

#[test]
fn a_failed_case_names_what_its_request_lacks() {
    let said = said(&["test", "cases.yaml"]);
    assert!(said.contains("`host: api.example.com`"), "{said}");
    assert!(
        said.contains("denied (method-not-allowed) by no rule for DELETE"),
        "{said}"
    );
    assert!(!said.contains("no endpoint"), "{said}");
}

#[rstest]
#[case(
    "/orders/1;v=1",
    "contains `path-parameter`, which a rule can allow with `allowAmbiguous`"
)]
#[case("/nowhere;v=1", "contains `path-parameter`, and no rule applies to it")]
#[case("/orders/%00", "contains `nul`, which no rule can allow")]
#[case(
    "/orders/a b",
    "contains a space or a control character, which no rule can allow"
)]
#[case(
    "/open/../orders",
    "contains `dot-segment`, and not every interpretation"
)]
#[case(
    "/lenient/..;/open",
    "contains `path-parameter`, and not every interpretation"
)]
#[case("/lenient/%2f;x", "contains `encoded-slash`, which a rule can allow")]
fn explain_names_what_makes_a_path_ambiguous(#[case] target: &str, #[case] hint: &str) {
    let said = explained(&[
        "--uri",
        target,
        "--host",
        "api.example.com",
        "--client-type",
        "A",
    ]);
    assert!(said.contains("ambiguous-path"), "{said}");
    assert!(said.contains(hint), "{said}");
}
