//! A decision allocates no memory.

use keygate_expression::{Facts, User};
use keygate_policy::{Policy, Reason, Request};

#[test]
fn deciding_on_a_canonical_target_allocates_nothing() {
    let text = "
version: 1
endpoints:
  - path: /orders
    hosts: [shop.example.com, '*.example.org']
    groupExpression: clientType === 'A' || groups.finance
    routes:
      - path: /{id}/refund
        methods: [POST]
      - path: /{*rest}
        methods: [GET]
";
    let policy = Policy::from_yaml(text).unwrap().policy;
    let user = User {
        groups: ["finance"].into_iter().collect(),
        ..User::default()
    };
    let facts = Facts {
        client_type: Some("B"),
        user: Some(&user),
        ..Facts::default()
    };
    let decide = |method, target: &str, host| {
        let request = Request {
            method,
            target: target.as_bytes(),
            host: Some(host),
            is_cors_preflight: false,
            facts,
        };
        let matched = policy.matched(&request);
        assert_eq!(matched.needs().user, matched.rule().is_some());
        matched.judge(facts.user).reason
    };
    let memory = allocation_counter::measure(|| {
        assert_eq!(
            decide("POST", "/orders/17/refund", "Shop.Example.com:443"),
            Reason::Ok
        );
        assert_eq!(
            decide("HEAD", "/orders/a/b?c=%2f", "a.b.example.org"),
            Reason::Ok
        );
        assert_eq!(decide("PUT", "/orders/.x", "shop.example.com."), Reason::Ok);
        assert_eq!(decide("GET", "/else", "example.net"), Reason::NoEndpoint);
    });
    assert_eq!(memory.count_total, 0);
}
