//! Invalid input at the start: one clear error, an exit code, and nothing keeps running.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use rstest::rstest;

use crate::support::gateway::{corpus_file, free_port};
use crate::support::program::{accepts, keygate, run_to_end};

/// Runs `keygate serve` with files that need not be valid, until it exits.
struct Start {
    folder: tempfile::TempDir,
    listen: String,
    operations: String,
    keys: std::path::PathBuf,
    policy: std::path::PathBuf,
    more: Vec<String>,
}

impl Start {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            listen: format!("127.0.0.1:{}", free_port()),
            operations: format!("127.0.0.1:{}", free_port()),
            keys: corpus_file("keys.yaml"),
            policy: corpus_file("policy.yaml"),
            more: Vec::new(),
            folder,
        }
    }

    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self) -> Output {
        let mut command = keygate();
        command
            .arg("serve")
            .arg("--keys")
            .arg(&self.keys)
            .arg("--policy")
            .arg(&self.policy);
        command.args(["--listen", &self.listen, "--operations", &self.operations]);
        command.args(&self.more);
        run_to_end(&mut command)
    }

    /// Runs it and expects an error with each of these texts.
    fn fails(&self, holds: &[&str]) -> String {
        let output = self.run();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "started: {text}");
        assert_ne!(output.status.code(), Some(101), "panicked: {text}");
        assert!(!text.contains("panicked"), "{text}");
        for part in holds {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        let errors = text
            .lines()
            .filter(|line| line.to_lowercase().contains("error"))
            .count();
        assert_eq!(errors, 1, "one error, not {errors}:\n{text}");
        text
    }
}

const GOOD_KEY: &str =
    "digest: sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

#[rstest]
#[case::empty("", &["policy.yaml", "empty"])]
#[case::comments_alone("# nothing\n", &["policy.yaml", "empty"])]
#[case::not_yaml("version: 1\nendpoints: [\n", &["policy.yaml:"])]
#[case::wrong_version("version: 2\nendpoints: []\n", &["policy.yaml:1:10", "2"])]
#[case::no_version("endpoints: []\n", &["policy.yaml", "version"])]
#[case::unknown_field("version: 1\nendpoint: []\n", &["policy.yaml:2:1", "`endpoint`", "did you mean `endpoints`"])]
#[case::unknown_field_within(
    "version: 1\nendpoints:\n  - path: /a\n    groupExpresion: 'true'\n",
    &["policy.yaml:4:5", "`groupExpresion`", "did you mean `groupExpression`"]
)]
#[case::expression(
    "version: 1\nendpoints:\n  - path: /a\n    groupExpression: clientType === \n",
    &["policy.yaml:4:"]
)]
#[case::unknown_name(
    "version: 1\nendpoints:\n  - path: /a\n    groupExpression: clienttype === 'A'\n",
    &["policy.yaml:4:22", "`clienttype`", "clientType"]
)]
#[case::two_equal_rules(
    "version: 1\nendpoints:\n  - path: /a\n  - path: /a\n",
    &["policy.yaml:4:11", "3 |   - path: /a", "this one has the same path"]
)]
fn an_invalid_policy_is_rejected_with_its_location(#[case] text: &str, #[case] holds: &[&str]) {
    let mut start = Start::new();
    start.policy = start.file("policy.yaml", text);
    start.fails(holds);
}

#[rstest]
#[case::empty("", &["keys.yaml", "empty"])]
#[case::not_yaml("version: 1\nkeys: {\n", &["keys.yaml:"])]
#[case::wrong_version("version: 9\nkeys: []\n", &["keys.yaml:1:10", "9"])]
#[case::unknown_field("version: 1\nkey: []\n", &["keys.yaml:2:1", "`key`", "did you mean `keys`"])]
#[case::unknown_field_within(
    &format!("version: 1\nkeys:\n  - id: a\n    clienttype: A\n    {GOOD_KEY}\n"),
    &["keys.yaml:4:5", "`clienttype`", "did you mean `clientType`"]
)]
#[case::bad_digest("version: 1\nkeys:\n  - id: a\n    clientType: A\n    digest: sha256:zz\n", &["keys.yaml:5:"])]
#[case::digest_twice(
    &format!("version: 1\nkeys:\n  - {{ id: a, clientType: A, {GOOD_KEY} }}\n  - {{ id: b, clientType: B, {GOOD_KEY} }}\n"),
    &["keys.yaml:4:", ":3:"]
)]
#[case::id_twice(
    "version: 1\nkeys:\n  - { id: a, clientType: A, key: first-secret }\n  - { id: a, clientType: B, key: second-secret }\n",
    &["keys.yaml:4:", "`a`"]
)]
fn an_invalid_keys_file_is_rejected_with_its_location(#[case] text: &str, #[case] holds: &[&str]) {
    let mut start = Start::new();
    start.keys = start.file("keys.yaml", text);
    let message = start.fails(holds);
    assert!(
        !message.contains("-secret"),
        "the message holds a key:\n{message}"
    );
    assert!(
        !message.contains("5e884898"),
        "the message holds a digest:\n{message}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let mut start = Start::new();
    start.policy = "/no/such/policy.yaml".into();
    start.fails(&["/no/such/policy.yaml"]);
    start = Start::new();
    start.keys = "/no/such/keys.yaml".into();
    start.fails(&["/no/such/keys.yaml"]);
}

#[test]
fn a_directory_in_place_of_a_file_is_an_error() {
    let mut start = Start::new();
    start.policy = start.folder.path().to_owned();
    start.fails(&[&start.folder.path().display().to_string()]);
}

#[test]
fn a_file_without_read_permission_is_named() {
    let mut start = Start::new();
    start.keys = start.file("keys.yaml", "version: 1\nkeys: []\n");
    fs::set_permissions(&start.keys, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&start.keys).is_ok() {
        // Root can read every file, so this case uses one that is not text.
        start.keys = start.file("keys.yaml", "");
        fs::write(&start.keys, [0xff, 0xfe, 0x00]).unwrap();
    }
    start.fails(&["keys.yaml"]);
}

#[test]
fn a_port_in_use_is_named_and_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let mut start = Start::new();
    start.listen.clone_from(&address);
    start.fails(&[&address, "in use"]);
    assert!(!accepts(&start.operations));

    start = Start::new();
    start.operations.clone_from(&address);
    start.fails(&[&address, "in use"]);
    assert!(!accepts(&start.listen));
}

#[test]
fn a_socket_path_of_a_file_or_directory_is_left_untouched() {
    let mut start = Start::new();
    let folder = start.folder.path().join("here");
    fs::create_dir(&folder).unwrap();
    start.listen = format!("unix:{}", folder.display());
    start.fails(&[&folder.display().to_string(), "directory"]);
    assert!(folder.is_dir());

    start = Start::new();
    let file = start.file("precious", "do not delete");
    start.listen = format!("unix:{}", file.display());
    start.fails(&[&file.display().to_string()]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "do not delete");
}

#[test]
fn a_socket_that_another_service_listens_on_is_not_taken_over() {
    let mut start = Start::new();
    let socket = start.folder.path().join("taken.sock");
    let _other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    start.listen = format!("unix:{}", socket.display());
    start.fails(&[&socket.display().to_string(), "in use"]);
    assert!(accepts(&start.listen), "the other service was cut off");
}

#[test]
fn an_invalid_address_is_rejected() {
    for bad in [
        "7081",
        "localhost",
        "unix:",
        "http://127.0.0.1:7081",
        "127.0.0.1:99999",
    ] {
        let mut start = Start::new();
        start.listen = bad.to_owned();
        start.fails(&[bad]);
    }
}

#[test]
fn an_unknown_setting_is_rejected_with_a_suggestion() {
    let mut start = Start::new();
    let settings = start.file("keygate.yaml", "listten: 127.0.0.1:7080\n");
    start.more = vec!["--config".to_owned(), settings.display().to_string()];
    start.fails(&["`listten`", "`listen`"]);

    let start = Start::new();
    let mut command = keygate();
    command
        .arg("serve")
        .arg("--keys")
        .arg(&start.keys)
        .arg("--policy")
        .arg(&start.policy);
    command.args(["--listen", &start.listen, "--operations", &start.operations]);
    command.env("KEYGATE_LISTTEN", "127.0.0.1:7080");
    let output = run_to_end(&mut command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("KEYGATE_LISTTEN"), "{text}");
}

#[test]
fn command_line_errors_are_usage_errors() {
    for arguments in [
        &["serve", "--keyz", "x"][..],
        &["gateway"],
        &["serve", "--listen"],
    ] {
        let output = run_to_end(keygate().args(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
