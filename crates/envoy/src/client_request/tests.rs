use std::collections::HashMap;

use envoy_types::pb::envoy::{
    config::core::v3::{self as core, HeaderMap as RawHeaders, SocketAddress},
    service::auth::v3::{AttributeContext, attribute_context},
};
use rstest::rstest;

use super::*;

fn line(key: &str, raw_value: &[u8]) -> RawHeader {
    RawHeader {
        key: key.to_owned(),
        value: String::new(),
        raw_value: raw_value.to_vec(),
    }
}

fn http(lines: &[(&str, &str)]) -> HttpRequest {
    let headers = lines.iter();
    HttpRequest {
        method: "GET".to_owned(),
        path: "/orders?a=b".to_owned(),
        host: "api.example.com".to_owned(),
        header_map: Some(RawHeaders {
            headers: headers
                .map(|(key, value)| line(key, value.as_bytes()))
                .collect(),
        }),
        ..HttpRequest::default()
    }
}

const ADDRESS: HeaderName = HeaderName::from_static("x-address");

fn read(http: HttpRequest) -> Result<ClientRequest, Unreadable> {
    read_from(None, http)
}

fn read_from(source: Option<Peer>, http: HttpRequest) -> Result<ClientRequest, Unreadable> {
    let check = CheckRequest {
        attributes: Some(AttributeContext {
            source,
            request: Some(attribute_context::Request {
                http: Some(http),
                ..attribute_context::Request::default()
            }),
            ..AttributeContext::default()
        }),
    };
    ClientRequest::read(check, &ADDRESS)
}

#[test]
fn the_callers_address_is_the_one_that_envoy_states() {
    let spoofed = || http(&[("x-address", "192.0.2.1"), ("x-address", "192.0.2.2")]);
    assert!(!read(spoofed()).unwrap().headers.contains_key(ADDRESS));
    let socket = SocketAddress {
        address: "198.51.100.7".to_owned(),
        ..SocketAddress::default()
    };
    let source = Peer {
        address: Some(core::Address {
            address: Some(Address::SocketAddress(socket)),
        }),
        ..Peer::default()
    };
    let request = read_from(Some(source), spoofed()).unwrap();
    let addresses: Vec<_> = request.headers.get_all(ADDRESS).iter().collect();
    assert_eq!(addresses, ["198.51.100.7"]);
}

#[test]
fn the_attributes_are_the_request() {
    let request = read(http(&[
        (":method", "GET"),
        (":path", "/orders?a=b"),
        (":authority", "api.example.com"),
        (":scheme", "http"),
        ("host", "api.example.com"),
        ("client-key", "k"),
        ("client-key", "l"),
        ("Cookie", "a=b"),
    ]))
    .unwrap();
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.target, "/orders?a=b");
    assert_eq!(request.headers.len(), 4, "{:?}", request.headers);
    assert_eq!(request.headers[HOST], "api.example.com");
    let keys: Vec<_> = request.headers.get_all("client-key").iter().collect();
    assert_eq!(keys, ["k", "l"]);
    assert_eq!(request.headers["cookie"], "a=b");
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let mut http = http(&[]);
    http.header_map = Some(RawHeaders {
        headers: vec![line("x", b"\xff\xe8")],
    });
    let request = read(http).unwrap();
    assert_eq!(request.headers["x"].as_bytes(), b"\xff\xe8");
}

#[test]
fn a_request_without_http_is_unreadable() {
    for attributes in [None, Some(AttributeContext::default())] {
        let error = ClientRequest::read(CheckRequest { attributes }, &ADDRESS);
        assert_eq!(error.unwrap_err(), Unreadable::NoHttpRequest);
    }
}

#[test]
fn merged_headers_are_unreadable() {
    let merged = HashMap::from([("client-key".to_owned(), "k".to_owned())]);
    let absent = HttpRequest {
        header_map: None,
        ..http(&[])
    };
    assert_eq!(read(absent.clone()).unwrap_err(), Unreadable::MergedHeaders);
    let instead = HttpRequest {
        headers: merged.clone(),
        ..absent
    };
    assert_eq!(read(instead).unwrap_err(), Unreadable::MergedHeaders);
    let beside = HttpRequest {
        headers: merged,
        ..http(&[])
    };
    assert_eq!(read(beside).unwrap_err(), Unreadable::MergedHeaders);
}

#[rstest]
#[case::empty("")]
#[case::no_token("GE T")]
#[case::control("GET\r\n")]
fn a_method_must_be_one(#[case] method: &str) {
    let error = read(HttpRequest {
        method: method.to_owned(),
        ..http(&[])
    });
    assert_eq!(error.unwrap_err(), Unreadable::Method);
}

#[rstest]
#[case::empty("")]
#[case::asterisk("*")]
#[case::absolute("http://h/orders")]
#[case::relative("orders")]
#[case::fragment("/orders#a")]
#[case::fragment_of_query("/orders?a#b")]
#[case::blank("/or ders")]
#[case::line_break("/orders\r\nclient-key: k")]
#[case::null("/orders\0")]
fn a_path_must_be_a_target_with_all_its_parts(#[case] path: &str) {
    let error = read(HttpRequest {
        path: path.to_owned(),
        ..http(&[])
    });
    assert_eq!(error.unwrap_err(), Unreadable::Path);
}

#[rstest]
#[case::empty("")]
#[case::line_break("a\r\nb")]
fn a_host_must_be_a_header_value(#[case] host: &str) {
    let error = read(HttpRequest {
        host: host.to_owned(),
        ..http(&[])
    });
    assert_eq!(error.unwrap_err(), Unreadable::Host);
}

#[rstest]
#[case::method(":method", "POST")]
#[case::path(":path", "/admin")]
#[case::authority(":authority", "other.example.com")]
#[case::host("host", "other.example.com")]
#[case::empty_host("host", "")]
fn a_header_cannot_contradict_the_attributes(#[case] name: &'static str, #[case] value: &str) {
    let error = read(http(&[(name, value)])).unwrap_err();
    assert_eq!(error, Unreadable::Contradicted(name));
}

#[test]
fn a_host_in_another_spelling_is_a_contradiction() {
    let error = read(http(&[("Host", "api.example.com")])).unwrap_err();
    assert_eq!(error, Unreadable::Contradicted("host"));
}

#[rstest]
#[case::no_name("", "a")]
#[case::blank_in_name("client key", "a")]
#[case::line_break("a", "b\r\nclient-type: A")]
#[case::null("a", "\0")]
fn a_header_must_be_one(#[case] name: &str, #[case] value: &str) {
    assert_eq!(
        read(http(&[(name, value)])).unwrap_err(),
        Unreadable::Header
    );
}

#[test]
fn a_header_has_one_value() {
    let mut http = http(&[]);
    let both = RawHeader {
        value: "a".to_owned(),
        ..line("x", b"b")
    };
    let text = RawHeader {
        value: "a".to_owned(),
        ..line("x", b"")
    };
    http.header_map = Some(RawHeaders {
        headers: vec![both],
    });
    assert_eq!(read(http.clone()).unwrap_err(), Unreadable::Header);
    http.header_map = Some(RawHeaders {
        headers: vec![text],
    });
    assert_eq!(read(http).unwrap().headers["x"], "a");
}

#[test]
fn headers_are_bounded() {
    let mut http = http(&[]);
    let headers = (0..40_000).map(|n| line(&format!("x{n}"), b"")).collect();
    http.header_map = Some(RawHeaders { headers });
    assert_eq!(read(http).unwrap_err(), Unreadable::TooManyHeaders);
}
