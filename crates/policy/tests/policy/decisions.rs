//! The decisions of the policy in the contract.

use keygate_expression::{Facts, User};
use keygate_policy::{Policy, Reason, Request, Status};
use rstest::rstest;

const POLICY: &str = "
version: 1
endpoints:
  - path: /orders
    methods: [GET, POST]
    description: Order API
    groupExpression: clientType === 'A' || clientType === 'B'
    backofficeExpression: clientType === 'back'
    corsPreflight: allow
    routes:
      - path: /{id}/refund
        methods: [POST]
        groupExpression: clientType === 'A'
      - path: /public
        apiKeyRequired: false
        groupExpression: true
  - path: /orders/archive
    authenticationRequired: true
    apiKeyRequired: false
  - path: /open
    apiKeyRequired: false
  - path: /closed
    apiKeyRequired: false
    groupExpression: false
";

/// `METHOD TARGET [by CLIENT_TYPE] [logged-in] [backoffice] [preflight]`.
fn decide(policy: &Policy, request: &str) -> String {
    let words: Vec<_> = request.split(' ').collect();
    let user = User {
        id: "u".to_owned(),
        ..User::default()
    };
    let facts = Facts {
        client_type: words
            .iter()
            .position(|word| *word == "by")
            .map(|at| words[at + 1]),
        is_backoffice: words.contains(&"backoffice"),
        user: words.contains(&"logged-in").then_some(&user),
    };
    let decision = policy.decide(&Request {
        method: words[0],
        target: words[1].as_bytes(),
        host: None,
        is_cors_preflight: words.contains(&"preflight"),
        facts,
    });
    let rule = decision.rule.map_or("-", |rule| rule.label());
    format!("{} {} {rule}", decision.status.code(), decision.reason)
}

#[rstest]
#[case::key_of_a_named_type("GET /orders by A", "200 ok GET,POST /orders")]
#[case::everything_below("GET /orders/1/items by B", "200 ok GET,POST /orders")]
#[case::no_key("GET /orders", "401 missing-key GET,POST /orders")]
#[case::another_type("GET /orders by C", "403 expression-false GET,POST /orders")]
#[case::segment_boundary("GET /orders-old by A", "403 no-endpoint -")]
#[case::unknown_method("DELETE /orders by A", "403 method-not-allowed -")]
#[case::head_follows_get("HEAD /orders by A", "200 ok GET,POST /orders")]
#[case::methods_are_case_sensitive("get /orders by A", "403 method-not-allowed -")]
#[case::route("POST /orders/1/refund by A", "200 ok POST /orders/{id}/refund")]
#[case::route_refuses(
    "POST /orders/1/refund by B",
    "403 expression-false POST /orders/{id}/refund"
)]
#[case::route_is_exact("POST /orders/1/refund/x by B", "200 ok GET,POST /orders")]
#[case::route_has_only_its_methods("GET /orders/1/refund by B", "200 ok GET,POST /orders")]
#[case::route_inherits_methods("DELETE /orders/public", "403 method-not-allowed -")]
#[case::route_needs_no_key("GET /orders/public", "200 ok GET,POST /orders/public")]
#[case::slash_at_the_end("GET /orders/public/", "200 ok GET,POST /orders/public")]
#[case::longest_base("GET /orders/archive/1", "401 missing-user /orders/archive")]
#[case::logged_in("GET /orders/archive/1 logged-in", "200 ok /orders/archive")]
#[case::back_office("GET /orders by A backoffice", "403 expression-false GET,POST /orders")]
#[case::back_office_expression("GET /orders by back backoffice", "200 ok GET,POST /orders")]
#[case::back_office_of_a_route(
    "POST /orders/1/refund by back backoffice",
    "200 ok POST /orders/{id}/refund"
)]
#[case::preflight("OPTIONS /orders preflight", "200 ok GET,POST /orders")]
#[case::options_that_is_no_preflight("OPTIONS /orders by A", "403 method-not-allowed -")]
#[case::preflight_not_allowed(
    "OPTIONS /orders/archive preflight",
    "401 missing-user /orders/archive"
)]
#[case::preflight_is_only_options("GET /orders preflight", "401 missing-key GET,POST /orders")]
#[case::unknown_caller("GET /closed", "401 expression-false /closed")]
#[case::known_caller("GET /closed logged-in", "403 expression-false /closed")]
#[case::query("GET /orders?x=/../open by A", "200 ok GET,POST /orders")]
#[case::dot_segments("GET /open/../orders", "401 missing-key GET,POST /orders")]
#[case::dot_segments_under_two_rules("GET /open/../orders by A", "200 ok GET,POST /orders")]
#[case::dot_segments_to_a_denied_path("GET /closed/../open", "403 ambiguous-path -")]
#[case::dot_segments_inside("GET /open/a/../b", "200 ok /open")]
#[case::repeated_slashes("GET //orders///1 by A", "200 ok GET,POST /orders")]
#[case::encoded_slash("GET /open%2Fx", "403 ambiguous-path -")]
#[case::parameters("GET /open/..;/closed", "403 ambiguous-path -")]
#[case::no_path("OPTIONS * by A", "403 malformed-request -")]
fn the_policy_decides(#[case] request: &str, #[case] expected: &str) {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    assert_eq!(decide(&policy, request), expected);
}

#[test]
fn the_reason_is_the_first_in_the_documented_order() {
    let text = "
version: 1
endpoints:
  - path: /
    authenticationRequired: true
    groupExpression: false
";
    let policy = Policy::from_yaml(text).unwrap().policy;
    assert_eq!(decide(&policy, "GET /"), "401 missing-key /");
    assert_eq!(decide(&policy, "GET / by A"), "401 missing-user /");
    assert_eq!(
        decide(&policy, "GET / by A logged-in"),
        "403 expression-false /"
    );
}

#[test]
fn every_reason_has_its_status() {
    for reason in Reason::ALL {
        let expected = match reason {
            Reason::Ok => Status::Ok,
            Reason::MissingKey | Reason::MissingUser | Reason::InvalidToken => Status::Unauthorized,
            Reason::UserUnavailable => Status::Unavailable,
            _ => Status::Forbidden,
        };
        assert_eq!(reason.status(true), expected);
        let anonymous = reason.status(false);
        assert_eq!(anonymous != expected, reason == Reason::ExpressionFalse);
    }
}
