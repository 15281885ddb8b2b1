//! Bodies, connections and users behind every example.

use std::io::{BufReader, Read, Write};

use rstest_reuse::apply;

use crate::gateways::{each_example, examples};
use crate::support::caller;
use crate::support::example::Example;
use crate::support::http_message::Message;
use crate::support::report;

const HEAD: &str = "host: gateway.example\r\nclient-key: sample-key-of-client-a\r\n";

#[apply(each_example)]
fn a_large_body_arrives_whole_and_a_denied_one_does_not(example: Example) {
    let gateway = example.start();
    let body: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for (key, status) in [(HEAD, 200), ("host: gateway.example\r\n", 401)] {
        let mut request = format!(
            "POST /any-key HTTP/1.1\r\n{key}connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        let mut stream = caller::connect(&gateway.address);
        // A denial may come before the whole body is read.
        let _ = stream.write_all(&request);
        let response = Message::read_head(&mut BufReader::new(stream));
        let response = response.unwrap().unwrap();
        assert_eq!(response.status(), status, "{response:?}");
        let received = gateway.backend.take();
        let bodies: Vec<_> = received.iter().map(|request| &request.body).collect();
        assert!(bodies == [&body][..usize::from(status == 200)]);
    }
    report::passed_at(example.name, "bodies: 4 MB");
}

#[apply(each_example)]
fn an_allowed_upgrade_works_and_a_denied_one_is_answered(example: Example) {
    let gateway = example.start();
    let upgrade = "connection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\
                   x-backend-adds: sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    for (key, status) in [(HEAD, 101), ("host: gateway.example\r\n", 401)] {
        let mut stream = caller::connect(&gateway.address);
        let request = format!("GET /any-key HTTP/1.1\r\n{key}{upgrade}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let response = Message::read_head(&mut reader).unwrap().unwrap();
        assert_eq!(response.status(), status, "{response:?}");
        if status == 401 {
            assert!(gateway.backend.take().is_empty());
            continue;
        }
        let received = gateway.backend.take_one();
        assert_eq!(received.header("client-type"), Some("A"));
        assert_eq!(received.header("client-key"), None);
        for frame in [b"\x81\x05hello".as_slice(), b"\x89\0"] {
            stream.write_all(frame).unwrap();
            let mut echo = vec![0; frame.len()];
            reader.read_exact(&mut echo).unwrap();
            assert_eq!(echo, frame);
        }
    }
    report::passed_at(example.name, "upgrades: websocket");
}

#[apply(each_example)]
fn each_request_on_one_connection_is_decided_by_itself(example: Example) {
    let gateway = example.start();
    let stream = caller::connect(&gateway.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let kinds = [
        ("/orders", "client-key: sample-key-of-client-a\r\n", 200),
        ("/orders", "", 401),
        ("/admin", "client-key: sample-key-of-client-admin\r\n", 200),
        ("/admin", "client-key: sample-key-of-client-a\r\n", 403),
        ("/orders", "client-key: sample-key-of-nobody\r\n", 401),
        ("/public/page", "", 200),
    ];
    for round in 0..20 {
        for (target, key, status) in kinds {
            let request = format!("GET {target} HTTP/1.1\r\nhost: gateway.example\r\n{key}\r\n");
            (&stream).write_all(request.as_bytes()).unwrap();
            let mut response = Message::read_head(&mut reader).unwrap().unwrap();
            response.read_body(&mut reader).unwrap();
            assert_eq!(response.status(), status, "round {round}: {target} {key}");
            assert_eq!(gateway.backend.take().len(), usize::from(status == 200));
        }
    }
    report::passed_at(example.name, "connections: 120 requests on one");
}

#[apply(each_example)]
fn connect_does_not_reach_the_backend(example: Example) {
    let gateway = example.start();
    for target in [
        "gateway.example:80",
        "/any-key",
        "http://gateway.example/any-key",
    ] {
        let request = format!("CONNECT {target} HTTP/1.1\r\n{HEAD}connection: close\r\n\r\n");
        let response = caller::send(&gateway.address, request.as_bytes());
        assert!(response.status() >= 400, "{target}: {response:?}");
        assert!(gateway.backend.take().is_empty(), "{target}");
    }
    report::passed_at(example.name, "connections: CONNECT");
}

#[apply(each_example)]
fn requests_over_http_2_get_the_same_decisions(example: Example) {
    // Caddy accepts it without TLS only if configured to.
    let with_http_2 = |_: &str, text: String| {
        text.replace("\tservers {\n", "\tservers {\n\t\tprotocols h1 h2c\n")
    };
    let gateway = example.start_changed(with_http_2);
    let get = |target: &str, lines: &[&str]| caller::over_http_2(&gateway.address, target, lines);
    // HTTP/2 may split cookies into several lines (RFC 9113, section 8.2.3).
    let crumbs = [
        "cookie: a=1",
        "cookie: mia_client_key=sample-key-of-client-a",
        "cookie: b=2",
        "client-type: ADMIN",
        "x-forwarded-uri: /public",
    ];
    assert_eq!(get("/orders", &crumbs).0, "2 200");
    let received = gateway.backend.take_one();
    assert_eq!(received.target(), "/orders");
    assert_eq!(received.header("client-type"), Some("A"));
    assert_eq!(received.header("cookie"), Some("a=1; b=2"));

    let denied: [(&str, &[&str], &str, &str); 3] = [
        (
            "/admin",
            &["client-type: ADMIN", "x-forwarded-uri: /public"],
            "2 401",
            "missing-key",
        ),
        (
            "/admin",
            &["client-key: sample-key-of-client-a"],
            "2 403",
            "expression-false",
        ),
        ("/public/%2e%2e%2fadmin", &[], "2 403", "ambiguous-path"),
    ];
    for (target, lines, status, reason) in denied {
        let (answered, body) = get(target, lines);
        assert_eq!(answered, status, "{target}");
        assert!(body.contains(&format!("\"detail\":\"{reason}\"")), "{body}");
    }
    assert!(gateway.backend.take().is_empty());
    report::passed_at(example.name, "connections: HTTP/2");
}
