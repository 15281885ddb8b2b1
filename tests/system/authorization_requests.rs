//! The authorization requests that the services receive, whatever the caller sent.

use rstest::rstest;
use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::impostor::Impostor;
use crate::support::nginx::{Version, each_nginx};
use crate::support::operations::Watched;
use crate::support::report;

const RESOLVED: &str = "HTTP/1.1 200 OK\r\nclient-type: A\r\n\
                        x-accel-redirect: /_keygate/authorizer\r\ncontent-length: 0\r\n\r\n";
const ALLOWED: &str = "HTTP/1.1 200 OK\r\nx-keygate-reason: ok\r\ncontent-length: 0\r\n\r\n";

const REQUEST: &[u8] = b"PUT /orders/%41?a=%0d%0ab HTTP/1.1\r\n\
host: Gateway.Example:8080\r\n\
connection: close\r\n\
client-key: first\r\n\
Client-Key: second\r\n\
secret: third\r\n\
cookie: a=1; mia_client_key=fourth; b=2\r\n\
client-type: ADMIN\r\n\
isbackoffice: 1\r\n\
miauserid: root\r\n\
miausergroups: staff\r\n\
miauserproperties: {}\r\n\
miagroups: staff\r\n\
mia-userid: root\r\n\
x-keygate-token: forged\r\n\
original-request-uri: /public\r\n\
original-request-method: GET\r\n\
original-request-host: elsewhere.example\r\n\
x-keygate-client-address: 192.0.2.1\r\n\
x-keygate-next: /unprotected/\r\n\
origin: https://app.example\r\n\
access-control-request-method: PUT\r\n\
authorization: Bearer token\r\n\
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
transfer-encoding: chunked\r\n\
\r\n\
5\r\nhello\r\n0\r\n\r\n";

/// Checks the headers that describe the client request in every step, and those that none receives.
fn assert_described(request: &Message) {
    assert_eq!(request.method(), "GET", "{request:?}");
    for (name, value) in [
        ("original-request-uri", Some("/orders/%41?a=%0d%0ab")),
        ("original-request-method", Some("PUT")),
        ("original-request-host", Some("gateway.example")),
        ("x-keygate-client-address", Some("127.0.0.1")),
        (
            "traceparent",
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
        ("origin", Some("https://app.example")),
        ("access-control-request-method", Some("PUT")),
        ("authorization", Some("Bearer token")),
        ("isbackoffice", None),
        ("miauserid", None),
        ("miausergroups", None),
        ("miauserproperties", None),
        ("miagroups", None),
        ("mia-userid", None),
        ("x-keygate-token", None),
        ("content-length", None),
        ("transfer-encoding", None),
        ("connection", None),
        ("upgrade", None),
    ] {
        assert_eq!(request.header(name), value, "`{name}` of {request:?}");
    }
}

#[apply(each_nginx)]
fn only_the_resolver_receives_the_key(version: Version) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services: Services::ImpostorsOfPair,
            ..Setup::PLAIN
        },
    );
    let [resolver, authorizer, _] = gateway
        .service_addresses
        .each_ref()
        .map(|a| Impostor::start(a));
    resolver.respond_with(RESOLVED);
    authorizer.respond_with(ALLOWED);
    assert_eq!(caller::send(&gateway.address, REQUEST).status(), 200);

    let first = resolver.last_request();
    assert_described(&first);
    assert_eq!(first.target(), "/resolve");
    assert_eq!(first.header("x-keygate-next"), Some("/_keygate/authorizer"));
    assert_eq!(first.header("client-type"), None);
    // Both lines of a repeated key arrive, for the resolver to reject.
    assert_eq!(first.all("client-key"), ["first", "second"]);
    assert_eq!(first.header("secret"), Some("third"));
    assert_eq!(
        first.header("cookie"),
        Some("a=1; mia_client_key=fourth; b=2")
    );

    let second = authorizer.last_request();
    assert_described(&second);
    assert_eq!(second.target(), "/auth");
    assert_eq!(second.header("client-type"), Some("A"));
    assert_eq!(second.header("x-keygate-next"), None);
    assert_eq!(second.header("client-key"), None);
    assert_eq!(second.header("secret"), None);
    assert_eq!(second.header("cookie"), Some("a=1; b=2"));

    let received = gateway.backend.take_one();
    assert_eq!(received.body, b"hello");
    // The authorizer named no client type, so the backend gets none.
    assert_eq!(received.header("client-type"), None);
    report::passed(&version.number(), "requests: both steps");
}

#[apply(each_nginx)]
fn a_single_service_receives_the_same_headers(
    version: Version,
    #[values(("/orders/%41?a=%0d%0ab", "/check"), ("/key-only/x", "/require"))] (target, path): (
        &str,
        &str,
    ),
) {
    let setup = Setup {
        services: Services::ImpostorOfSingle,
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let serve = Impostor::start(&gateway.service_addresses[2]);
    serve.respond_with(ALLOWED);
    let request = String::from_utf8_lossy(REQUEST).replace("/orders/%41?a=%0d%0ab", target);
    assert_eq!(
        caller::send(&gateway.address, request.as_bytes()).status(),
        200
    );
    let request = serve.last_request();
    assert_eq!(request.target(), path);
    assert_eq!(request.header("original-request-uri"), Some(target));
    assert_eq!(request.header("x-keygate-next"), None);
    assert_eq!(request.header("client-type"), None);
    assert_eq!(request.all("client-key"), ["first", "second"]);
    report::passed(&version.number(), &format!("requests: one hop, {path}"));
}

#[apply(each_nginx)]
fn user_headers_reach_the_backend_under_their_known_names(version: Version) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services: Services::ImpostorsOfPair,
            location: "include keygate-users.conf;",
            ..Setup::PLAIN
        },
    );
    let [resolver, authorizer, _] = gateway
        .service_addresses
        .each_ref()
        .map(|a| Impostor::start(a));
    resolver.respond_with(RESOLVED);
    // Longer than a page of memory, nginx's default `proxy_buffer_size`.
    let properties = format!("{{\"name\":\"{}\"}}", "x".repeat(8_000));
    authorizer.respond_with(&format!(
        "HTTP/1.1 200 OK\r\nclient-type: A\r\nmia-userid: 7\r\nmia-groups: staff,admin\r\n\
         mia-userproperties: {properties}\r\ncontent-length: 0\r\n\r\n"
    ));
    let response = caller::get(&gateway.address, "/orders", &["miauserid: root"]);
    assert_eq!(response.status(), 200, "{}", gateway.logs());
    let received = gateway.backend.take_one();
    assert_eq!(received.header("client-type"), Some("A"));
    assert_eq!(received.header("miauserid"), Some("7"));
    assert_eq!(received.header("miausergroups"), Some("staff,admin"));
    assert_eq!(
        received.header("miauserproperties"),
        Some(properties.as_str())
    );
    report::passed(&version.number(), "requests: a user's identity");
}

/// Some gateways append the client request's path to that of the authorization request; here it is `/`.
#[rstest]
#[case("/resolve/", 200, "no-key")]
#[case("/require/", 401, "missing-key")]
#[case("/auth/", 403, "no-endpoint")]
#[case("/auth/?a=1", 403, "no-endpoint")]
#[case("/check/", 403, "no-endpoint")]
fn a_request_for_the_root_is_decided(
    #[case] target: &str,
    #[case] status: u16,
    #[case] reason: &str,
) {
    let watched = Watched::start(&[]);
    let response = caller::get(&watched.data, target, &[]);
    assert_eq!(response.status(), status, "{response:?}");
    assert_eq!(response.header("x-keygate-reason"), Some(reason));
}

/// nginx passes control characters in header values unchanged.
#[test]
fn malformed_requests_are_rejected_and_logged_at_a_limited_rate() {
    const REQUESTS: usize = 60;
    let watched = Watched::start(&[]);
    for _ in 0..REQUESTS {
        let response = caller::get(&watched.data, "/check", &["client-key: sample-key\u{1}"]);
        assert_eq!(response.status(), 400);
    }
    let log = watched.log();
    let logged = log.iter().filter(|line| line["target"] == "keygate::data");
    // More than one line, because the loop may take longer than a second.
    let logged = logged.count();
    assert!((1..=REQUESTS / 2).contains(&logged), "{logged} lines");
}
