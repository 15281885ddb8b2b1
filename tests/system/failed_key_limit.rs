//! Failed keys are logged, and limited by address.

use std::time::Instant;

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Setup, corpus_file, free_port};
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::{Service, keygate};
use crate::support::report;

const VALID: &str = "client-key: sample-key-of-client-a";

#[apply(each_nginx)]
fn a_failed_key_is_logged_with_its_real_address_and_tag(version: Version) {
    let gateway = Gateway::start(version, &Setup::PLAIN);
    let spoofed = "x-keygate-client-address: 192.0.2.66";
    for key in ["sample-key-1", "sample-key-1", "sample-key-2"] {
        let key = format!("client-key: {key}");
        let response = caller::get(&gateway.address, "/orders", &[&key, spoofed]);
        assert_eq!(response.status(), 401);
        assert!(response.text().contains("unknown-key"));
    }
    let log = gateway.services[0].output();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let tags: Vec<_> = lines
        .filter(|line| line["address"] == "127.0.0.1" && line["cause"] == "unknown")
        .map(|line| line["tag"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tags.len(), 3, "{log}");
    assert!(tags[0] == tags[1] && tags[1] != tags[2], "{tags:?}");
    assert!(!log.contains("192.0.2.66"), "{log}");
    report::passed(
        &version.number(),
        "a failed key is logged with address and tag",
    );
}

/// A client may still use a disabled key: the log contains its address.
#[test]
fn a_rejected_known_key_is_logged_with_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let (service, listen) = limited(folder.path());
    for key in ["sample-key-of-inactive", "sample-key-of-expired"] {
        let key = format!("client-key: {key}");
        let response = caller::get(&listen, "/resolve", &["x-address: 192.0.2.7", &key]);
        assert_eq!(response.status(), 401);
    }
    let log = service.output();
    for cause in ["inactive", "expired"] {
        let is_it = |line: &&str| line.contains(cause) && line.contains("192.0.2.7");
        assert!(log.lines().any(|line| is_it(&line)), "{cause}: {log}");
    }
}

/// Starts a resolver with a limit of three failures per minute.
fn limited(folder: &std::path::Path) -> (Service, String) {
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = keygate();
    command.args(["resolver", "--listen", &listen, "--operations"]);
    command.arg(format!("unix:{}/operations.sock", folder.display()));
    command.arg("--keys").arg(corpus_file("keys.yaml"));
    command.env("KEYGATE_FAILED_KEYS_PER_MINUTE", "3");
    command.env("KEYGATE_CLIENT_ADDRESS_HEADER", "x-address");
    let service = Service::start(command, &listen, &folder.join("log"));
    (service, listen)
}

#[test]
fn an_address_over_the_limit_is_rejected_without_a_lookup() {
    let folder = tempfile::tempdir().unwrap();
    let (service, listen) = limited(folder.path());
    let resolve = |address: &str, key: &str| {
        let address = format!("x-address: {address}");
        let response = caller::get(&listen, "/resolve", &[&address, key]);
        let reason = response.header("x-keygate-reason").map(str::to_owned);
        (response.status(), reason.unwrap())
    };
    let (ok, unknown) = ((200, "ok".to_owned()), (401, "unknown-key".to_owned()));
    // A second round, because the minute, and with it the count, may restart in between.
    let rejected = (0..2).any(|_| {
        for n in 0..3 {
            let attempt = format!("client-key: sample-key-unknown-{n}");
            assert_eq!(resolve("192.0.2.1", &attempt), unknown);
        }
        resolve("192.0.2.1", VALID) == unknown
    });
    assert!(rejected, "{}", service.output());
    assert!(service.output().contains("too-many-failures"));
    assert_eq!(resolve("192.0.2.2", VALID), ok);
    // A request without a key is not a failed attempt.
    assert_eq!(resolve("192.0.2.1", "x: y"), (200, "no-key".to_owned()));

    let response = caller::get(&listen, "/resolve", &[VALID]);
    assert_eq!(response.status(), 200);
    let warning = "failed keys are not limited for such requests";
    assert!(service.output().contains(warning), "{}", service.output());
}

#[apply(each_nginx)]
fn the_example_for_nginx_slows_down_failed_keys_only(version: Version) {
    let setup = Setup {
        http: "limit_req_zone $binary_remote_addr zone=keygate_failures:1m rate=10r/s;",
        server: "include keygate-limit-failures.conf;
                 location /limited/ {
                     error_page 401 @keygate_401_limited;
                     include keygate-require-key.conf;
                     proxy_pass http://backend;
                 }",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let get = |target: &str, key| caller::get(&gateway.address, target, &[key]);
    let invalid = "client-key: sample-key-wrong";
    let started = Instant::now();
    for _ in 0..5 {
        let response = get("/limited/", invalid);
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
        assert!(response.header("www-authenticate").is_some());
        assert!(
            response.text().contains("unknown-key"),
            "{}",
            response.text()
        );
    }
    let took = started.elapsed();
    assert!(took.as_millis() >= 350, "five failures in {took:?}");
    // Thirty concurrent requests exceed the burst of twenty.
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| get("/limited/", invalid).status()))
            .collect();
        let statuses = callers.into_iter().map(|caller| caller.join().unwrap());
        statuses.collect()
    });
    let rejected = statuses.iter().filter(|status| **status == 429);
    assert!(rejected.count() >= 5, "{statuses:?}");
    let started = Instant::now();
    for _ in 0..10 {
        assert_eq!(get("/limited/", VALID).status(), 200);
    }
    assert!(
        started.elapsed().as_millis() < 900,
        "requests with valid keys were delayed"
    );
    report::passed(&version.number(), "failures are slowed down");
}
