//! The corpus: requests and their expected results, as data, under every setup of nginx.

use rstest_reuse::apply;

use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::report;
use crate::support::table::{self, Place};

/// The setups of nginx under which every decision must be the same.
const SETUPS: [Setup; 6] = [
    Setup::PLAIN,
    Setup {
        name: "unix-sockets-and-underscores",
        services: Services::PairOverUnix,
        http: "underscores_in_headers on;",
        ..Setup::PLAIN
    },
    Setup {
        name: "merge-slashes-off",
        http: "merge_slashes off;",
        ..Setup::PLAIN
    },
    Setup {
        name: "proxy-pass-with-uri",
        proxy_pass_uri: "/",
        ..Setup::PLAIN
    },
    Setup {
        name: "single",
        services: Services::Single,
        ..Setup::PLAIN
    },
    // Directives of an http block that affect subrequests. Each of them allowed a denied request, or
    // broke the authorization request, before the includes reset it.
    Setup {
        name: "careless-server",
        http: "
            ignore_invalid_headers off;
            underscores_in_headers on;
            proxy_set_body $request_body;
            proxy_method POST;
            proxy_pass_request_headers off;
            proxy_ignore_headers X-Accel-Redirect;
            proxy_intercept_errors on;
            proxy_cache_path cache keys_zone=all:1m;
            proxy_cache all;
            proxy_cache_key everything;
            proxy_cache_methods GET POST;
            proxy_cache_valid any 10m;
            proxy_buffer_size 1k;
            proxy_buffers 4 1k;
            proxy_busy_buffers_size 2k;
            proxy_temp_file_write_size 2k;
            recursive_error_pages on;
            client_max_body_size 8;
            satisfy any;
            error_page 403 404 500 502 503 504 =200 /everything-is-fine;
            ",
        server: "
            rewrite ^/_keygate(.*)$ /everything-is-fine$1;
            location /everything-is-fine { return 200; }
            ",
        location: "
            proxy_cache off;
            proxy_intercept_errors off;
            proxy_method $request_method;
            proxy_pass_request_headers on;
            ",
        ..Setup::PLAIN
    },
];

#[apply(each_nginx)]
fn every_row_holds_under_every_setup(
    #[values("contract.yaml", "attacks.yaml")] file: &str,
    version: Version,
) {
    let rows = table::rows(file);
    let number = version.number();
    let mut failures = Vec::new();
    for setup in &SETUPS {
        let gateway = Gateway::start(version, setup);
        let place = Place {
            name: "nginx",
            address: &gateway.address,
            backend: &gateway.backend,
            keeps_target: setup.proxy_pass_uri.is_empty(),
        };
        for row in &rows {
            let case = format!("{file}: {}: {} ({})", row.class, row.name, setup.name);
            match row.check(&place) {
                Ok(()) => report::passed(&number, &case),
                Err(wrong) => failures.push(format!("{case}: {wrong}")),
            }
        }
        table::assert_no_key_in(&gateway.logs());
    }
    assert!(
        failures.is_empty(),
        "on nginx {number}:\n{}",
        failures.join("\n")
    );
}
