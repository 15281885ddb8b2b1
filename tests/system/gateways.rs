//! One decision table for all gateways: the rows of the corpus behind each example of `deploy/`.

mod credentials;
mod direct;
mod envoy;
mod examples;
mod gateway_not_set;
mod mia_platform;
mod outages;
mod readmes;
mod traffic;

use rstest_reuse::{apply, template};

use crate::support::example::Example;
use crate::support::report;
use crate::support::table::{self, FILES};

use examples::ALL;

/// Every example, for an argument `example`.
#[template]
#[rstest::rstest]
fn each_example(
    #[values(
        examples::TRAEFIK,
        examples::CADDY,
        examples::HAPROXY,
        examples::ENVOY_HTTP_PAIR,
        examples::ENVOY_HTTP_SERVE,
        examples::ENVOY_GRPC_PAIR,
        examples::ENVOY_GRPC_SERVE
    )]
    example: Example,
) {
}

#[apply(each_example)]
fn every_row_holds_behind_every_gateway(
    #[values("contract.yaml", "attacks.yaml")] file: &str,
    example: Example,
) {
    let gateway = example.start();
    let mut failures = Vec::new();
    for row in table::rows(file) {
        let case = format!("{file}: {}: {}", row.class, row.name);
        match row.check(&gateway.place()) {
            Ok(()) => report::passed_at(example.name, &case),
            Err(wrong) => failures.push(format!("{case}: {wrong}")),
        }
    }
    table::assert_no_key_in(&gateway.logs());
    assert!(
        failures.is_empty(),
        "behind {}, {} rows:\n{}",
        example.name,
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn rows_are_named_once_and_what_is_instead_denies_as_well() {
    let examples = ALL.iter().map(|example| example.name);
    let gateways: Vec<_> = examples.chain(direct::NAMES).collect();
    for file in FILES {
        let rows = table::rows(file);
        let mut names: Vec<_> = rows.iter().map(|row| (&row.class, &row.name)).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "two rows of {file} have the same name");
        for row in &rows {
            row.assert_consistent(&gateways);
        }
    }
}
