//! The authorizer accepts a client type only where the resolver has signed it.

use std::time::{Duration, Instant};
use std::{fs, thread};

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Role, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::program::{keygate, run_to_end};
use crate::support::signing;

const KEY: &str = "client-key: sample-key-of-client-a";
const SECRET: &str = "Zm9yIHRlc3RzIG9mIHRoZSBoYW5kLW9mZiBhbG9uZQo=";
const FILE: &str = "handoff-secret";

fn start(version: Version, services: Services) -> Gateway {
    let setup = Setup {
        services,
        ..Setup::PLAIN
    };
    let secret = format!("{SECRET}\n");
    signing::start(version, &setup, &[(FILE, &secret)], |folder| {
        format!("handoff-secret-file: {}\n", folder.join(FILE).display())
    })
}

/// Sends a request directly to a service, bypassing nginx.
fn send_to(gateway: &Gateway, role: Role, path: &str, headers: &[&str]) -> Message {
    caller::get(&gateway.service_addresses[role as usize], path, headers)
}

fn status_and_reason(response: &Message) -> (u16, Option<&str>) {
    (response.status(), response.header("x-keygate-reason"))
}

#[apply(each_nginx)]
fn only_a_signed_client_type_passes(version: Version) {
    let gateway = start(version, Services::PairOverTcp);
    let forged = "x-keygate-handoff: v1.1800000000.Zm9yZ2Vk";
    let token = "x-keygate-token: forged";
    for (target, headers) in [
        ("/orders", [KEY, forged, token]),
        ("/key-only/report", [KEY, forged, token]),
        ("/public/page", ["x-other: x", forged, token]),
    ] {
        let response = caller::get(&gateway.address, target, &headers);
        assert_eq!(response.status(), 200, "{target}: {}", gateway.logs());
        assert_eq!(response.header("x-keygate-handoff"), None, "{target}");
        let received = gateway.backend.take_one();
        for name in ["x-keygate-handoff", "x-keygate-token"] {
            assert_eq!(received.header(name), None, "{target}: {name}");
        }
    }

    let resolved = send_to(&gateway, Role::Resolver, "/resolve", &[KEY]);
    let signature = resolved.header("x-keygate-handoff").unwrap();
    let signature = format!("x-keygate-handoff: {signature}");
    let decide = |lines: &[&str]| {
        let response = send_to(&gateway, Role::Authorizer, "/auth/orders", lines);
        let (status, reason) = status_and_reason(&response);
        (status, reason.unwrap().to_owned())
    };
    let (client_type, key_id) = ("client-type: A", "x-keygate-key-id: client-a");
    let denied = (403, "malformed-request".to_owned());
    assert_eq!(decide(&[client_type, key_id]), denied);
    assert_eq!(decide(&[client_type, key_id, forged]), denied);
    assert_eq!(decide(&["client-type: ADMIN", key_id, &signature]), denied);
    assert_eq!(
        decide(&[client_type, "x-keygate-key-id: client-b", &signature]),
        denied
    );
    assert_eq!(
        decide(&[client_type, key_id, &signature]),
        (200, "ok".to_owned())
    );
    assert_eq!(decide(&[]), (401, "missing-key".to_owned()));

    let socket = Role::Authorizer.operations(&gateway.file(""));
    let metrics = caller::get_unix(&socket, "/metrics").text();
    let errors = "keygate_gateway_errors_total{step=\"authorize\"} 4";
    assert!(metrics.contains(errors), "{metrics}");
    let log = gateway.services[1].output();
    assert!(
        log.contains("the resolver did not sign the client type"),
        "{log}"
    );
    assert_no_secret(&gateway);
}

fn assert_no_secret(gateway: &Gateway) {
    let pages = ["/debug/config", "/-/check-up", "/debug/decisions"];
    let socket = Role::Authorizer.operations(&gateway.file(""));
    let pages: String = pages
        .map(|page| caller::get_unix(&socket, page).text())
        .concat();
    assert!(pages.contains(FILE));
    assert!(!(pages + &gateway.logs()).contains(SECRET.trim_end_matches('=')));
}

#[test]
fn a_resolver_with_another_secret_lets_no_key_pass() {
    let mut gateway = start(Version::Packaged, Services::PairOverTcp);
    let other = gateway.file("other-secret");
    fs::write(&other, format!("{}\n", SECRET.to_lowercase())).unwrap();
    let settings = format!("handoff-secret-file: {}\n", other.display());
    fs::write(gateway.file("settings.yaml"), settings).unwrap();
    gateway.restart(0);
    let response = caller::get(&gateway.address, "/orders", &[KEY]);
    is_problem(&response, 403, "malformed-request").unwrap();
    assert!(gateway.backend.take().is_empty());
    let response = caller::get(&gateway.address, "/public/page", &[]);
    assert_eq!(response.status(), 200);

    // The authorizer learns the secret while it runs.
    fs::rename(other, gateway.file(FILE)).unwrap();
    let started = Instant::now();
    while caller::get(&gateway.address, "/orders", &[KEY]).status() != 200 {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{}",
            gateway.logs()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[apply(each_nginx)]
fn both_steps_in_one_process_need_no_signature(version: Version) {
    let gateway = start(version, Services::Single);
    let response = caller::get(&gateway.address, "/orders", &[KEY]);
    assert_eq!(response.status(), 200, "{}", gateway.logs());
    let client_type = "client-type: A";
    for (path, headers, expected) in [
        ("/check/orders", KEY, (200, Some("ok"))),
        ("/check/orders", client_type, (401, Some("missing-key"))),
        (
            "/auth/orders",
            client_type,
            (403, Some("malformed-request")),
        ),
    ] {
        let response = send_to(&gateway, Role::Serve, path, &[headers]);
        assert_eq!(status_and_reason(&response), expected, "{path} {headers}");
    }
}

#[test]
fn a_weak_secret_stops_the_start_and_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    for (secret, expected) in [
        ("hunter2", "the secret in line 1 is shorter than 32 bytes"),
        ("", "the file contains no secret"),
    ] {
        let file = folder.path().join(FILE);
        fs::write(&file, format!("{secret}\n")).unwrap();
        let mut command = keygate();
        command.args(["resolver", "--listen"]);
        command.arg(format!("unix:{}/data.sock", folder.path().display()));
        command
            .arg("--keys")
            .arg(crate::support::gateway::corpus_file("keys.yaml"));
        command.env("KEYGATE_HANDOFF_SECRET_FILE", &file);
        let output = run_to_end(&mut command);
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected) && error.contains(FILE), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
