//! Placeholders in place of keys and ambiguous periods are rejected by every command.

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
};

use rstest::rstest;
use tempfile::TempDir;

use crate::support::program::{keygate, run_to_end};

fn folder(file: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), text).unwrap();
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = keygate();
    run_to_end(command.current_dir(folder.path()).args(arguments))
}

fn shown(output: &Output) -> String {
    // `check` reports on standard output.
    [&*output.stdout, &*output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

fn create_from_stdin(folder: &TempDir, key: &str) -> Output {
    let mut command = keygate();
    let mut child = command
        .current_dir(folder.path())
        .args([
            "keys",
            "create",
            "--keys",
            "keys.yaml",
            "--client-type",
            "A",
        ])
        .args(["--key-stdin", "--allow-weak"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(key.as_bytes()).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

#[rstest]
#[case("{{SHOP_KEY}}")]
#[case("${SHOP_KEY}")]
#[case("$SHOP_KEY")]
#[case("<your-key>")]
#[case("%SHOP_KEY%")]
#[case("__SHOP_KEY__")]
#[case("changeme")]
#[case("your-api-key-here")]
#[case("xxxxxxxxxxxxxxxxxxxxxxxx")]
#[case("TODO")]
#[case("password")]
fn a_placeholder_is_rejected_by_every_command(#[case] key: &str) {
    let console = format!("[\n{{\"secret\": \"{key}\", \"clientType\": \"A\"}}]\n");
    let map = format!("map $http_client_key $t {{\n  '{key}' A;\n}}\n");
    let keys = format!("version: 1\nkeys:\n  - id: a\n    clientType: A\n    key: '{key}'\n");
    let digest = keygate_keys::Digest::sha256(b"changeme");
    let hashed = format!("version: 1\nkeys:\n  - id: a\n    clientType: A\n    digest: {digest}\n");
    let out: &[&str] = &["--keys-out", "keys.yaml"];
    let ways: [(&str, String, Vec<&str>, &str); 5] = [
        (
            "console.json",
            console,
            [&["import", "mia", "console.json"], out].concat(),
            "console.json:2:",
        ),
        (
            "map.conf",
            map,
            [&["import", "nginx-map", "map.conf"], out].concat(),
            "map.conf:2:",
        ),
        (
            "clear.yaml",
            keys.clone(),
            vec!["keys", "hash", "--keys", "clear.yaml"],
            "clear.yaml:5:",
        ),
        (
            "clear.yaml",
            keys,
            vec!["check", "--keys", "clear.yaml"],
            "clear.yaml:5:",
        ),
        (
            "hashed.yaml",
            hashed,
            vec!["check", "--keys", "hashed.yaml"],
            "hashed.yaml:3:",
        ),
    ];
    for (file, text, arguments, place) in ways {
        let folder = folder(file, &text);
        let output = run(&folder, &arguments);
        let said = shown(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains(place) && said.contains("keygate keys create"),
            "{said}"
        );
        assert!(!folder.path().join("keys.yaml").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let output = create_from_stdin(&folder, key);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!folder.path().join("keys.yaml").exists());
}

#[test]
fn a_key_as_long_as_a_token_is_accepted_and_a_longer_one_not() {
    let long = "Zq7x".repeat(1024);
    let folder = tempfile::tempdir().unwrap();
    let output = create_from_stdin(&folder, &long);
    assert!(output.status.success(), "{}", shown(&output));
    let output = create_from_stdin(&folder, &format!("{long}Z"));
    assert!(
        shown(&output).contains("longer than 4096 bytes"),
        "{}",
        shown(&output)
    );
    let console = format!("[{{\"secret\": \"{long}Z\", \"clientType\": \"A\"}}]");
    fs::write(folder.path().join("console.json"), console).unwrap();
    let output = run(&folder, &["import", "mia", "console.json"]);
    assert!(
        shown(&output).contains("longer than 4096 bytes"),
        "{}",
        shown(&output)
    );
    let keys = format!("version: 1\nkeys:\n  - {{id: a, clientType: A, key: {long}Z}}\n");
    fs::write(folder.path().join("clear.yaml"), keys).unwrap();
    let output = run(&folder, &["keys", "hash", "--keys", "clear.yaml"]);
    assert!(
        shown(&output).contains("longer than 4096 bytes"),
        "{}",
        shown(&output)
    );
}

const MARKED: &str = "map $http_client_key $ok {\n  default 0;\n  \"sample-key-one\" 1;\n  \
                      \"sample-key-two\" 1;\n  \"sample-key-erp\" erp;\n}\n";

#[test]
fn a_map_that_only_marks_keys_needs_client_types() {
    let folder = folder("map.conf", MARKED);
    let arguments = ["import", "nginx-map", "map.conf", "--keys-out", "keys.yaml"];
    let output = run(&folder, &arguments);
    let said = shown(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("map.conf:3:") && said.contains("--client-type"),
        "{said}"
    );
    assert!(!folder.path().join("keys.yaml").exists());

    let numbered = [&arguments[..], &["--client-type", "partner-{n}"]].concat();
    let output = run(&folder, &numbered);
    let said = shown(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("map.conf:4:3: imported `1` as the client type `partner-2`"),
        "{said}"
    );
    let text = fs::read_to_string(folder.path().join("keys.yaml")).unwrap();
    for client_type in ["partner-1", "partner-2", "erp"] {
        assert!(
            text.contains(&format!("clientType: {client_type}\n")),
            "{text}"
        );
    }
}

#[test]
fn an_import_accepts_a_byte_order_mark() {
    let auth =
        r#"{ "/a": { "ALL": { "authorization": { "expression": "true", "public": true } } } }"#;
    let folder = folder("auth.json", &format!("\u{feff}{auth}"));
    let output = run(&folder, &["import", "mia", "auth.json"]);
    assert!(output.status.success(), "{}", shown(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("path: /a"));
}

#[rstest]
#[case("{ \"/a\": {\n  \"ALL\": {},\n} }", "trailing comma", "from.json:2:12")]
#[case(
    "[\n  {\"secret\": \"sample-key-1\", \"clientType\": \"A\"},\n]",
    "trailing comma",
    "from.json:2:48"
)]
#[case("{\n  // ours\n  \"secrets\": []\n}", "not JSON", "from.json:2:")]
fn an_import_of_invalid_json_names_the_error_and_location(
    #[case] text: &str,
    #[case] message: &str,
    #[case] place: &str,
) {
    let folder = folder("from.json", text);
    let said = shown(&run(&folder, &["import", "mia", "from.json"]));
    assert!(said.contains(message) && said.contains(place), "{said}");
    assert!(!said.contains("sample-key"), "{said}");
}

const KEYS: &str = "\
version: 1
keys:
  - id: shop
    clientType: A
    digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    active: false
";

#[rstest]
#[case(&["create", "--client-type", "A", "--expires-in", "3m"], "`30min` or `3mo`")]
#[case(&["create", "--client-type", "A", "--expires-in", "0d"], "never be valid")]
#[case(&["create", "--client-type", "A", "--expires-at", "2020-01-01T00:00:00Z"], "never be valid")]
#[case(&["rotate", "shop"], "keygate keys enable")]
#[case(&["rotate", "shop", "--overlap", "3m"], "`30min` or `3mo`")]
fn a_misleading_key_command_is_rejected(#[case] arguments: &[&str], #[case] message: &str) {
    let folder = folder("keys.yaml", KEYS);
    let output = run(
        &folder,
        &[&["keys"], arguments, &["--keys", "keys.yaml"]].concat(),
    );
    let said = shown(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(message), "{said}");
    assert!(output.stdout.is_empty(), "a key was shown");
    assert_eq!(
        fs::read_to_string(folder.path().join("keys.yaml")).unwrap(),
        KEYS
    );
}
