//! Settings that give one header two meanings stop the start and write no includes.

use std::process::Output;

use rstest::rstest;

use crate::support::gateway::corpus_file;
use crate::support::program::{keygate, run_to_end};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[rstest]
#[case::swapped(
    "KEYGATE_CLIENT_TYPE_HEADER",
    "isbackoffice",
    "used for `backoffice-header`"
)]
#[case::same(
    "KEYGATE_BACKOFFICE_HEADER",
    "client-type",
    "used for `client-type-header`"
)]
#[case::equal_for_backends(
    "KEYGATE_BACKOFFICE_HEADER",
    "client_type",
    "used for `client-type-header`"
)]
#[case::key_is_identity(
    "KEYGATE_KEY_HEADERS",
    "x-key,client-type",
    "used for `client-type-header`"
)]
#[case::identity_is_key("KEYGATE_CLIENT_TYPE_HEADER", "secret", "used for `key-headers`")]
#[case::cookie("KEYGATE_KEY_HEADERS", "cookie", "already has a meaning")]
#[case::host("KEYGATE_CLIENT_TYPE_HEADER", "host", "already has a meaning")]
#[case::target("KEYGATE_KEY_HEADERS", "original-request-uri", "already has a meaning")]
#[case::ours("KEYGATE_KEY_HEADERS", "x-keygate-next", "already has a meaning")]
#[case::user("KEYGATE_BACKOFFICE_HEADER", "miauserid", "already has a meaning")]
#[case::address("KEYGATE_CLIENT_ADDRESS_HEADER", "connection", "already has a meaning")]
fn a_header_with_two_meanings_stops_the_start(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] expected: &str,
) {
    let mut serve = keygate();
    serve
        .arg("serve")
        .arg("--keys")
        .arg(corpus_file("keys.yaml"));
    serve.arg("--policy").arg(corpus_file("policy.yaml"));
    let folder = tempfile::tempdir().unwrap();
    let mut write = keygate();
    write.arg("nginx-includes").arg("--out").arg(folder.path());
    for command in [&mut serve, &mut write] {
        let output = run_to_end(command.env(variable, value));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = stderr(&output);
        assert!(text.contains(expected), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn the_error_names_the_variable_of_mia_platform() {
    let mut command = keygate();
    command
        .arg("authorizer")
        .arg("--policy")
        .arg(corpus_file("policy.yaml"));
    let text = stderr(&run_to_end(command.env("CLIENT_TYPE_HEADER_KEY", "host")));
    assert!(
        text.contains("`CLIENT_TYPE_HEADER_KEY` (the setting"),
        "{text}"
    );
}
