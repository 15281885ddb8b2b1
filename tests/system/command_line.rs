//! Misleading flags, addresses and modes are usage errors: one message and exit code 2.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::gateway::{corpus_file, free_port};
use crate::support::program::{Service, keygate, run_to_end};

fn usage_error(arguments: &[&str]) -> String {
    let output = run_to_end(keygate().args(arguments));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    text
}

#[test]
fn a_flag_that_a_role_does_not_read_is_rejected() {
    for (arguments, names) in [
        (
            &["resolver", "--keys", "k", "--policy", "p"][..],
            ["`--policy`", "`keygate authorizer`"],
        ),
        (
            &["authorizer", "--policy", "p", "--keys", "k"],
            ["`--keys`", "`keygate resolver`"],
        ),
        (
            &["authorizer", "--policy", "p", "--pepper-file", "k"],
            ["`--pepper-file`", "`keygate resolver`"],
        ),
    ] {
        let text = usage_error(arguments);
        for name in names {
            assert!(text.contains(name), "{text}");
        }
    }
    let help = run_to_end(keygate().args(["resolver", "--help"])).stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(
        help.contains("--keys") && !help.contains("--policy <FILE>"),
        "{help}"
    );
}

#[test]
fn check_without_a_file_names_the_missing_arguments() {
    let text = usage_error(&["check"]);
    for flag in ["`--keys`", "`--policy`", "`--nginx`"] {
        assert!(text.contains(flag), "{text}");
    }
}

#[test]
fn one_port_for_both_listeners_is_rejected() {
    let (keys, policy) = (corpus_file("keys.yaml"), corpus_file("policy.yaml"));
    let port = free_port();
    for (listen, operations) in [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0"),
        ("localhost", "127.0.0.1"),
    ] {
        let text = usage_error(&[
            "serve",
            "--keys",
            keys.to_str().unwrap(),
            "--policy",
            policy.to_str().unwrap(),
            "--listen",
            &format!("{listen}:{port}"),
            "--operations",
            &format!("{operations}:{port}"),
        ]);
        assert!(text.contains("`--listen` and `--operations`"), "{text}");
    }
}

#[test]
fn a_socket_has_the_configured_mode() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.yaml");
    for (written, mode) in [
        ("0o660", 0o660),
        ("0640", 0o640),
        ("600", 0o600),
        ("0666 any-local-user", 0o666),
    ] {
        fs::write(&settings, format!("socket-mode: {written}\n")).unwrap();
        let socket = folder.path().join("data.sock");
        let listen = format!("unix:{}", socket.display());
        let mut command = keygate();
        command
            .args(["resolver", "--listen", &listen, "--config"])
            .arg(&settings)
            .arg("--operations")
            .arg(format!("unix:{}/operations.sock", folder.path().display()))
            .arg("--keys")
            .arg(corpus_file("keys.yaml"));
        let _service = Service::start(command, &listen, &folder.path().join("log"));
        let found = fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{written}");
    }
}
