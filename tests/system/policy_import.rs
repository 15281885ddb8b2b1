//! `keygate import mia`: endpoints become a policy file with the same decisions.

use std::{fs, process::Output};

use rstest::rstest;
use tempfile::TempDir;

use crate::support::program::{keygate, run_to_end};

const AUTH: &str = r#"{"/orders": {
  "GET": {"authorization": {"expression": "clientType == 'A'", "public": true}},
  "POST": {"authorization": {"expression": "false", "public": true}}}}"#;

const EXTENSION: &str = r#"{"/orders": {
  "POST": {"authorization": {"expression": "clientType == 'B'", "public": true}}}}"#;

const CONSOLE: &str = r#"{
  "secrets": [{"secret": "sample-key-of-the-cms-0001", "clientType": "A", "active": true}],
  "services": {},
  "endpoints": {"/orders": {
    "basePath": "/orders", "type": "custom", "public": true, "secreted": true,
    "acl": "clientType == 'A'", "backofficeAcl": {"inherited": true},
    "routes": {"POST/:id": {"path": "/:id", "verb": "POST",
      "acl": {"inherited": false, "value": "clientType == 'B'"}}}}}}"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    run_to_end(keygate().current_dir(folder.path()).args(arguments))
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns whether the written policy allows a request.
fn allows(folder: &TempDir, client_type: &str, method: &str, uri: &str) -> bool {
    let request = [
        "explain",
        "--policy",
        "policy.yaml",
        "--client-type",
        client_type,
        "--method",
        method,
        "--uri",
        uri,
    ];
    let output = run(folder, &request);
    match output.status.code() {
        Some(0) => true,
        Some(1) => false,
        _ => panic!("{output:?}"),
    }
}

#[test]
fn an_auth_json_and_its_extension_become_one_policy() {
    let folder = folder(&[("auth.json", AUTH), ("extension.json", EXTENSION)]);
    let import = [
        "import",
        "mia",
        "auth.json",
        "extension.json",
        "--policy-out",
        "policy.yaml",
    ];
    let output = run(&folder, &import);
    assert!(output.status.success(), "{output:?}");
    assert!(allows(&folder, "A", "GET", "/orders/7"));
    assert!(!allows(&folder, "B", "GET", "/orders/7"));
    assert!(allows(&folder, "B", "POST", "/orders"));
    assert!(!allows(&folder, "A", "POST", "/orders"));

    // An existing file is not overwritten, because it may have been edited.
    let before = fs::read(folder.path().join("policy.yaml")).unwrap();
    let again = run(&folder, &import);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("policy.yaml already exists"),
        "{again:?}"
    );
    assert_eq!(fs::read(folder.path().join("policy.yaml")).unwrap(), before);
}

#[test]
fn a_console_configuration_becomes_a_policy_and_a_keys_file() {
    let folder = folder(&[("console.json", CONSOLE)]);
    let output = run(
        &folder,
        &[
            "import",
            "mia",
            "console.json",
            "--policy-out",
            "policy.yaml",
            "--keys-out",
            "keys.yaml",
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let said = stderr(&output);
    for name in ["services", "type"] {
        assert!(
            said.contains(&format!("ignored the field `{name}`")),
            "{said}"
        );
    }
    assert!(!said.contains("`endpoints`"), "{said}");
    assert!(allows(&folder, "A", "POST", "/orders"));
    assert!(!allows(&folder, "A", "POST", "/orders/7"));
    assert!(allows(&folder, "B", "POST", "/orders/7"));
    assert!(allows(&folder, "A", "GET", "/orders/7"));
    let check = run(
        &folder,
        &["check", "--policy", "policy.yaml", "--keys", "keys.yaml"],
    );
    assert!(check.status.success(), "{check:?}");
}

#[rstest]
#[case::an_auth_json("auth.json", AUTH)]
#[case::a_console_configuration("console.json", CONSOLE)]
fn an_expression_warning_names_its_location(#[case] name: &str, #[case] text: &str) {
    let odd = text.replacen("clientType == 'A'", "groups.admin === 'yes'", 1);
    let folder = folder(&[(name, &odd)]);
    let files = ["--policy-out", "policy.yaml", "--keys-out", "keys.yaml"];
    let output = run(&folder, &[&["import", "mia", name][..], &files].concat());
    assert!(output.status.success(), "{output:?}");
    let said = stderr(&output);
    let warning = "warning: `groups.admin === 'yes'` is never true";
    assert!(said.contains(warning), "{said}");
    assert!(said.contains(&format!("--> {name}:")), "{said}");
}

#[rstest]
#[case::one_output(&[("a.json", CONSOLE)], "set `--policy-out` or `--keys-out`")]
#[case::two_policies(&[("a.json", AUTH), ("b.json", CONSOLE)], "b.json contains endpoints, and so does an earlier file")]
#[case::two_policies_reversed(&[("a.json", CONSOLE), ("b.json", AUTH)], "b.json contains endpoints, and so does an earlier file")]
#[case::an_expression(
    &[("a.json", "{\"/a\": {\"GET\": {\"authorization\": {\"expression\": \"clientTyp == 1\", \"public\": true}}}}")],
    "unknown name `clientTyp`\n --> a.json:1:"
)]
#[case::a_field_is_missing(
    &[("a.json", "{\"endpoints\": {\"/a\": {\"basePath\": \"/a\", \"public\": true, \"acl\": \"true\"}}}")],
    "secreted"
)]
#[case::a_value_is_missing(
    &[("a.json", "{\"endpoints\": {\"/a\": {\"basePath\": \"/a\", \"public\": true, \"secreted\": true, \"acl\": \"true\", \"backofficeAcl\": {\"inherited\": false}}}}")],
    "value"
)]
#[case::two_of_one_path(
    &[("a.json", "{\"endpoints\": {\"/a\": {\"basePath\": \"/a\", \"public\": true, \"secreted\": true, \"acl\": \"true\"}, \"/b\": {\"basePath\": \"/a/\", \"public\": true, \"secreted\": true, \"acl\": \"true\"}}}")],
    "the converted policy:"
)]
fn a_failed_import_is_reported_and_writes_nothing(
    #[case] files: &[(&str, &str)],
    #[case] message: &str,
) {
    let folder = folder(files);
    let names = files.iter().map(|(name, _)| *name);
    let arguments: Vec<_> = ["import", "mia"].into_iter().chain(names).collect();
    let output = run(&folder, &arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains(message), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files.len());
}
