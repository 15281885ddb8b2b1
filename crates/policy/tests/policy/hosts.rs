//! Endpoints for specific hosts.

use keygate_expression::Facts;
use keygate_policy::{Policy, Request};
use rstest::rstest;

const POLICY: &str = "
version: 1
endpoints:
  - path: /
  - path: /orders
    hosts: [Shop.example.com]
  - path: /orders
    hosts: ['*.example.com']
  - path: /orders
    hosts: ['*.eu.example.com']
  - path: /orders
  - path: /admin
    hosts: [admin.example.com, '[::1]']
    methods: [GET]
";

fn decide(host: Option<&str>, method: &str, target: &str) -> String {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    let facts = Facts {
        client_type: Some("A"),
        ..Facts::default()
    };
    let target = target.as_bytes();
    let request = Request {
        method,
        target,
        host,
        is_cors_preflight: false,
        facts,
    };
    let decision = policy.decide(&request);
    decision.rule.map_or_else(
        || decision.reason.to_string(),
        |rule| rule.label().to_owned(),
    )
}

#[rstest]
#[case::exact("shop.example.com", "/orders", "shop.example.com/orders")]
#[case::without_case("SHOP.EXAMPLE.COM", "/orders", "shop.example.com/orders")]
#[case::without_port("shop.example.com:8443", "/orders", "shop.example.com/orders")]
#[case::without_final_dot("shop.example.com.", "/orders", "shop.example.com/orders")]
#[case::wildcard("other.example.com", "/orders", "*.example.com/orders")]
#[case::wildcard_at_any_depth("a.b.example.com", "/orders", "*.example.com/orders")]
#[case::nearest_wildcard("a.eu.example.com", "/orders", "*.eu.example.com/orders")]
#[case::a_wildcard_is_not_its_domain("example.com", "/orders", "/orders")]
#[case::a_wildcard_ends_at_a_dot("notexample.com", "/orders", "/orders")]
#[case::none("127.0.0.1", "/orders", "/orders")]
#[case::longest_base_first("shop.example.com", "/orders/1", "shop.example.com/orders")]
#[case::an_endpoint_of_another_host("shop.example.com", "/admin", "/")]
#[case::the_second_host("[::1]:80", "/admin", "GET admin.example.com/admin")]
#[case::an_empty_host("", "/orders", "/orders")]
fn the_most_specific_host_wins(#[case] host: &str, #[case] target: &str, #[case] rule: &str) {
    assert_eq!(decide(Some(host), "GET", target), rule);
}

#[test]
fn a_method_does_not_fall_back_to_a_less_specific_host() {
    assert_eq!(
        decide(Some("admin.example.com"), "POST", "/admin"),
        "method-not-allowed"
    );
}

#[test]
fn a_policy_with_hosts_rejects_requests_without_one() {
    assert_eq!(decide(None, "GET", "/orders"), "malformed-request");
}
