//! Few file descriptors, many connections: what the limit on descriptors does to a service.

use std::fs;
use std::process::Command;

use crate::gateway::{corpus_file, free_port};
use crate::program::{Service, keygate};

/// Runs the program as `ulimit -n` of a shell limits it.
fn under_limit(limit: &str, command: &Command) -> Command {
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.env_clear();
    limited
}

#[test]
fn the_start_raises_the_soft_descriptor_limit() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = keygate();
    command.args(["authorizer", "--listen", &listen, "--operations"]);
    command.arg(format!(
        "unix:{}",
        folder.path().join("operations.sock").display()
    ));
    command.arg("--policy").arg(corpus_file("policy.yaml"));
    let log = folder.path().join("log");
    let service = Service::start(under_limit("-Sn 64", &command), &listen, &log);
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.pid())).unwrap();
    let line = limits.lines().find(|it| it.starts_with("Max open files"));
    let numbers: Vec<_> = line.unwrap().split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "soft and hard limit");
}
