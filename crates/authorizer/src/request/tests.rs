use rstest::rstest;

use super::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn read_it(target: Option<&str>, lines: &[(&str, &str)]) -> Result<String, Malformed> {
    read_from(Gateway::Nginx, target, lines)
}

fn read_from(
    gateway: Gateway,
    target: Option<&str>,
    lines: &[(&str, &str)],
) -> Result<String, Malformed> {
    let request = Request {
        method: &Method::GET,
        target,
        headers: &headers(lines),
        client_type: ClientTypeSource::Gateway,
        peer: None,
        gateway: None,
    };
    let described = request.describe(gateway, &HeaderNames::default())?.request;
    Ok(format!(
        "{} {} host={:?} type={:?} backoffice={}",
        described.method,
        String::from_utf8_lossy(described.target),
        described.host,
        described.facts.client_type,
        described.facts.is_backoffice
    ))
}

#[test]
fn nginx_sends_the_request_in_headers() {
    let lines = &[
        ("original-request-uri", "/orders/1?q=2"),
        ("original-request-method", "POST"),
        ("original-request-host", "api.example.com"),
        ("host", "keygate_authorizer"),
        ("client-type", "A"),
        ("isbackoffice", "1"),
    ];
    assert_eq!(
        read_it(None, lines).unwrap(),
        "POST /orders/1?q=2 host=Some(\"api.example.com\") type=Some(\"A\") backoffice=true"
    );
}

#[test]
fn envoy_sends_the_request_in_the_path() {
    let lines = &[("host", "api.example.com"), ("isbackoffice", "0")];
    assert_eq!(
        read_it(Some("/orders/1?q=2"), lines).unwrap(),
        "GET /orders/1?q=2 host=Some(\"api.example.com\") type=None backoffice=false"
    );
    assert_eq!(
        read_it(Some("//orders"), lines).unwrap(),
        "GET //orders host=Some(\"api.example.com\") type=None backoffice=false"
    );
}

const OF_NGINX: [(&str, &str); 3] = [
    ("original-request-uri", "/original?a"),
    ("original-request-method", "PUT"),
    ("original-request-host", "original.example.com"),
];
const OF_OTHERS: [(&str, &str); 3] = [
    ("x-forwarded-uri", "/forwarded?b"),
    ("x-forwarded-method", "POST"),
    ("x-forwarded-host", "forwarded.example.com"),
];
const HOST: (&str, &str) = ("host", "host.example.com");

#[rstest]
#[case::nginx(
    Gateway::Nginx,
    None,
    "PUT /original?a host=Some(\"original.example.com\")"
)]
#[case::envoy(
    Gateway::Envoy,
    Some("/path?c"),
    "GET /path?c host=Some(\"host.example.com\")"
)]
#[case::traefik(
    Gateway::Traefik,
    None,
    "POST /forwarded?b host=Some(\"forwarded.example.com\")"
)]
#[case::caddy(
    Gateway::Caddy,
    None,
    "POST /forwarded?b host=Some(\"forwarded.example.com\")"
)]
#[case::haproxy(
    Gateway::Haproxy,
    None,
    "POST /forwarded?b host=Some(\"forwarded.example.com\")"
)]
#[case::path_of_traefik(
    Gateway::Traefik,
    Some("/path?c"),
    "POST /forwarded?b host=Some(\"forwarded.example.com\")"
)]
fn the_gateway_decides_which_headers_describe_the_request(
    #[case] gateway: Gateway,
    #[case] target: Option<&str>,
    #[case] expected: &str,
) {
    let lines = [&OF_NGINX[..], &OF_OTHERS, &[HOST]].concat();
    let read = read_from(gateway, target, &lines).unwrap();
    assert_eq!(read.split(" type=").next(), Some(expected));
}

#[rstest]
fn headers_of_another_gateway_decide_nothing(
    #[values(Gateway::Envoy, Gateway::Traefik, Gateway::Caddy, Gateway::Haproxy)] gateway: Gateway,
) {
    let error = read_from(gateway, None, &[&OF_NGINX[..], &[HOST]].concat());
    assert!(
        matches!(
            error,
            Err(Malformed::NoTargetInPath | Malformed::Missing(..))
        ),
        "{error:?}"
    );
    let error = read_from(Gateway::Nginx, None, &[&OF_OTHERS[..], &[HOST]].concat());
    assert_eq!(error, Err(Malformed::NoTarget));
    let error = read_from(Gateway::Envoy, None, &[&OF_OTHERS[..], &[HOST]].concat());
    assert_eq!(error, Err(Malformed::NoTargetInPath));
}

#[rstest]
#[case("x-forwarded-uri")]
#[case("x-forwarded-method")]
fn a_gateway_that_forwards_must_describe_the_request(#[case] missing: &'static str) {
    let lines: Vec<_> = OF_OTHERS
        .into_iter()
        .filter(|(name, _)| *name != missing)
        .collect();
    let error = read_from(Gateway::Caddy, None, &lines).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the header `{missing}`, which the gateway `caddy` must send, is missing: check the \
             setting `gateway`"
        )
    );
}

#[rstest]
#[case::target("original-request-uri", "/admin", false)]
#[case::empty_target("original-request-uri", "", false)]
#[case::method("original-request-method", "HEAD", false)]
#[case::host("original-request-host", "other.example.com", false)]
#[case::same_target("original-request-uri", "/orders", true)]
#[case::same_method("original-request-method", "GET", true)]
#[case::same_host("original-request-host", "api.example.com", true)]
fn headers_cannot_contradict_the_target_in_the_path(
    #[case] name: &str,
    #[case] value: &str,
    #[case] is_accepted: bool,
) {
    let request = read_it(
        Some("/orders"),
        &[("host", "api.example.com"), (name, value)],
    );
    if is_accepted {
        assert!(request.is_ok(), "{request:?}");
    } else {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        assert_eq!(request, Err(Malformed::Contradicted(name)));
    }
}

#[test]
fn an_ambiguous_authorization_request_is_rejected() {
    let uri = ("original-request-uri", "/");
    let rejected = |lines: &[_]| read_it(None, lines).unwrap_err().to_string();
    assert_eq!(
        rejected(&[]),
        "neither `original-request-uri` nor the path after `/auth` contains the request target: if \
         the gateway is not nginx, set `gateway`"
    );
    for name in [
        "original-request-uri",
        "client-type",
        "original-request-method",
        "original-request-host",
        "isbackoffice",
    ] {
        assert_eq!(
            rejected(&[uri, (name, "1"), (name, "0")]),
            format!("the header `{name}` is repeated with different values")
        );
    }
    assert_eq!(
        rejected(&[uri, ("isbackoffice", "yes")]),
        "the header `isbackoffice` must be `1`, `true`, `0`, `false` or empty"
    );
    assert_eq!(
        rejected(&[uri, ("client-type", "\u{e8}")]),
        "the value of the header `client-type` contains characters other than visible ASCII"
    );
}

#[rstest]
#[case::name("api.example.com", true)]
#[case::port("api.example.com:8080", true)]
#[case::address("[::1]:8080", true)]
#[case::underscore("api_v1.example.com", true)]
#[case::joined("closed.example,open.example", false)]
#[case::joined_with_a_blank("closed.example, open.example", false)]
#[case::user("closed.example@open.example", false)]
#[case::path("closed.example/open.example", false)]
fn a_host_is_one_host(
    #[values(Gateway::Nginx, Gateway::Envoy, Gateway::Caddy)] gateway: Gateway,
    #[case] host: &str,
    #[case] is_accepted: bool,
) {
    let (target, name) = match gateway {
        Gateway::Nginx => (None, "original-request-host"),
        Gateway::Envoy => (Some("/"), "host"),
        _ => (None, "x-forwarded-host"),
    };
    let lines = [
        (name, host),
        ("original-request-uri", "/"),
        ("x-forwarded-uri", "/"),
        ("x-forwarded-method", "GET"),
    ];
    let read = read_from(gateway, target, &lines);
    assert_eq!(read.is_ok(), is_accepted, "{read:?}");
    assert!(read.err().is_none_or(|malformed| malformed.is_of_caller()));
}

#[test]
fn only_the_host_is_as_the_caller_wrote_it() {
    let uri = ("original-request-uri", "/");
    for (name, is_of_caller) in [("original-request-host", true), ("client-type", false)] {
        let malformed = read_it(None, &[uri, (name, "\u{e8}")]).unwrap_err();
        assert_eq!(malformed.is_of_caller(), is_of_caller, "{name}");
    }
}

#[test]
fn equal_values_of_a_repeated_header_are_one_value() {
    let once = [
        ("original-request-uri", "/orders"),
        ("original-request-method", "POST"),
        ("original-request-host", "api.example.com"),
        ("client-type", "A"),
        ("isbackoffice", "1"),
    ];
    let twice = once.map(|line| [line, line]).concat();
    assert_eq!(read_it(None, &twice), read_it(None, &once));
    assert!(read_it(None, &once).unwrap().ends_with("backoffice=true"));
}

#[test]
fn the_resolved_client_type_replaces_the_header() {
    let headers = headers(&[
        ("original-request-uri", "/"),
        ("client-type", "A"),
        ("client-type", "B"),
    ]);
    let request = Request {
        method: &Method::GET,
        target: None,
        headers: &headers,
        client_type: ClientTypeSource::Resolver(None),
        peer: None,
        gateway: None,
    };
    let names = HeaderNames::default();
    let described = request.describe(Gateway::Nginx, &names).unwrap();
    assert_eq!(described.request.facts.client_type, None);
    assert_eq!(described.client_type, None);
}
