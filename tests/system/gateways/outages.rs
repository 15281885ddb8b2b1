//! A service that is down, hangs or sends garbage: nobody is allowed.

use rstest_reuse::apply;

use crate::gateways::each_example;
use crate::gateways::examples::{self, HAPROXY};
use crate::support::caller;
use crate::support::example::{Example, Running};
use crate::support::http_message::Message;
use crate::support::impostor::Impostor;
use crate::support::report;

const KEY: [&str; 2] = [
    "client-key: sample-key-of-client-a",
    "secret: sample-key-of-client-a",
];

/// Sends a request that any service would allow, and returns the status.
fn status(gateway: &Running) -> u16 {
    let response = caller::get(&gateway.address, "/public/page", &KEY);
    assert!(
        gateway.backend.take().is_empty() || response.status() == 200,
        "{response:?}"
    );
    response.status()
}

/// Returns whether a response is Keygate's 503, as the examples write it.
fn is_unavailable(response: &Message) -> bool {
    response.status() == 503
        && response
            .text()
            .contains("\"detail\":\"authorization-unavailable\"")
        && response.header("content-type") == Some("application/problem+json")
        && response.header("cache-control") == Some("no-store")
}

#[apply(each_example)]
fn an_error_of_the_backend_is_not_said_to_be_keygates(example: Example) {
    let gateway = example.start();
    let lines = [KEY[0], "x-backend-status: none"];
    let response = caller::get(&gateway.address, "/public/page", &lines);
    assert!(response.status() >= 500, "{response:?}");
    assert!(!is_unavailable(&response), "{response:?}");
    assert!(!gateway.backend.take().is_empty());
    report::passed_at(example.name, "outages: the backend does not respond");
}

#[rstest::rstest]
fn the_503_of_an_example_is_a_problem_document(
    #[values(examples::CADDY, examples::HAPROXY)] example: Example,
) {
    let mut gateway = example.start();
    gateway.services[0].kill();
    let response = caller::get(&gateway.address, "/public/page", &KEY);
    assert!(is_unavailable(&response), "{response:?}");
    report::passed_at(example.name, "outages: a problem document");
}

#[apply(each_example)]
fn nobody_is_allowed_while_a_service_is_down(example: Example) {
    for n in 0..example.services.len() {
        let mut gateway = example.start();
        assert_eq!(status(&gateway), 200);
        gateway.services[n].kill();
        for _ in 0..3 {
            assert_eq!(status(&gateway), example.unavailable);
        }
        gateway.restart(n);
        assert_eq!(status(&gateway), 200, "{}", gateway.logs());
        report::passed_at(example.name, &format!("outages: service {n} is down"));
    }
}

#[apply(each_example)]
fn nobody_is_allowed_while_a_service_hangs(example: Example) {
    for n in 0..example.services.len() {
        let gateway = example.start();
        assert_eq!(status(&gateway), 200);
        gateway.services[n].signal("STOP");
        let hanging = status(&gateway);
        gateway.services[n].signal("CONT");
        assert_eq!(hanging, example.unavailable);
        report::passed_at(example.name, &format!("outages: service {n} hangs"));
    }
}

#[apply(each_example)]
fn nobody_is_allowed_by_a_response_of_something_else(example: Example) {
    for n in 0..example.services.len() {
        let mut gateway = example.start();
        gateway.services[n].kill();
        let impostor = Impostor::start(&gateway.service_addresses[n]);
        for response in [
            "",
            "nonsense",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\nclient-type: ADMIN\r\n",
            "HTTP/1.1 301 Moved\r\nlocation: /public\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 50\r\n\r\nless",
        ] {
            impostor.respond_with(response);
            assert_ne!(status(&gateway), 200, "{response:?}");
            report::passed_at(example.name, &format!("outages: garbage {response:?}"));
        }
    }
}

#[test]
fn nobody_is_allowed_after_an_error_of_the_script() {
    let gateway = HAPROXY.start_changed(|_, text| text.replace("core.httpclient()", "core.none()"));
    for _ in 0..3 {
        assert_eq!(status(&gateway), 503);
    }
    let log = gateway.logs();
    assert!(log.contains("none"), "the error is in the log: {log}");
    report::passed_at(HAPROXY.name, "outages: an error of the script");
}
