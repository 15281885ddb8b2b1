//! `keygate probe`: it notices that a gateway does not enforce Keygate's decisions.

use std::io::Write;
use std::process::{Output, Stdio};

use rstest_reuse::apply;

use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::keygate;

fn probe(url: &str, arguments: &[&str], key: &str) -> Output {
    let mut command = keygate();
    command.args(["probe", url]).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A probe without `--key-stdin` does not read it.
    let _ = child.stdin.take().unwrap().write_all(key.as_bytes());
    let output = child.wait_with_output().unwrap();
    let shown = [output.stdout.as_slice(), &output.stderr].concat();
    let shown = String::from_utf8_lossy(&shown);
    assert!(!shown.contains("sample-key"), "{shown}");
    output
}

/// Whether the probe succeeds, and what it prints.
#[track_caller]
fn assert_probe(output: &Output, succeeds: bool, lines: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(i32::from(!succeeds)),
        "{output:?}"
    );
    for line in lines {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
}

#[apply(each_nginx)]
fn a_probe_tells_whether_keygate_decides(version: Version) {
    let setup = Setup {
        services: Services::Single,
        ..Setup::PLAIN
    };
    let mut gateway = Gateway::start(version, &setup);
    let url = |path: &str| format!("http://{}{path}", gateway.address);

    let enforced = [
        "no key            401 missing-key, from Keygate",
        "wrong key         401 unknown-key, from Keygate",
        "spoofed identity  401 missing-key, from Keygate",
        "Keygate decides on http://",
    ];
    assert_probe(
        &probe(&url("/orders/1"), &["--client-type", "A"], ""),
        true,
        &enforced,
    );
    let key = "sample-key-of-client-a\n";
    let valid = ["valid key         200, from the backend or the gateway"];
    assert_probe(
        &probe(&url("/orders/1"), &["--key-stdin"], key),
        true,
        &valid,
    );
    let unknown = ["valid key         401 unknown-key, from Keygate\n  error: "];
    assert_probe(
        &probe(&url("/orders/1"), &["--key-stdin"], "sample-key-of-nobody"),
        false,
        &unknown,
    );

    let open = [
        "no key            200, from the backend or the gateway\n  error: Keygate did not deny this request",
    ];
    assert_probe(&probe(&url("/unprotected/1"), &[], ""), false, &open);
    let other_header =
        ["wrong key         401 missing-key, from Keygate\n  error: the key does not reach"];
    assert_probe(
        &probe(&url("/orders/1"), &["--header", "x-other"], ""),
        false,
        &other_header,
    );
    let json = probe(&url("/unprotected/1"), &["--output", "json"], "");
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["findings"][0]["seen"]["other"]["status"], 200);

    let orders = url("/orders/1");
    gateway.services.clear();
    let down = [
        "no key            503 authorization-unavailable\n  error: the gateway denied the \
          request, because",
    ];
    assert_probe(&probe(&orders, &[], ""), false, &down);
    drop(gateway);
    assert_probe(
        &probe(&orders, &[], ""),
        false,
        &["no key            the request failed"],
    );
    for wrong in [
        "shop.example",
        "ftp://shop.example/",
        "http://user:secret@shop.example/",
    ] {
        assert_eq!(probe(wrong, &[], "").status.code(), Some(2), "{wrong}");
    }
}

/// A gateway that trusts a caller's own client type.
#[apply(each_nginx)]
fn a_probe_notices_a_client_type_of_the_caller(version: Version) {
    let setup = Setup {
        server: "
            location = /trusting {
                auth_request /trusting-authorizer;
                error_page 401 @keygate_401;
                error_page 403 @keygate_403;
                auth_request_set $keygate_reason $upstream_http_x_keygate_reason;
                proxy_pass http://backend;
            }
            location = /trusting-authorizer {
                internal;
                proxy_pass http://keygate_authorizer/auth;
                proxy_set_header original-request-uri /orders/1;
                proxy_set_header original-request-method $request_method;
                proxy_set_header original-request-host $host;
            }
            ",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let url = format!("http://{}/trusting", gateway.address);
    let spoofed = probe(&url, &["--client-type", "A"], "");
    let lines = [
        "spoofed identity  200, from the backend or the gateway\n  error: Keygate did not deny this request",
    ];
    assert_probe(&spoofed, false, &lines);
    let spoofed = probe(&url, &["--client-type", "C"], "");
    let lines = [
        "spoofed identity  403 expression-false, from Keygate\n  error: headers from the caller \
         change",
    ];
    assert_probe(&spoofed, false, &lines);
}
