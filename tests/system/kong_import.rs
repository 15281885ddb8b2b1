//! `keygate import kong`: a declarative configuration becomes keys and a policy that decide as Kong does.

use std::fs;
use std::path::Path;
use std::process::Output;

use rstest::rstest;

use crate::support::program::{keygate, run_to_end};

const KONG: &str = r#"
_format_version: "3.0"
consumers:
  - username: shop
    keyauth_credentials: [{key: sample-key-of-the-shop}]
    acls: [{group: partners}]
  - username: erp
    keyauth_credentials: [{key: sample-key-of-the-erp}]
  - username: guest
    keyauth_credentials: [{key: sample-key-of-a-guest}]
    acls: [{group: guests}]
acls:
  - {consumer: erp, group: internal}
services:
  - name: orders
    url: http://orders:8080
    plugins:
      - name: key-auth
        config: {key_names: [x-api-key]}
      - {name: rate-limiting, config: {minute: 5}}
    routes:
      - name: orders
        paths: [/orders/]
        plugins:
          - {name: acl, config: {allow: [partners, internal]}}
      - name: disabled-on-route
        paths: [/still-keyed]
        plugins:
          - {name: key-auth, enabled: false}
      - name: not-guests
        paths: [/any]
        plugins:
          - {name: acl, config: {deny: [guests]}}
      - name: by-token
        paths: [/token]
        plugins:
          - {name: jwt}
      - name: expression
        paths: ["~/regular/\\d+"]
      - name: by-header
        paths: [/header]
        headers: {x-version: [v2]}
  - name: status
    url: http://status:8080
    routes:
      - {name: status, paths: [/status], methods: [GET]}
certificates: []
"#;

struct Imported {
    folder: tempfile::TempDir,
    output: Output,
}

impl Imported {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("kong.yaml"), text).unwrap();
        let mut command = keygate();
        command.args(["import", "kong"]).arg(path("kong.yaml"));
        command.arg("--policy-out").arg(path("policy.yaml"));
        command.arg("--keys-out").arg(path("keys.yaml"));
        let output = run_to_end(&mut command);
        Self { folder, output }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self) -> String {
        let said = String::from_utf8_lossy(&self.output.stderr).into_owned();
        assert!(!said.contains("sample-key"), "{said}");
        said
    }
}

/// Whether the policy allows a client type, or nobody in particular.
fn is_allowed(policy: &Path, method: &str, uri: &str, client_type: Option<&str>) -> bool {
    let mut command = keygate();
    command.args(["explain", "--method", method, "--uri", uri, "--policy"]);
    command.arg(policy);
    command.args(client_type.map(|it| ["--client-type", it]).iter().flatten());
    run_to_end(&mut command).status.success()
}

#[test]
fn consumers_keys_groups_and_routes_are_converted() {
    let imported = Imported::of(KONG);
    let said = imported.said();
    assert!(imported.output.status.success(), "{said}");
    let policy = imported.path("policy.yaml");
    let everybody = [None, Some("shop"), Some("erp"), Some("guest")];
    for (uri, allowed) in [
        ("/orders/1", [false, true, true, false]),
        ("/still-keyed", [false, true, true, true]),
        ("/any", [false, true, true, false]),
        ("/token", [false; 4]),
        ("/regular/1", [false; 4]),
        ("/header", [false; 4]),
        ("/status", [true; 4]),
        ("/elsewhere", [false; 4]),
    ] {
        let decided = everybody.map(|client| is_allowed(&policy, "GET", uri, client));
        assert_eq!(
            decided,
            allowed,
            "{uri}: {}",
            fs::read_to_string(&policy).unwrap()
        );
    }
    assert!(!is_allowed(&policy, "POST", "/status", None));
    let keys = fs::read_to_string(imported.path("keys.yaml")).unwrap();
    assert_eq!(keys.matches("digest: sha256:").count(), 3, "{keys}");
    assert!(
        keys.contains("clientType: shop") && !keys.contains("sample-key"),
        "{keys}"
    );
    for note in [
        "ignored the field `certificates`",
        "plugins that are not converted, because they do not decide who can call a route: \
         `rate-limiting`",
        "the route `by-token` denies all requests, because its plugin `jwt` is not converted",
        "a path of the route `expression` is not imported",
        "a policy cannot express its condition `headers`",
        "the route `status` requires no key, as in Kong",
        "set `key-headers: [x-api-key]`",
    ] {
        assert!(said.contains(note), "`{note}` is not in:\n{said}");
    }
}

/// Requests of a route that is left out are decided by the endpoint around it.
#[rstest]
#[case::fewer_callers(
    "paths: ['~/orders/\\d+$'], plugins: [{name: acl, config: {allow: [partners]}}]",
    false
)]
#[case::fewer_by_header(
    "paths: [/orders/x], headers: {x-a: [b]}, plugins: [{name: jwt}]",
    false
)]
#[case::the_same_callers("paths: ['~/orders/\\d+$']", true)]
#[case::another_path("paths: ['~/invoices/\\d+$'], plugins: [{name: jwt}]", true)]
fn no_endpoint_allows_more_for_a_route_left_out(#[case] route: &str, #[case] allowed: bool) {
    let imported = Imported::of(&format!(
        "plugins: [{{name: key-auth}}]\nroutes:\n  - {{name: orders, paths: [/orders]}}\n  - {{name: inner, {route}}}\n\
         consumers:\n  - {{username: shop, keyauth_credentials: [{{key: sample-key-of-the-shop}}]}}\n  \
         - {{username: erp, acls: [{{group: partners}}]}}\n"
    ));
    let said = imported.said();
    assert!(imported.output.status.success(), "{said}");
    let policy = imported.path("policy.yaml");
    assert_eq!(
        is_allowed(&policy, "GET", "/orders/7", Some("shop")),
        allowed,
        "{said}"
    );
    assert_eq!(
        said.contains("the route `orders` denies all requests"),
        !allowed,
        "{said}"
    );
    assert!(said.contains("route `inner` is not imported"), "{said}");
}

#[test]
fn groups_are_those_of_the_consumer_itself() {
    let imported = Imported::of(
        "
consumers:
  - {username: a, keyauth_credentials: [{key: sample-key-of-a}]}
  - {username: b, custom_id: a, keyauth_credentials: [{key: sample-key-of-b}]}
acls: [{group: g, consumer: a}]
plugins: [{name: key-auth}]
routes:
  - {name: group, paths: [/group], plugins: [{name: acl, config: {allow: [g]}}]}
  - name: consumer-group
    paths: [/consumer-group]
    plugins: [{name: acl, config: {deny: [blocked], include_consumer_groups: true}}]
",
    );
    let said = imported.said();
    assert!(imported.output.status.success(), "{said}");
    let policy = imported.path("policy.yaml");
    for (uri, client_type, allowed) in [
        ("/group", "a", true),
        ("/group", "b", false),
        ("/consumer-group", "a", false),
    ] {
        let decided = is_allowed(&policy, "GET", uri, Some(client_type));
        assert_eq!(decided, allowed, "{uri} {client_type}");
    }
}

/// What would be lost, or decided by another rule than in Kong.
#[rstest]
#[case::plugin_of_unknown_route(
    "plugins: [{name: acl, route: elsewhere, config: {allow: [a]}}]\nroutes: [{name: r, paths: [/a]}]\n",
    "the plugin `acl` belongs to a service or a route that is not in the file"
)]
#[case::unknown_service(
    "routes: [{name: r, service: {id: 1f}, paths: [/a]}]\n",
    "the route `r` belongs to a service that is not in the file"
)]
#[case::group_of_unknown_consumer(
    "acls: [{group: g, consumer: nobody}]\nroutes: [{name: r, paths: [/a]}]\n",
    "the group `g` of `acls` belongs to a consumer"
)]
#[case::key_without_consumer(
    "keyauth_credentials: [{key: sample-key-of-the-shop}]\n",
    "this key belongs to no consumer"
)]
#[case::other_order(
    "routes:\n  - {name: all, paths: [/], methods: [POST], plugins: [{name: key-auth}]}\n  - {name: open, paths: [/a]}\n",
    "for requests to `/a`, Kong uses the route `all`"
)]
#[case::host_before_methods(
    "routes:\n  - {name: admin, paths: [/], hosts: [admin.example], plugins: [{name: key-auth}]}\n  - {name: open, paths: [/a], methods: [GET]}\n",
    "for requests to `/a`, Kong uses the route `admin`"
)]
#[case::host_before_wildcard(
    "routes:\n  - {name: admin, paths: [/], hosts: [admin.example], plugins: [{name: key-auth}]}\n  - {name: open, paths: [/a], hosts: ['*.example']}\n",
    "for requests to `/a`, Kong uses the route `admin`"
)]
#[case::old_format(
    "_format_version: \"1.1\"\nroutes: [{name: r, paths: ['/a\\d']}]\n",
    "the format is not 3.0"
)]
#[case::one_name_twice(
    "consumers: [{username: a}, {custom_id: a}]\nroutes: [{name: r, paths: [/a]}]\n",
    "two consumers would get the client type `a`"
)]
#[case::placeholder(
    "consumers: [{username: a, keyauth_credentials: [{key: '{vault://env/key}'}]}]\n",
    "invalid key"
)]
#[case::nothing("services: []\n", "contains nothing to import")]
#[case::not_kong("- a\n", "error")]
fn what_kong_would_decide_otherwise_is_an_error(#[case] text: &str, #[case] expected: &str) {
    let imported = Imported::of(text);
    assert_eq!(
        imported.output.status.code(),
        Some(1),
        "{:?}",
        imported.output
    );
    let said = imported.said();
    assert!(said.contains(expected), "{said}");
    assert!(!imported.path("policy.yaml").exists() && !imported.path("keys.yaml").exists());
}
