//! Mia-Platform's own Envoy configuration, with Keygate's authorizer in place of their service.

use rstest::rstest;

use crate::gateways::examples::{ENVOY_HTTP_PAIR, envoy};
use crate::support::caller;
use crate::support::example::{Example, Running};
use crate::support::gateway::Role;
use crate::support::report;

/// Their gateway; the authorizer has no setting that they do not have.
const MIA_PLATFORM: Example = Example {
    name: "mia-platform-envoy",
    folder: "../tests/system/gateways/mia_platform",
    services: &[Role::Authorizer],
    settings: &[],
    more: &[],
    command: || envoy("envoy.yaml"),
    ..ENVOY_HTTP_PAIR
};

/// Starts the gateway with the mark that its script sets, and the one that its filter adds.
fn start(settings: &'static [(&'static str, &'static str)], script: &str, filter: &str) -> Running {
    let example = Example {
        settings,
        ..MIA_PLATFORM
    };
    example.start_changed(|_, text| {
        text.replace("MARK", script)
            .replace("value: \"0\"", &format!("value: \"{filter}\""))
    })
}

const A: &str = "client-key: sample-key-of-client-a";
const C: &str = "secret: sample-key-of-client-c";

fn check(gateway: &Running, cases: &[(&str, &[&str], u16, &str)]) {
    for (target, headers, status, reason) in cases {
        let response = caller::get(&gateway.address, target, headers);
        let case = format!("{target} {headers:?}: {response:?} {}", gateway.logs());
        assert_eq!(response.status(), *status, "{case}");
        let received = gateway.backend.take();
        assert_eq!(received.len(), usize::from(*status == 200), "{case}");
        if *status != 200 {
            assert_eq!(response.header("x-keygate-reason"), Some(*reason), "{case}");
        }
        report::passed_at(
            MIA_PLATFORM.name,
            &format!("{target} {}", headers.join(", ")),
        );
    }
}

#[rstest]
#[case::nobody_has_set_the_gateway(&[])]
#[case::the_gateway_is_envoy(&[("KEYGATE_GATEWAY", "envoy")])]
fn their_filter_is_served(
    #[case] settings: &'static [(&'static str, &'static str)],
    #[values("", "0")] script: &str,
) {
    let gateway = start(settings, script, "0");
    check(
        &gateway,
        &[
            ("/orders", &[A], 200, ""),
            ("/orders?page=2", &[A], 200, ""),
            ("/orders", &[], 401, "missing-key"),
            ("/orders", &[C], 403, "expression-false"),
            ("/public/page", &[], 200, ""),
            ("/public//page", &[], 200, ""),
            ("/public/..%2fadmin", &[], 403, "ambiguous-path"),
            ("/nowhere", &[A], 403, "no-endpoint"),
            ("/ordinary", &[A], 200, ""),
            ("/backoffice/x", &[A], 200, ""),
            ("/backoffice/x", &[C], 403, "expression-false"),
            (
                "/backoffice/x",
                &[C, "isbackoffice: 1"],
                403,
                "expression-false",
            ),
            (
                "/admin",
                &[A, "client-type: ADMIN"],
                403,
                "expression-false",
            ),
            (
                "/admin",
                &["original-request-uri: /public"],
                401,
                "missing-key",
            ),
        ],
    );
}

#[test]
fn their_back_office_is_one() {
    let gateway = start(&[], "1", "1");
    check(
        &gateway,
        &[
            ("/backoffice/x", &[C], 200, ""),
            ("/backoffice/x", &[A], 403, "expression-false"),
            ("/ordinary", &[A], 403, "expression-false"),
        ],
    );
}

/// Envoy sends only the last one: a request of the frontend is never one of the back office.
#[test]
fn marks_that_differ_are_no_back_office() {
    let gateway = start(&[], "1", "0");
    check(
        &gateway,
        &[
            ("/backoffice/x", &[C], 403, "expression-false"),
            ("/ordinary", &[A], 200, ""),
        ],
    );
}
