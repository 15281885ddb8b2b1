//! `keygate health` reports the readiness of a service, also by its exit code.

use std::process::Output;

use rstest::rstest;

use crate::support::gateway::{corpus_file, free_port};
use crate::support::impostor::Impostor;
use crate::support::program::{Service, keygate, run_to_end};

/// Starts an authorizer that delays its shutdown after the signal, and is not ready meanwhile.
fn authorizer(operations: &str, folder: &std::path::Path) -> Service {
    let listen = format!("unix:{}/data.sock", folder.display());
    let mut command = keygate();
    command
        .args(["authorizer", "--listen", &listen])
        .args(["--operations", operations, "--policy"])
        .arg(corpus_file("policy.yaml"))
        .env("KEYGATE_SHUTDOWN_DELAY_SECONDS", "60");
    Service::start(command, operations, &folder.join("authorizer.log"))
}

fn health(operations: &str) -> Output {
    run_to_end(keygate().args(["health", "--operations", operations]))
}

#[rstest]
#[case::tcp(&format!("127.0.0.1:{}", free_port()))]
#[case::unix("unix:FOLDER/operations.sock")]
fn a_service_is_ready_until_its_shutdown_starts(#[case] operations: &str) {
    let folder = tempfile::tempdir().unwrap();
    let operations = operations.replace("FOLDER", &folder.path().display().to_string());
    let service = authorizer(&operations, folder.path());

    let response = health(&operations);
    let text = String::from_utf8(response.stdout).unwrap();
    assert_eq!(response.status.code(), Some(0), "{text}");
    assert!(text.contains("\"ready\":true"), "{text}");
    let by_setting = run_to_end(
        keygate()
            .arg("health")
            .env("KEYGATE_OPERATIONS", &operations),
    );
    assert_eq!(by_setting.status.code(), Some(0));

    service.signal("TERM");
    let mut code = Some(0);
    for _ in 0..100 {
        code = health(&operations).status.code();
        if code != Some(0) {
            break;
        }
    }
    assert_eq!(code, Some(1));
    assert!(
        String::from_utf8(health(&operations).stdout)
            .unwrap()
            .contains("\"ready\":false")
    );
}

#[test]
fn a_service_that_is_not_running_is_not_ready() {
    let address = format!("127.0.0.1:{}", free_port());
    let response = health(&address);
    let text = String::from_utf8(response.stdout).unwrap();
    assert_eq!(response.status.code(), Some(1));
    assert_eq!(text, format!("not ready: no response from {address}\n"));
}

#[rstest]
#[case::empty("")]
#[case::another_protocol("220 mail ESMTP\r\n\r\n")]
#[case::no_status("HTTP/1.1 \r\n\r\n")]
#[case::short_status("HTTP/1.1 20")]
#[case::no_end_of_the_head("HTTP/1.1 200 OK\r\n")]
#[case::another_status("HTTP/1.1 204 No Content\r\n\r\n")]
fn any_other_response_is_not_ready(#[case] bytes: &str) {
    let address = format!("127.0.0.1:{}", free_port());
    let impostor = Impostor::start(&address);
    impostor.respond_with(bytes);
    assert_eq!(health(&address).status.code(), Some(1));
}

#[test]
fn an_invalid_setting_is_a_usage_error() {
    let response = run_to_end(keygate().arg("health").env("KEYGATE_OPERATIONS", "7091"));
    assert_eq!(response.status.code(), Some(2));
    assert!(
        String::from_utf8(response.stderr)
            .unwrap()
            .contains("KEYGATE_OPERATIONS")
    );
}
