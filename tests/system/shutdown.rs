//! SIGTERM and SIGINT: requests in flight complete, new ones are not accepted, and the exit code is 0.

use std::fs;
use std::io::{BufReader, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rstest::rstest;
use rstest_reuse::apply;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup, corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::{Service, accepts, keygate};
use crate::support::report;

fn start(role: &str, listen: &str, folder: &std::path::Path) -> Service {
    let mut command = keygate();
    command.arg(role).args(["--listen", listen, "--operations"]);
    command.arg(format!("unix:{}/operations.sock", folder.display()));
    command.arg("--keys").arg(corpus_file("keys.yaml"));
    if role == "serve" {
        command.arg("--policy").arg(corpus_file("policy.yaml"));
    }
    Service::start(command, listen, &folder.join("log"))
}

#[rstest]
fn a_request_that_ends_after_the_signal_gets_a_response(
    #[values("TERM", "INT")] signal: &str,
    #[values("resolver", "serve")] role: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut service = start(role, &address, folder.path());
    let mut stream = caller::connect(&address);
    stream
        .write_all(b"GET /resolve HTTP/1.1\r\nhost: x\r\nclient-key: sample-")
        .unwrap();
    // The first half must arrive before the signal.
    std::thread::sleep(Duration::from_millis(300));
    service.signal(signal);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!accepts(&address), "a new connection is taken");
    stream.write_all(b"key-of-client-a\r\n\r\n").unwrap();
    let response = Message::read_head(&mut BufReader::new(stream))
        .unwrap()
        .unwrap();
    assert_eq!(
        (response.status(), response.header("client-type")),
        (200, Some("A"))
    );
    assert!(
        service.wait(Duration::from_secs(5)).success(),
        "{}",
        service.output()
    );
}

#[test]
fn idle_connections_of_nginx_do_not_delay_the_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut service = start("resolver", &address, folder.path());
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut stream = caller::connect(&address);
        stream
            .write_all(b"GET /resolve HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let response = Message::read_head(&mut BufReader::new(&stream))
            .unwrap()
            .unwrap();
        assert_eq!(response.status(), 200);
        idle.push(stream);
    }
    service.signal("TERM");
    assert!(
        service.wait(Duration::from_secs(3)).success(),
        "{}",
        service.output()
    );
}

#[test]
fn sockets_are_removed_at_the_end_and_reused_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("resolver.sock");
    let listen = format!("unix:{}", socket.display());
    let mut service = start("resolver", &listen, folder.path());
    service.kill();
    assert!(socket.exists(), "a crash leaves the socket behind");
    let mut service = start("resolver", &listen, folder.path());
    service.signal("TERM");
    assert!(service.wait(Duration::from_secs(5)).success());
    assert!(!socket.exists());
}

#[test]
fn a_signal_right_after_the_start_is_a_clean_stop() {
    for signal in [Signal::TERM, Signal::INT].repeat(10) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("resolver.sock");
        let listen = format!("unix:{}", socket.display());
        let mut command = keygate();
        command.args(["resolver", "--listen", &listen, "--operations"]);
        command.arg(format!("unix:{}/operations.sock", folder.path().display()));
        command.arg("--keys").arg(corpus_file("keys.yaml"));
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        while !accepts(&listen) {
            std::hint::spin_loop();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{status:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[apply(each_nginx)]
fn restarts_under_load_never_allow_a_denied_request(version: Version) {
    let mut gateway = Gateway::start(
        version,
        &Setup {
            services: Services::PairOverUnix,
            ..Setup::PLAIN
        },
    );
    let address = gateway.address.clone();
    let status =
        move || caller::get(&address, "/admin", &["client-key: sample-key-of-client-a"]).status();
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let caller = std::thread::spawn(move || {
        let mut statuses = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            statuses.push(status());
        }
        statuses.push(status());
        statuses
    });
    for round in 0..4 {
        gateway.restart(round % 2);
    }
    over.store(true, Ordering::Relaxed);
    let statuses = caller.join().unwrap();
    assert!(
        statuses.iter().all(|status| matches!(status, 403 | 503)),
        "{statuses:?}"
    );
    assert_eq!(statuses.last(), Some(&403));
    assert!(gateway.backend.take().is_empty());
    report::passed(&version.number(), "restarts: no denied request is allowed");
}
