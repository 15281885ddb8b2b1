//! The operations listener serves only its own host names, so that no other web page can read it.

use crate::support::caller;
use crate::support::gateway::{corpus_file, free_port};
use crate::support::operations::{Watched, until};
use crate::support::program::{Service, keygate};

const PAGES: [&str; 10] = [
    "/-/healthz",
    "/-/ready",
    "/-/check-up",
    "/metrics",
    "/debug/",
    "/debug/config",
    "/debug/keys",
    "/debug/decisions",
    "/debug/explain?uri=/orders",
    "/no-such-page",
];

fn status(watched: &Watched, target: &str, host: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\n{host}connection: close\r\n\r\n");
    caller::send(&watched.operations, request.as_bytes()).status()
}

#[test]
fn a_name_that_is_not_listed_is_rejected() {
    let watched = Watched::start(&[]);
    for page in PAGES {
        let request =
            format!("GET {page} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
        let response = caller::send(&watched.operations, request.as_bytes());
        assert_eq!(response.status(), 421, "{page}");
        let text = response.text();
        assert!(
            text.contains("`evil.example`") && text.contains("`operations-hosts`"),
            "{text}"
        );
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(
        status(
            &watched,
            "/debug/",
            "host: localhost\r\nhost: evil.example\r\n"
        ),
        421
    );
    assert_eq!(
        status(
            &watched,
            "http://evil.example/debug/",
            "host: localhost\r\n"
        ),
        421
    );
    until("the log says so", || {
        let log = watched.service.output();
        log.contains("evil.example") && log.contains("`operations-hosts`")
    });
}

#[test]
fn addresses_localhost_and_listed_names_are_accepted() {
    let names = "keygate-resolver.shop.svc, ops.example";
    let watched = Watched::start(&[("KEYGATE_OPERATIONS_HOSTS", names)]);
    for host in [
        "127.0.0.1",
        "10.42.0.7:7091",
        "[::1]:7091",
        "localhost:7091",
        "keygate-resolver.shop.svc:7091",
        "OPS.example",
    ] {
        assert_eq!(
            status(&watched, "/-/ready", &format!("host: {host}\r\n")),
            200,
            "{host}"
        );
    }
    assert_eq!(status(&watched, "/-/ready", "host: shop.svc\r\n"), 421);
    // An HTTP/1.0 probe sends no host.
    let response = caller::send(&watched.operations, b"GET /-/ready HTTP/1.0\r\n\r\n");
    assert_eq!(response.status(), 200);
}

#[test]
fn no_response_allows_content_sniffing() {
    let watched = Watched::start(&[]);
    for page in PAGES {
        let response = watched.page(page);
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{page}"
        );
        assert_eq!(response.header("cache-control"), Some("no-store"), "{page}");
    }
}

#[test]
fn a_publicly_reachable_listener_is_logged_as_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for (operations, warns) in [("0.0.0.0", true), ("[::]", true), ("127.0.0.1", false)] {
        let data = format!("127.0.0.1:{}", free_port());
        let mut command = keygate();
        command
            .args(["resolver", "--listen", &data, "--operations"])
            .arg(format!("{operations}:{}", free_port()))
            .arg("--keys")
            .arg(corpus_file("keys.yaml"));
        let service = Service::start(command, &data, &folder.path().join("log"));
        until("it has started", || service.output().contains("started"));
        let log = service.output();
        let warning = log.lines().find(|line| line.contains("WARN"));
        assert_eq!(warning.is_some(), warns, "{log}");
        assert!(warning.is_none_or(|it| it.contains("not a loopback address")));
    }
}
