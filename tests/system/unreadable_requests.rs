//! A malformed client request is the caller's error: never 503, and no alert.

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
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
            // nginx of late rejects control characters itself.
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
