//! A malformed client request is the caller's error: never 503, and no alert.

use std::io::Write;
use std::net::TcpStream;

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Role, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;

#[apply(each_nginx)]
fn a_request_that_a_service_cannot_read_is_403(
    version: Version,
    #[values(Services::PairOverTcp, Services::PairOverUnix, Services::Single)] services: Services,
) {
    let setup = Setup {
        services,
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let many: Vec<String> = (0..300).map(|n| format!("x-{n}: y")).collect();
    let long: Vec<String> = (0..300)
        .map(|n| format!("x-{n}: {}", "y".repeat(60)))
        .collect();
    let control = vec!["x-a: b\u{1}c".to_owned()];
    let in_key = vec!["client-key: sample-key\u{1}".to_owned()];
    for (name, lines) in [
        ("many", many),
        ("long", long),
        ("control", control),
        ("key", in_key),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for target in ["/orders", "/public/page", "/key-only/report"] {
            let response = caller::get(&gateway.address, target, &lines);
            assert!(gateway.backend.take().is_empty(), "{name}: {response:?}");
            // Recent nginx rejects control characters itself.
            if response.status() != 400 {
                is_problem(&response, 403, "malformed-request")
                    .unwrap_or_else(|wrong| panic!("{name}: {target}: {wrong}, {response:?}"));
            }
        }
        report::passed(
            &version.number(),
            &format!("unreadable: {name}, {services:?}"),
        );
    }
}

/// Returns the metric of the alert `KeygateMalformedRequests`.
fn gateway_errors(gateway: &Gateway) -> String {
    let operations = Role::Authorizer.operations(&gateway.file(""));
    let page = caller::get_unix(&operations, "/metrics");
    let text = String::from_utf8(page.body).unwrap();
    let sample = "keygate_gateway_errors_total{step=\"authorize\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(sample));
    value.unwrap().to_owned()
}

#[apply(each_nginx)]
fn a_host_that_is_not_text_raises_no_alert(version: Version) {
    let gateway = Gateway::start(version, &Setup::PLAIN);
    let key = "client-key: sample-key-of-client-a\r\nconnection: close\r\n\r\n";
    for request in [
        [
            b"GET /orders HTTP/1.1\r\nhost: a\xff.example\r\n",
            key.as_bytes(),
        ]
        .concat(),
        [b"GET /by-host HTTP/1.0\r\n", key.as_bytes()].concat(),
        [
            b"GET http://gateway.example?/public HTTP/1.1\r\nhost: a\r\n",
            key.as_bytes(),
        ]
        .concat(),
    ] {
        let response = caller::send(&gateway.address, &request);
        assert!(gateway.backend.take().is_empty(), "{response:?}");
        if response.status() != 400 {
            is_problem(&response, 403, "malformed-request").unwrap();
        }
    }
    assert_eq!(gateway_errors(&gateway), "0");
    // Like a gateway that passes headers that it should replace.
    let mut stream = TcpStream::connect(&gateway.service_addresses[1]).unwrap();
    let request = "GET /auth HTTP/1.1\r\nhost: a\r\noriginal-request-uri: /\r\nclient-type: A\r\nclient-type: B\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    std::io::Read::read(&mut stream, &mut [0; 100]).unwrap();
    assert_eq!(gateway_errors(&gateway), "1");
}
