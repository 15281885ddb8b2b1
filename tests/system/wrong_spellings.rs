//! Common errors in files: each message names the location and the correct spelling.

use std::fs;
use std::process::Output;

use rstest::rstest;

use crate::support::gateway::{Role, free_port};
use crate::support::program::{keygate, run_to_end};

/// Runs a command in a folder with this file.
fn run(name: &str, text: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    run_to_end(keygate().current_dir(folder.path()).args(arguments))
}

fn said(output: &Output) -> String {
    [&*output.stdout, &*output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

fn policy(endpoint: &str) -> String {
    format!("version: 1\nendpoints:\n  - {endpoint}\n")
}

#[rstest]
#[case::one_client_type("path: /a\n    clientTypes: shop", "write `clientTypes: [shop]`")]
#[case::one_method("path: /a\n    methods: POST", "write `methods: [POST]`")]
#[case::two_methods("path: /a\n    methods: GET, POST", "write `methods: [GET, POST]`")]
#[case::quoted("path: /a\n    clientTypes: \"a b\"", "write `clientTypes: [a, b]`")]
#[case::wildcard(
    "path: /orders/*",
    "write `/orders`, because an endpoint's path covers everything"
)]
#[case::rest(
    "path: /orders/**",
    "write `/orders`, because an endpoint's path covers everything"
)]
#[case::every_path("path: /*", "write `/`, because an endpoint's path covers everything")]
#[case::no_slash("path: orders/{id}", "write `/orders/{id}`")]
#[case::neither("path: orders/*", "write `/orders`")]
fn an_error_of_a_policy_shows_the_correct_spelling(#[case] endpoint: &str, #[case] expected: &str) {
    let output = run(
        "p.yaml",
        &policy(endpoint),
        &["check", "--policy", "p.yaml"],
    );
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_path_of_an_auth_json_without_its_slash_is_shown() {
    let rule = r#"{"GET": {"authorization": {"expression": "true", "public": true}}}"#;
    let text = format!("{{\n  \"/a\": {rule},\n  \"orders\": {rule}\n}}\n");
    let check = ["check", "--policy", "auth.json"];
    let shown = said(&run("auth.json", &text, &check));
    for expected in ["auth.json:3:3", "\"orders\": {", "write `/orders`"] {
        assert!(shown.contains(expected), "{shown}");
    }
    // Without any path, it may be a file of another kind.
    let other = text.replace("\"/a\"", "\"b\"");
    let shown = said(&run("auth.json", &other, &check));
    assert!(shown.contains("a path must start with a slash"), "{shown}");
    assert!(!shown.contains("orders"), "{shown}");
}

#[test]
fn a_policy_that_is_given_as_keys_is_recognised() {
    let text = policy("path: /a");
    for arguments in [
        &["check", "--keys", "p.yaml"][..],
        &["resolver", "--keys", "p.yaml", "--listen", "127.0.0.1:0"],
    ] {
        let output = run("p.yaml", &text, arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = said(&output);
        assert!(
            said.contains("this looks like a policy file: pass it with `--policy`"),
            "{said}"
        );
    }
}

#[test]
fn explain_names_the_target_with_its_slash() {
    let explain = ["explain", "--policy", "p.yaml", "--uri", "orders?x=1"];
    let said = said(&run("p.yaml", &policy("path: /a"), &explain));
    assert!(said.contains("write `/orders?x=1`"), "{said}");
}

/// `run_to_end` searches the names of fields for sample keys.
#[test]
fn an_import_names_no_field_that_may_be_a_key() {
    let text = r#"{
        "sample-key-1": 1, "services": {},
        "secrets": [{"secret": "sample-key-2-with-some-length", "clientType": "A", "sample-key-3": 1}],
        "endpoints": {"/a": {"basePath": "/a", "public": true, "secreted": true, "acl": "true", "sample-key-4": 1}}
    }"#;
    let import = [
        "import",
        "mia",
        "c.json",
        "--keys-out",
        "k.yaml",
        "--policy-out",
        "p.yaml",
    ];
    let output = run("c.json", text, &import);
    assert!(output.status.success(), "{output:?}");
    let said = said(&output);
    assert!(said.contains("ignored the field `services`"), "{said}");
    assert!(said.contains("ignored 3 other fields"), "{said}");
}

#[rstest]
#[case::expression("/a", "sample-key-1")]
#[case::always_true("/a", "clientType === 'A' || 'sample-key-3'")]
#[case::list("/a", "clientType in ['A', 'sample-key-4']")]
#[case::path("sample-key-2", "true")]
fn an_error_of_a_console_import_repeats_no_text(#[case] path: &str, #[case] acl: &str) {
    let text = format!(
        r#"{{"endpoints": {{"/a": {{"basePath": "{path}", "public": true, "secreted": true, "acl": "{acl}"}}}}}}"#
    );
    let import = ["import", "mia", "c.json", "--policy-out", "p.yaml"];
    let output = run("c.json", &text, &import);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output);
    assert!(
        said.contains("c.json:1:") && !said.contains("sample"),
        "{said}"
    );
}

#[test]
fn an_error_of_nginx_includes_is_printed_once() {
    let mut write = keygate();
    let folder = tempfile::tempdir().unwrap();
    write.env("KEYGATE_KEY_HEADERS", "host");
    let output = run_to_end(write.args(["nginx-includes", "--out"]).arg(folder.path()));
    let said = said(&output);
    assert_eq!(said.matches("already has a meaning").count(), 1, "{said}");
    assert!(said.contains("invalid setting `key-headers`"), "{said}");
}

#[rstest]
#[case::warning("clientTypes: [A]\n    apiKeyRequired: false", true)]
#[case::none("clientTypes: [A]", false)]
fn warnings_can_be_denied(#[case] fields: &str, #[case] warns: bool) {
    let text = policy(&format!("path: /a\n    {fields}"));
    let check = ["check", "--policy", "p.yaml"];
    let output = run("p.yaml", &text, &check);
    assert!(output.status.success());
    let found = said(&output).contains("`apiKeyRequired: false` has no effect here");
    assert_eq!(found, warns, "{output:?}");
    let output = run(
        "p.yaml",
        &text,
        &[&check[..], &["--deny-warnings"]].concat(),
    );
    assert_eq!(output.status.success(), !warns, "{output:?}");
    assert_eq!(said(&output).contains("denied by `--deny-warnings`"), warns);
}

#[test]
fn a_route_that_inherits_client_types_cannot_be_public() {
    let text = policy(
        "path: /a\n    clientTypes: [A]\n    routes:\n      - path: /open\n        apiKeyRequired: false",
    );
    let said = said(&run("p.yaml", &text, &["check", "--policy", "p.yaml"]));
    assert!(said.contains("has no effect here"), "{said}");
}

/// nginx loads the configuration, but `check --nginx` reports it as not safe.
#[test]
fn a_configuration_that_allows_every_caller_is_not_safe() {
    let text =
        "http { server { location / { auth_request /_keygate/authorize; proxy_pass http://b; } } }";
    let output = run("nginx.conf", text, &["check", "--nginx", "nginx.conf"]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("nginx.conf: not safe, 1 location"), "{said}");
    assert!(
        said.contains("1 error") && !said.contains("would not load"),
        "{said}"
    );
}

#[test]
fn rules_that_use_a_user_are_counted_where_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version: 1\nendpoints:\n  - path: /a\n  - path: /b\n    groupExpression: groups.admin\n\
                \x20 - path: /c\n    authenticationRequired: true\n";
    let expected = "3 rules, 2 of which use a logged-in user (the first is `/b`)";
    let check = said(&run("p.yaml", text, &["check", "--policy", "p.yaml"]));
    assert!(check.contains(expected), "{check}");
    fs::write(folder.path().join("policy.yaml"), text).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let service = Role::Authorizer.start(&listen, folder.path(), &[]);
    let log = service.output();
    assert_eq!(log.matches(expected).count(), 1, "{log}");
}
