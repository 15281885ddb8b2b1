//! Backends verify who sent a request by the token that Keygate signs.

use std::fs;
use std::time::{Duration, Instant};
use std::{path::Path, thread};

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::caller;
use crate::support::gateway::{Gateway, Role, Services, Setup, corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::{Service, keygate, run_to_end};
use crate::support::signing::{self, ED25519, KEY_FILE, P256, claims, identity_section};

const KEY: &str = "client-key: sample-key-of-client-a";

/// What a caller claims.
const FORGED: [&str; 4] = [
    "x-keygate-token: forged",
    "x_keygate_token: forged",
    "x-keygate-handoff: forged",
    "x_keygate-handoff: forged",
];

const SETUP: Setup = Setup {
    server: "underscores_in_headers on;",
    location: "include keygate-identity-token.conf;",
    ..Setup::PLAIN
};

fn start(version: Version, services: Services) -> Gateway {
    let setup = Setup { services, ..SETUP };
    signing::start(version, &setup, &[(KEY_FILE, P256)], identity_section)
}

/// The role that signs.
fn signer(services: Services) -> Role {
    match services {
        Services::Single => Role::Serve,
        _ => Role::Authorizer,
    }
}

fn key_set(gateway: &Gateway, services: Services) -> Message {
    let socket = signer(services).operations(&gateway.file(""));
    let response = caller::get_unix(&socket, "/.well-known/jwks.json");
    assert_eq!(response.status(), 200, "{response:?}");
    response
}

/// What the backend receives of a caller who claims everything.
fn received(gateway: &Gateway, target: &str, headers: &[&str]) -> Message {
    let headers = [headers, &FORGED].concat();
    let response = caller::get(&gateway.address, target, &headers);
    assert_eq!(response.status(), 200, "{target}: {}", gateway.logs());
    assert_eq!(response.header("x-keygate-token"), None, "{target}");
    let received = gateway.backend.take_one();
    for line in &FORGED {
        let (name, _) = line.split_once(": ").unwrap();
        assert!(!received.all(name).contains(&"forged"), "{target}: {name}");
    }
    assert_eq!(received.header("x-keygate-handoff"), None, "{target}");
    received
}

fn token(gateway: &Gateway, target: &str, headers: &[&str]) -> String {
    let received = received(gateway, target, headers);
    let [token] = received.all("x-keygate-token")[..] else {
        panic!("{target}: one token in {received:?}");
    };
    token.to_owned()
}

#[apply(each_nginx)]
fn a_backend_verifies_the_token_with_the_published_keys(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let gateway = start(version, services);
    let key_set = key_set(&gateway, services);
    assert_eq!(key_set.header("cache-control"), Some("max-age=300"));
    assert_eq!(
        key_set.header("content-type"),
        Some("application/jwk-set+json")
    );
    let of_key = json!({"client_type": "A", "key_id": "client-a"});
    for (target, headers, expected) in [
        ("/orders", &[KEY][..], of_key.clone()),
        ("/public/page", &[KEY], of_key),
        ("/public/page", &[], json!({})),
    ] {
        let token = token(&gateway, target, headers);
        assert_eq!(claims(&token, &key_set), Ok(expected), "{target}");
    }
    // The resolver alone signs nothing.
    let received = received(&gateway, "/key-only/report", &[KEY]);
    assert_eq!(received.all("x-keygate-token"), [""; 0]);
    // Neither does a denial.
    let denied = caller::get(&gateway.address, "/nobody", &[KEY]);
    assert_eq!(
        (denied.status(), denied.header("x-keygate-token")),
        (403, None)
    );
    assert!(gateway.backend.take().is_empty());
}

/// Waits until a change of a file is active.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn replace(gateway: &Gateway, text: &str) {
    let next = gateway.file("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, gateway.file(KEY_FILE)).unwrap();
}

#[test]
fn a_key_is_rotated_without_a_rejected_token() {
    let services = Services::Single;
    let gateway = start(Version::Packaged, services);
    let set = || key_set(&gateway, services);
    let count = || {
        let set: Value = serde_json::from_slice(&set().body).unwrap();
        set["keys"].as_array().unwrap().len()
    };
    let token = || token(&gateway, "/orders", &[KEY]);
    let key_id = |token: &str| token.split('.').next().unwrap().to_owned();
    let former = token();

    replace(&gateway, &(P256.to_owned() + ED25519));
    wait_until("the next key is published", || count() == 2);
    assert_eq!(key_id(&token()), key_id(&former));

    replace(&gateway, &(ED25519.to_owned() + P256));
    wait_until("the next key signs", || key_id(&token()) != key_id(&former));
    let both = set();
    for token in [&former, &token()] {
        assert!(claims(token, &both).is_ok());
    }

    replace(&gateway, ED25519);
    wait_until("the former key is removed", || count() == 1);
    assert!(claims(&token(), &set()).is_ok());
    assert!(claims(&former, &set()).is_err());
}

#[test]
fn an_invalid_key_file_leaves_the_former_keys() {
    let services = Services::Single;
    let gateway = start(Version::Packaged, services);
    let before = key_set(&gateway, services);
    let socket = signer(services).operations(&gateway.file(""));
    replace(
        &gateway,
        &(ED25519.to_owned() + &P256.replace("PRIVATE", "EC PRIVATE")),
    );
    wait_until("the file is rejected", || {
        caller::get_unix(&socket, "/-/check-up").status() == 503
    });
    let check_up = caller::get_unix(&socket, "/-/check-up").text();
    assert!(
        check_up.contains("the block that begins on line 4 is in an older format"),
        "{check_up}"
    );
    assert_eq!(key_set(&gateway, services).body, before.body);
    assert!(claims(&token(&gateway, "/orders", &[KEY]), &before).is_ok());
    assert_no_secret_in(&(check_up + &gateway.logs()));
}

#[test]
fn signing_for_anyone_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join(KEY_FILE), P256).unwrap();
    fs::write(
        path.join("secret"),
        "for tests: 0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    let warning = "get a token for any client type";
    let is_warned = |host: &str, secret: &str| {
        let listen = format!("{host}:{}", free_port());
        let mut command = authorizer(path);
        command.args(["--listen", &listen]);
        if !secret.is_empty() {
            command.env("KEYGATE_HANDOFF_SECRET_FILE", path.join(secret));
        }
        let service = Service::start(command, &listen, &path.join("log"));
        // Its first lines come before this one.
        wait_until("it is started", || service.output().contains("started"));
        service.output().contains(warning)
    };
    assert!(is_warned("0.0.0.0", ""));
    assert!(!is_warned("127.0.0.1", ""));
    assert!(!is_warned("0.0.0.0", "secret"));
}

/// No line of a key file.
fn assert_no_secret_in(text: &str) {
    let lines = P256.lines().chain(ED25519.lines());
    let mut lines = lines.filter(|line| !line.starts_with('-'));
    assert!(!lines.any(|line| text.contains(line)), "{text}");
}

#[rstest]
#[case::no_key("", "no `PRIVATE KEY` block: create a key with `openssl genpkey")]
#[case::broken(P256.strip_suffix("-----END PRIVATE KEY-----\n").unwrap(), "the block that begins on line 1 is not enclosed")]
#[case::not_a_key(
    "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n",
    "is not a P-256 or"
)]
fn a_service_does_not_start_without_a_key(#[case] file: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(KEY_FILE), format!("{file}\n")).unwrap();
    let mut command = authorizer(folder.path());
    let output = run_to_end(command.args(["--listen", "127.0.0.1:0"]));
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(expected) && error.contains(KEY_FILE),
        "{error}"
    );
    assert_no_secret_in(&error);
}

fn authorizer(folder: &Path) -> std::process::Command {
    fs::write(folder.join("settings.yaml"), identity_section(folder)).unwrap();
    let mut command = keygate();
    command.args(["authorizer", "--operations"]);
    command.arg(format!("unix:{}/operations.sock", folder.display()));
    command.arg("--config").arg(folder.join("settings.yaml"));
    command.arg("--policy").arg(corpus_file("policy.yaml"));
    command
}

#[test]
fn only_a_process_that_signs_has_a_key_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let socket = path.join("operations.sock");
    let listen = format!("unix:{}/data.sock", path.display());
    // This listener is bound last.
    let operations = format!("unix:{}", socket.display());
    fs::write(path.join(KEY_FILE), P256).unwrap();
    let mut command = authorizer(path);
    command.args(["--listen", &listen]);
    let signing = Service::start(command, &operations, &path.join("log"));
    let page = |page| caller::get_unix(&socket, page);
    assert_eq!(page("/.well-known/jwks.json").status(), 200);
    let settings = page("/debug/config").text();
    assert!(
        settings.contains(signing::ISSUER) && settings.contains(KEY_FILE),
        "{settings}"
    );
    assert_no_secret_in(&settings);
    drop(signing);

    let mut command = authorizer(path);
    command.args(["--listen", &listen]);
    fs::write(path.join("settings.yaml"), "log-level: info\n").unwrap();
    let _plain = Service::start(command, &operations, &path.join("log"));
    assert_eq!(page("/.well-known/jwks.json").status(), 404);
}
