//! Services whose setting `gateway` is missing or another gateway's: no caller describes the request.

use rstest::rstest;
use rstest_reuse::apply;

use crate::gateways::examples;
use crate::support::caller;
use crate::support::example::Example;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};

const OF_NGINX: [&str; 3] = [
    "original-request-uri: /public/page",
    "original-request-method: GET",
    "original-request-host: gateway.example",
];

#[rstest]
fn no_caller_describes_the_request_where_the_gateway_is_not_set(
    #[values(examples::TRAEFIK, examples::CADDY, examples::HAPROXY)] example: Example,
) {
    let example = Example {
        settings: &[],
        ..example
    };
    let gateway = example.start();
    for target in ["/admin", "/public/page"] {
        let response = caller::get(&gateway.address, target, &OF_NGINX);
        assert_eq!(response.status(), 403, "{target}: {response:?}");
    }
    assert!(gateway.backend.take().is_empty());
    assert!(gateway.logs().contains("set `gateway`"));
}

#[rstest]
fn envoy_removes_the_key_also_where_the_gateway_is_not_set(
    #[values(examples::ENVOY_HTTP_PAIR, examples::ENVOY_HTTP_SERVE)] example: Example,
) {
    let example = Example {
        settings: &[],
        ..example
    };
    let gateway = example.start();
    let cookie = "cookie: a=1; mia_client_key=sample-key-of-client-a";
    let response = caller::get(&gateway.address, "/any-key", &[cookie]);
    assert_eq!(response.status(), 200, "{response:?}");
    let received = gateway.backend.take_one();
    assert_eq!(received.header("cookie"), Some("a=1"));
    assert_eq!(received.header("client-type"), Some("A"));
}

#[apply(each_nginx)]
fn nginx_in_front_of_settings_for_another_gateway_is_denied(
    version: Version,
    #[values("traefik", "caddy", "haproxy", "envoy")] gateway: &'static str,
) {
    let setup = Setup {
        services: Services::Single,
        ..Setup::PLAIN
    };
    let running = Gateway::start_with(version, &setup, &[("KEYGATE_GATEWAY", gateway)]);
    let forwarded = [
        "x-forwarded-uri: /public/page",
        "x-forwarded-method: GET",
        "x-forwarded-host: gateway.example",
    ];
    for target in ["/admin", "/public/page"] {
        let response = caller::get(&running.address, target, &forwarded);
        assert_eq!(response.status(), 403, "{target}: {response:?}");
    }
    assert!(running.backend.take().is_empty());
}
