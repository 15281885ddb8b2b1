//! A service with many connections and few file descriptors.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use keygate_keys::Digest;

use crate::support::gateway::{corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::program::{Service, keygate};

/// Returns the command under a shell's `ulimit`.
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

/// Returns the status for a key on an open connection.
fn status(connection: &mut BufReader<TcpStream>, key: &str) -> u16 {
    let request = format!("GET /require HTTP/1.1\r\nhost: x\r\nclient-key: {key}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).unwrap();
    Message::read_head(connection).unwrap().unwrap().status()
}

#[test]
fn a_revocation_is_active_while_no_descriptor_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.yaml");
    let write = |active: bool| {
        let digest = Digest::sha256(b"sample-key-a");
        let text = format!(
            "version: 1\nkeys:\n  - {{id: a, clientType: A, digest: '{digest}', active: {active}}}\n"
        );
        let next = folder.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &keys).unwrap();
    };
    write(true);
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = keygate();
    command.args(["resolver", "--listen", &listen, "--operations"]);
    command.arg("127.0.0.1:0").arg("--keys").arg(&keys);
    let log = folder.path().join("log");
    let service = Service::start(under_limit("-n 64", &command), &listen, &log);
    let mut connection = BufReader::new(TcpStream::connect(&listen).unwrap());
    assert_eq!(status(&mut connection, "sample-key-a"), 200);

    let burst: Vec<_> = (0..120).map(|_| TcpStream::connect(&listen)).collect();
    thread::sleep(Duration::from_millis(500));
    write(false);
    let changed = Instant::now();
    while status(&mut connection, "sample-key-a") != 401 {
        let took = changed.elapsed();
        assert!(took < Duration::from_secs(3), "never: {}", service.output());
        thread::sleep(Duration::from_millis(10));
    }
    drop(burst);
}
