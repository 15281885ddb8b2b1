//! Large bodies and connections that change protocol pass through unchanged.

use std::io::{BufReader, Read, Write};

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::report;

const HEAD: &str = "host: gateway.example\r\nclient-key: sample-key-of-client-a\r\n";

/// Bytes without a pattern, so that a lost or repeated buffer changes them.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[apply(each_nginx)]
fn a_body_of_twenty_megabytes_arrives_whole(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services,
            ..Setup::PLAIN
        },
    );
    let body = bytes(20 * 1024 * 1024);
    let framings = ["content-length", "chunked", "expect: 100-continue"];
    for framing in framings {
        let mut request =
            format!("POST /any-key HTTP/1.1\r\n{HEAD}connection: close\r\n").into_bytes();
        if framing == "chunked" {
            request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in body.chunks(65_536) {
                request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                request.extend_from_slice(chunk);
                request.extend_from_slice(b"\r\n");
            }
            request.extend_from_slice(b"0\r\n\r\n");
        } else {
            if framing.starts_with("expect") {
                request.extend_from_slice(b"expect: 100-continue\r\n");
            }
            request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            request.extend_from_slice(&body);
        }
        let response = caller::send(&gateway.address, &request);
        assert_eq!(response.status(), 200, "{framing}: {response:?}");
        let received = gateway.backend.take_one();
        assert!(
            received.body == body,
            "{framing}: {} bytes arrived",
            received.body.len()
        );
        assert_eq!(received.header("client-type"), Some("A"));
        report::passed(
            &version.number(),
            &format!("bodies: 20 MB, {framing}, {services:?}"),
        );
    }
}

#[apply(each_nginx)]
fn a_large_body_of_a_denied_request_is_not_read(version: Version) {
    let gateway = Gateway::start(version, &Setup::PLAIN);
    let mut stream = caller::connect(&gateway.address);
    let head = "POST /admin HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n\
                content-length: 20000000\r\n\r\nonly the start";
    stream.write_all(head.as_bytes()).unwrap();
    let response = Message::read_head(&mut BufReader::new(stream))
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), 401);
    assert!(gateway.backend.take().is_empty());
    report::passed(&version.number(), "bodies: rejected before they are read");
}

#[apply(each_nginx)]
fn an_allowed_websocket_works_in_both_directions(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services,
            ..Setup::PLAIN
        },
    );
    let mut stream = caller::connect(&gateway.address);
    let upgrade = format!(
        "GET /any-key HTTP/1.1\r\n{HEAD}connection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let response = Message::read_head(&mut reader).unwrap().unwrap();
    assert_eq!(response.status(), 101, "{response:?}");
    let received = gateway.backend.take_one();
    assert_eq!(received.header("client-type"), Some("A"));
    assert_eq!(received.header("client-key"), None);
    assert_eq!(
        received.header("sec-websocket-key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    for frame in [b"\x81\x05hello".as_slice(), b"\x89\0", &bytes(100_000)] {
        stream.write_all(frame).unwrap();
        let mut echo = vec![0; frame.len()];
        reader.read_exact(&mut echo).unwrap();
        assert_eq!(echo, frame);
    }
    report::passed(
        &version.number(),
        &format!("upgrades: websocket, {services:?}"),
    );
}

#[apply(each_nginx)]
fn each_request_on_one_connection_is_decided_by_itself(
    version: Version,
    #[values(Services::PairOverTcp, Services::PairOverUnix, Services::Single)] services: Services,
) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services,
            ..Setup::PLAIN
        },
    );
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
    for round in 0..50 {
        for (target, key, status) in kinds {
            let request = format!("GET {target} HTTP/1.1\r\nhost: gateway.example\r\n{key}\r\n");
            (&stream).write_all(request.as_bytes()).unwrap();
            let mut response = Message::read_head(&mut reader).unwrap().unwrap();
            response.read_body(&mut reader).unwrap();
            assert_eq!(response.status(), status, "round {round}: {target} {key}");
            assert_eq!(gateway.backend.take().len(), usize::from(status == 200));
        }
    }
    report::passed(
        &version.number(),
        &format!("connections: 300 requests on one, {services:?}"),
    );
}
