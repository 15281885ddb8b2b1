//! Error pages of a user's server, which nginx would also apply to authorization requests.

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::report;

#[apply(each_nginx)]
fn error_pages_of_a_server_never_allow_a_request(
    version: Version,
    #[values(Services::PairOverTcp, Services::Single)] services: Services,
    #[values("", "recursive_error_pages on;")] http: &'static str,
) {
    let setup = Setup {
        services,
        http,
        server: "
            error_page 400 401 403 404 431 500 502 503 504 =200 /sorry.html;
            location = /sorry.html { return 200 sorry; }
            ",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let many: Vec<String> = (0..300).map(|n| format!("x-{n}: y")).collect();
    let control = vec!["client-key: \u{1}".to_owned()];
    let unknown = vec!["client-key: sample-key-of-nobody".to_owned()];
    for lines in [many, control, unknown, Vec::new()] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for target in ["/orders", "/key-only/report"] {
            let response = caller::get(&gateway.address, target, &lines);
            let received = gateway.backend.take();
            assert!(received.is_empty(), "{target}, {lines:?}: {response:?}");
        }
    }
    report::passed(&version.number(), "settings: error pages of a server");
}
