//! Commands and the running service give the same explanations of decisions.

use std::fs;
use std::process::Output;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::caller;
use crate::support::operations::Watched;
use crate::support::program::{keygate, run_to_end};

const POLICY: &str = "\
version: 1
endpoints:
  - path: /orders
    groupExpression: clientType === 'A' || clientType === 'B'
    routes:
      - path: /{id}/refund
        methods: [POST]
        groupExpression: groups.finance && clientType === 'A'
        shadow: groups.finance
  - path: /public
    apiKeyRequired: false
  - path: /user
    apiKeyRequired: false
    authenticationRequired: true
  - path: /staff
    description: nobody needs a key
    apiKeyRequired: false
    groupExpression: groups.staff
  - path: /level
    apiKeyRequired: false
    groupExpression: user.profile.level === 1
  - path: /backoffice
    groupExpression: 'false'
    backofficeExpression: clientType === 'C'
";

const CASES: &str = "\
version: 1
cases:
  - name: B may read orders
    request: { uri: /orders/7, clientType: B }
    expect: allowed
  - request: { method: POST, uri: /orders/7/refund, clientType: B }
    expect: expression-false
    endpoint: POST /orders/{id}/refund
  - request: { uri: /user }
    expect: denied
  - request: { uri: /staff, groups: [staff], user: { name: x } }
    expect: allowed
  - request: { uri: /backoffice, clientType: C, backoffice: true }
    expect: allowed
";

/// Returns a folder with the policy and these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain(&[("policy.yaml", POLICY)]) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Runs a command in the folder.
fn run_in(folder: &TempDir, arguments: &[&str]) -> Output {
    run_to_end(keygate().args(arguments).current_dir(folder.path()))
}

fn run(arguments: &[&str]) -> Output {
    run_in(
        &folder(&[]),
        &[arguments, &["--policy", "policy.yaml"]].concat(),
    )
}

/// Returns the exit code and the text of both outputs.
fn result_of(output: &Output) -> (Option<i32>, String) {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn test_file(text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = folder(&[("cases.yaml", text)]);
    let command = ["test", "cases.yaml", "--policy", "policy.yaml"];
    result_of(&run_in(&folder, &[&command, arguments].concat()))
}

#[test]
fn explain_names_the_deciding_rule_and_expression_part() {
    let (code, said) = result_of(&run(&[
        "explain",
        "--method",
        "POST",
        "--uri",
        "/orders/7/refund",
        "--client-type",
        "B",
    ]));
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said);
}

#[test]
fn the_matrix_shows_each_client_type_at_each_endpoint() {
    let keys = "version: 1\nkeys: [{ id: k, clientType: other, key: x }]\n";
    let folder = folder(&[("keys.yaml", keys)]);
    let files = ["--policy", "policy.yaml", "--keys", "keys.yaml"];
    let (code, said) = result_of(&run_in(&folder, &[&["matrix"][..], &files].concat()));
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said);
}

#[test]
fn commands_evaluate_a_shadow_policy_too() {
    let shadow =
        "version: 1\nendpoints: [{ path: /orders, groupExpression: clientType === 'C' }]\n";
    let folder = folder(&[("shadow.yaml", shadow)]);
    let files = ["--policy", "policy.yaml", "--shadow-policy", "shadow.yaml"];
    let (_, said) = result_of(&run_in(&folder, &[&["matrix"][..], &files].concat()));
    let orders = said.lines().nth(1).unwrap();
    assert_eq!(
        orders.split_whitespace().collect::<Vec<_>>(),
        ["/orders", "k", "✓~", "✓~", "✗~"]
    );
    let explain = ["explain", "--uri", "/orders", "--client-type", "A"];
    let (code, said) = result_of(&run_in(&folder, &[&explain[..], &files].concat()));
    assert_eq!(code, Some(0), "a shadow changes no decision");
    assert!(
        said.contains("shadow    would deny (expression-false)"),
        "{said}"
    );
}

#[test]
fn the_matrix_of_the_back_office_differs() {
    let output = run(&[
        "matrix",
        "--output",
        "json",
        "--backoffice",
        "--groups",
        "staff",
    ]);
    let matrix: Value = serde_json::from_slice(&output.stdout).unwrap();
    let client_types = matrix["clientTypes"].as_array().unwrap();
    let rows = matrix["endpoints"].as_array().unwrap();
    let cell = |endpoint: &str, client_type: Value| {
        let column = client_types
            .iter()
            .position(|it| *it == client_type)
            .unwrap();
        let row = rows.iter().find(|row| row["endpoint"] == endpoint).unwrap();
        row["cells"][column]["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(cell("/staff", Value::Null), "ok");
    assert_eq!(cell("/backoffice", json!("C")), "ok");
    assert_eq!(cell("/backoffice", json!("A")), "expression-false");
    assert_eq!(cell("/backoffice", Value::Null), "missing-key");
}

#[test]
fn passed_cases_are_counted() {
    assert_eq!(
        test_file(CASES, &[]),
        (Some(0), "5 passed, 0 failed\n".to_owned())
    );
}

#[test]
fn a_failed_case_is_shown_with_the_difference() {
    let wrong = CASES
        .replace("expect: expression-false", "expect: missing-user")
        .replace(
            "clientType: B }\n    expect: allowed",
            "clientType: C }\n    expect: allowed",
        );
    let (code, said) = test_file(&wrong, &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said);
    let (code, said) = test_file(&wrong, &["--output", "json"]);
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["passed"], 3);
    assert_eq!(report["failed"][0]["line"], 3);
    assert_eq!(
        report["failed"][1]["decided"],
        "denied (expression-false) by POST /orders/{id}/refund"
    );
}

#[rstest]
#[case("version: 2\ncases: []\n", "version 2 is not supported")]
#[case("version: 1\ncases: []\n", "contains no test cases")]
#[case(
    "version: 1\ncases: [{ request: { uri: / }, expect: maybe }]\n",
    "`maybe` is not one of allowed, denied, missing-key"
)]
#[case(
    "version: 1\ncases: [{ request: { uri: /, clientTyp: A }, expect: denied }]\n",
    "did you mean `clientType`?"
)]
fn an_invalid_cases_file_is_not_a_failed_test(#[case] text: &str, #[case] expected: &str) {
    let (code, said) = test_file(text, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(expected), "{said}");
}

#[test]
fn the_policy_of_a_cases_file_is_relative_to_that_file() {
    let naming = CASES.replace("cases:", "policy: policy.yaml\ncases:");
    let folder = folder(&[("cases.yaml", &naming), ("nameless.yaml", CASES)]);
    let output = run_to_end(keygate().arg("test").arg(folder.path().join("cases.yaml")));
    assert_eq!(result_of(&output).0, Some(0));
    let (code, said) = result_of(&run_in(&folder, &["test", "nameless.yaml"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("no policy to test"), "{said}");
}

/// A service with an active policy and perhaps a shadow policy.
fn service(shadow: Option<&str>) -> Watched {
    let files: Vec<_> = shadow
        .map(|text| ("shadow.yaml", text))
        .into_iter()
        .collect();
    let folder = folder(&files);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut settings = vec![("KEYGATE_POLICY", path("policy.yaml"))];
    settings.extend(shadow.map(|_| ("KEYGATE_SHADOW_POLICY", path("shadow.yaml"))));
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, path)| (*name, path.as_str()))
        .collect();
    // Both are read before it listens.
    Watched::start(&settings)
}

#[rstest]
#[case("uri=/orders/7&client-type=B", &["--uri", "/orders/7", "--client-type", "B"])]
#[case(
    "method=POST&uri=/orders/7/refund&client-type=B&groups=&user=",
    &["--method", "POST", "--uri", "/orders/7/refund", "--client-type", "B"]
)]
#[case(
    "uri=/staff&user-id=ada&groups=staff,%20x&permissions=p&user=%7B%22a%22:1%7D&backoffice=true",
    &["--uri", "/staff", "--user-id", "ada", "--groups", "staff,x", "--permissions", "p",
      "--user", r#"{"a":1}"#, "--backoffice"]
)]
#[case("uri=/public/..%3B/x&host=h", &["--uri", "/public/..;/x", "--host", "h"])]
fn the_running_service_explains_as_the_command_does(#[case] query: &str, #[case] flags: &[&str]) {
    let explained = service(None).json(&format!("/debug/explain?{query}"));
    // The service knows its settings, where nobody is ever logged in.
    let folder = folder(&[("settings.yaml", "policy: policy.yaml")]);
    let command = ["explain", "--output", "json", "--config", "settings.yaml"];
    let output = run_in(&folder, &[&command, flags].concat());
    let expected: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained, expected);
}

#[test]
fn an_explanation_is_of_the_active_policy_and_its_shadow() {
    let watched = service(Some("version: 1\nendpoints: [{ path: /orders }]\n"));
    let explained = watched.json("/debug/explain?uri=/orders&client-type=C");
    assert_eq!(explained["reason"], "expression-false");
    assert_eq!(explained["shadow"]["reason"], "ok");
    assert_eq!(explained["shadow"]["endpoint"], "/orders");
}

#[rstest]
#[case("", "uri")]
#[case("?uri=/&clienttype=A", "clienttype")]
#[case("?uri=/&user=x", "not a JSON object")]
fn an_invalid_explain_query_is_an_error(#[case] query: &str, #[case] expected: &str) {
    let watched = Watched::start(&[]);
    let response =
        caller::get_operations(&watched.operations, &format!("/debug/explain{query}"), &[]);
    assert_eq!(response.status(), 400);
    let error: Value = serde_json::from_slice(&response.body).unwrap();
    let error = error["error"].as_str().unwrap();
    assert!(error.contains(expected), "{error}");
}

/// `keygate matrix … | head` closes the pipe before everything is written.
#[rstest]
#[case(&["matrix", "--policy", "POLICY"])]
#[case(&["check", "--policy", "POLICY"])]
#[case(&["schema", "policy"])]
fn a_closed_standard_output_ends_a_command_silently(#[case] arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, POLICY).unwrap();
    let policy = policy.to_str().unwrap();
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| argument.replace("POLICY", policy))
        .collect();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = keygate().args(&arguments).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = keygate().args(&arguments).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.starts_with("error: cannot write to standard output: "),
        "{said}"
    );
}
