//! A resolver and an authorizer whose settings name an identity header differently.

use std::fs;

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Role, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::program::{Service, keygate, run_to_end};

const SETUP: Setup = Setup {
    services: Services::ImpostorsOfPair,
    ..Setup::PLAIN
};

const RENAMED: [(&str, &str); 1] = [("KEYGATE_CLIENT_TYPE_HEADER", "x-client-type")];

/// A caller with a key of client type `A` that claims another type.
const CALLER: [&str; 3] = [
    "client-key: sample-key-of-client-a",
    "client-type: erp",
    "x-client-type: erp",
];

/// Starts the resolver with the default settings and the authorizer with the other name.
fn start_pair(gateway: &Gateway) -> [Service; 2] {
    let folder = gateway.file("");
    [(Role::Resolver, &[][..]), (Role::Authorizer, &RENAMED)].map(|(role, settings)| {
        let address = &gateway.service_addresses[role as usize];
        role.start(address, &folder, settings)
    })
}

/// Returns the output of `keygate check` for the gateway and the authorizer's settings.
fn findings(gateway: &Gateway) -> String {
    let settings = gateway.file("authorizer.yaml");
    fs::write(
        &settings,
        "policy: policy.yaml\nclient-type-header: x-client-type\n",
    )
    .unwrap();
    let mut check = keygate();
    check.args(["check", "--nginx"]);
    check.arg(gateway.file("nginx.conf"));
    let output = run_to_end(check.arg("--config").arg(settings));
    String::from_utf8(output.stdout).unwrap()
}

/// The authorizer denies every request. It gets none from a location with `keygate-require-key.conf`;
/// only the check finds the header there.
#[apply(each_nginx)]
fn includes_without_the_authorizers_name_are_found(version: Version) {
    let gateway = Gateway::start(version, &SETUP);
    let [_resolver, authorizer] = start_pair(&gateway);
    for target in ["/orders", "/public/page"] {
        let response = caller::get(&gateway.address, target, &CALLER);
        is_problem(&response, 403, "malformed-request").unwrap();
        assert!(gateway.backend.take().is_empty());
    }
    assert!(authorizer.output().contains("keygate nginx-includes"));

    let response = caller::get(&gateway.address, "/key-only/report", &CALLER);
    assert_eq!(response.status(), 200);
    let received = gateway.backend.take_one();
    assert_eq!(received.header("client-type"), Some("A"));
    assert_eq!(received.header("x-client-type"), Some("erp"));
    let found = findings(&gateway);
    for location in ["location /key-only/", "location /"] {
        let expected = format!("`{location}` passes `x-client-type`");
        assert!(found.contains(&expected), "{found}");
    }
}

#[apply(each_nginx)]
fn includes_for_the_authorizers_name_serve_the_pair(version: Version) {
    let gateway = Gateway::start_followed(version, &SETUP, &RENAMED);
    let _pair = start_pair(&gateway);
    for target in ["/orders", "/key-only/report"] {
        let response = caller::get(&gateway.address, target, &CALLER);
        assert_eq!(response.status(), 200, "{}", gateway.logs());
        let received = gateway.backend.take_one();
        for name in ["client-type", "x-client-type"] {
            assert_eq!(received.header(name), Some("A"), "{target}: {name}");
        }
    }
    let found = findings(&gateway);
    assert!(!found.contains("passes the caller's own"), "{found}");
}
