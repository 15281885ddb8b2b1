//! A service that is down, hangs or sends malformed responses denies every request: 503 within the
//! timeouts, and the backend receives nothing.

use std::time::{Duration, Instant};

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::impostor::Impostor;
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;

const KEY: &str = "client-key: sample-key-of-client-a";

/// Two services, each with a timeout of two seconds, and some time for a busy machine.
const TIMEOUTS: Duration = Duration::from_secs(6);

/// Checks the 503 responses of a gateway whose services fail.
fn assert_unavailable(gateway: &Gateway, targets: &[&str]) {
    for target in targets {
        let started = Instant::now();
        let response = caller::get(&gateway.address, target, &[KEY]);
        is_problem(&response, 503, "authorization-unavailable")
            .unwrap_or_else(|wrong| panic!("{target}: {wrong}, got {response:?}"));
        assert!(
            started.elapsed() < TIMEOUTS,
            "{target}: 503 after {:?}",
            started.elapsed()
        );
        assert!(
            gateway.backend.take().is_empty(),
            "{target}: reached the backend"
        );
    }
}

fn assert_allowed(gateway: &Gateway) {
    let response = caller::get(&gateway.address, "/orders", &[KEY]);
    assert_eq!(response.status(), 200, "{response:?}, {}", gateway.logs());
    assert_eq!(gateway.backend.take_one().header("client-type"), Some("A"));
}

#[apply(each_nginx)]
fn a_killed_service_denies_until_it_is_started_again(
    version: Version,
    #[values(Services::PairOverTcp, Services::PairOverUnix, Services::Single)] services: Services,
) {
    let mut gateway = Gateway::start(
        version,
        &Setup {
            services,
            ..Setup::PLAIN
        },
    );
    for role in 0..gateway.services.len() {
        assert_allowed(&gateway);
        gateway.services[role].kill();
        assert_unavailable(&gateway, &["/orders", "/public/page"]);
        if role == 0 {
            assert_unavailable(&gateway, &["/key-only/report"]);
        }
        gateway.restart(role);
        // Connections in the pool are stale at this point.
        assert_allowed(&gateway);
        report::passed(
            &version.number(),
            &format!("outages: killed {role} of {services:?}"),
        );
    }
}

#[apply(each_nginx)]
fn a_hanging_service_times_out_and_is_used_again_afterwards(
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
    for (role, service) in gateway.services.iter().enumerate() {
        assert_allowed(&gateway);
        service.signal("STOP");
        assert_unavailable(&gateway, &["/orders"]);
        service.signal("CONT");
        assert_allowed(&gateway);
        report::passed(
            &version.number(),
            &format!("outages: hung {role} of {services:?}"),
        );
    }
}

/// Responses that no service of Keygate sends; the last ones are those of an unrelated server.
const GARBAGE: [&str; 14] = [
    "",
    "\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2p1\r\n",
    "\0\x01\x02\x03\x04",
    "HTTP/1.1 200",
    "HTTP/1.1 200 OK\r\nx-keygate-reason: ok\r\n",
    "HTTP/1.1 abc OK\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204\r\nbroken header\r\n",
    "HTTP/1.1 301 Moved Permanently\r\nlocation: /public\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nlocation: /public\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 421 Misdirected Request\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 500 Internal Server Error\r\nmia-allowed: 1\r\ncontent-length: 0\r\n\r\n",
];

#[apply(each_nginx)]
fn a_malformed_response_of_a_service_denies(version: Version) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services: Services::ImpostorsOfPair,
            ..Setup::PLAIN
        },
    );
    let [resolver, authorizer, _] = &gateway.service_addresses;
    let resolver = Impostor::start(resolver);
    let authorizer = Impostor::start(authorizer);
    let next = "HTTP/1.1 200 OK\r\nclient-type: A\r\nx-accel-redirect: /_keygate/authorizer\r\n\
                content-length: 0\r\n\r\n";
    let too_large = format!(
        "HTTP/1.1 200 OK\r\nclient-type: {}\r\ncontent-length: 0\r\n\r\n",
        "A".repeat(20_000)
    );
    for garbage in GARBAGE
        .iter()
        .map(|text| (*text).to_owned())
        .chain([too_large])
    {
        resolver.respond_with(&garbage);
        authorizer.respond_with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_unavailable(&gateway, &["/orders", "/key-only/report"]);
        resolver.respond_with(next);
        authorizer.respond_with(&garbage);
        assert_unavailable(&gateway, &["/orders"]);
        let start: String = garbage.chars().take(40).collect();
        report::passed(&version.number(), &format!("outages: garbage {start:?}"));
    }
    // With valid responses, the same request is allowed.
    authorizer.respond_with("HTTP/1.1 200 OK\r\nclient-type: A\r\ncontent-length: 0\r\n\r\n");
    assert_allowed(&gateway);
}

#[apply(each_nginx)]
fn a_503_names_the_users_source_only_if_the_service_does(
    version: Version,
    #[values(Services::ImpostorsOfPair, Services::ImpostorOfSingle)] services: Services,
) {
    let setup = Setup {
        services,
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let [resolver, authorizer, serve] = &gateway.service_addresses;
    let service = if services == Services::ImpostorsOfPair {
        Impostor::start(resolver).respond_with(
            "HTTP/1.1 200 OK\r\nclient-type: A\r\nx-accel-redirect: /_keygate/authorizer\r\n\
             x-keygate-reason: user-unavailable\r\ncontent-length: 0\r\n\r\n",
        );
        Impostor::start(authorizer)
    } else {
        Impostor::start(serve)
    };
    for (status, reason, detail) in [
        (503, "user-unavailable", "user-unavailable"),
        (503, "user-unavailable\"", "authorization-unavailable"),
        (503, "missing-key", "authorization-unavailable"),
        (503, "", "authorization-unavailable"),
        (500, "ok", "authorization-unavailable"),
    ] {
        service.respond_with(&format!(
            "HTTP/1.1 {status} X\r\nx-keygate-reason: {reason}\r\ncontent-length: 0\r\n\r\n"
        ));
        let spoofed = "x-keygate-reason: user-unavailable";
        let response = caller::get(&gateway.address, "/orders", &[KEY, spoofed]);
        is_problem(&response, 503, detail)
            .unwrap_or_else(|wrong| panic!("{reason:?}: {wrong}, received {response:?}"));
        assert!(gateway.backend.take().is_empty(), "{reason:?}");
    }
    service.respond_with("");
    assert_unavailable(&gateway, &["/orders"]);
    report::passed(
        &version.number(),
        &format!("outages: reasons of {services:?}"),
    );
}

#[apply(each_nginx)]
fn a_reason_that_would_break_the_json_is_replaced(version: Version) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services: Services::ImpostorsOfPair,
            ..Setup::PLAIN
        },
    );
    let resolver = Impostor::start(&gateway.service_addresses[0]);
    for reason in [
        "\",\"status\":200,\"x\":\"",
        "\\",
        "\u{1}",
        "<script>",
        "Ok",
        "ok",
        "",
        "\u{e9}",
    ] {
        resolver.respond_with(&format!(
            "HTTP/1.1 403 Forbidden\r\nx-keygate-reason: {reason}\r\ncontent-length: 0\r\n\r\n"
        ));
        let response = caller::get(&gateway.address, "/orders", &[KEY]);
        // Recent nginx rejects a response with an invalid byte in a header.
        if response.status() != 503 {
            is_problem(&response, 403, "denied")
                .unwrap_or_else(|wrong| panic!("{reason:?}: {wrong}, got {response:?}"));
        }
        assert!(gateway.backend.take().is_empty());
        report::passed(&version.number(), &format!("outages: reason {reason:?}"));
    }
}

#[apply(each_nginx)]
fn more_headers_than_a_service_accepts_are_rejected(
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
    let headers: Vec<String> = (0..300).map(|n| format!("x-{n}: y")).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).chain([KEY]).collect();
    for target in ["/orders", "/public/page", "/key-only/report"] {
        let response = caller::get(&gateway.address, target, &headers);
        is_problem(&response, 403, "malformed-request")
            .unwrap_or_else(|wrong| panic!("{target}: {wrong}, got {response:?}"));
        assert!(
            gateway.backend.take().is_empty(),
            "{target}: reached the backend"
        );
    }
    assert_allowed(&gateway);
    report::passed(
        &version.number(),
        &format!("outages: too many headers, {services:?}"),
    );
}
