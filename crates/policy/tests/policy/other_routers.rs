//! Other routers' syntax: an error with a hint in a policy's syntax, never a rule that matches nothing
//! and leaves its requests to a laxer one.

use keygate_expression::Facts;
use keygate_policy::{
    Policy, Request,
    path::{Pattern, TrailingSlash},
};
use proptest::prelude::*;
use rstest::rstest;

/// The message and the hint of the only error in a policy.
fn only_error(text: &str) -> String {
    let errors = Policy::from_yaml(text).map(drop).unwrap_err();
    assert_eq!(errors.len(), 1, "{text}\n{errors:?}");
    let diagnostic = errors[0].diagnostic();
    assert!(diagnostic.span.is_some(), "{text}");
    format!("{} = {}", diagnostic.message, diagnostic.help.unwrap())
}

#[rstest]
#[case("ALL", "remove `methods`")]
#[case("all", "remove `methods`")]
#[case("ANY", "remove `methods`")]
#[case("'*'", "remove `methods`")]
#[case("DELTE", "did you mean `DELETE`?")]
#[case("GTE", "did you mean `GET`?")]
#[case("POTS", "did you mean `POST`?")]
#[case("get", "did you mean `GET`?")]
#[case("Purge", "did you mean `PURGE`?")]
#[case("'GET, POST'", "write a list of methods: `[GET, POST]`")]
#[case("GET|POST", "write a list of methods: `[GET, POST]`")]
#[case("APPROVE", "`customMethods: [APPROVE]`")]
#[case("approve", "capital letters")]
fn a_method_that_no_request_has_is_an_error(#[case] method: &str, #[case] help: &str) {
    let text = format!("version: 1\nendpoints:\n  - path: /a\n    methods: [{method}]\n");
    let error = only_error(&text);
    assert!(error.contains(help), "{error}");
}

#[test]
fn registered_and_custom_methods_are_accepted() {
    let text = "version: 1\ncustomMethods: [APPROVE]\nendpoints:\n  - path: /a\n    \
                methods: [GET, PROPFIND, VERSION-CONTROL, QUERY, PURGE, APPROVE]\n";
    Policy::from_yaml(text).unwrap();
    let error = only_error("version: 1\ncustomMethods: [ALL]\nendpoints:\n  - path: /a\n");
    assert!(error.contains("`ALL`"), "{error}");
}

#[rstest]
#[case("/orders/*", "covers everything below it")]
#[case("/orders/**", "covers everything below it")]
#[case("/orders/*rest", "covers everything below it")]
#[case("/orders/*/refund", "`{name}`")]
#[case("/orders/**/refund", "`{name}`")]
#[case("/files/*.js", "`{name}`")]
#[case("/orders/:id", "`{id}`")]
#[case("/orders/:id/refund", "`{id}`")]
#[case("/orders/:id([0-9]+)", "`{id}`")]
#[case("/orders/x-:id", "a whole segment")]
#[case("/@:user/orders", "a whole segment")]
#[case("/files/name.:extension", "a whole segment")]
#[case("/orders/<id>", "`{id}`")]
#[case("/orders/<int:id>/x", "`{id}`")]
#[case("/orders/$id", "`{id}`")]
#[case("/orders/[id]", "`{id}`")]
#[case("/orders/[...rest]", "covers everything below it")]
#[case("/orders/...", "covers everything below it")]
#[case("/orders/{id:[0-9]+}", "`{id}`")]
#[case("/orders/{id:int}", "`{id}`")]
#[case("/orders/${id}", "`{id}`")]
#[case("/orders/{{id}}", "`{id}`")]
#[case("/orders/{rest...}", "covers everything below it")]
#[case("/orders/{**rest}", "covers everything below it")]
#[case("/orders/{rest:.*}", "covers everything below it")]
#[case("/orders/{*rest}", "remove the last segment")]
#[case("/orders/[0-9]+", "regular expression")]
#[case("/orders/(\\d+)", "regular expression")]
#[case("/orders/(a|b)", "regular expression")]
#[case("/orders/.+", "regular expression")]
#[case("/orders$", "regular expression")]
#[case("^/orders", "regular expression")]
#[case("~ ^/orders", "regular expression")]
#[case("= /orders", "regular expression")]
#[case("/orders?x=1", "`%3F`")]
#[case("/orders#x", "`%23`")]
fn a_path_of_another_router_is_an_error(#[case] path: &str, #[case] help: &str) {
    let text = format!("version: 1\nendpoints:\n  - path: '{path}'\n");
    let error = only_error(&text);
    assert!(error.contains(help), "{error}");
}

#[rstest]
#[case("/*", "`{*rest}`")]
#[case("/**", "`{*rest}`")]
#[case("/*/refund", "`{name}`")]
#[case("/:id", "`{id}`")]
#[case("/{rest...}", "`{*rest}`")]
#[case("/<path:rest>", "`{*rest}`")]
#[case("/[...rest]", "`{*rest}`")]
fn a_route_of_another_router_is_an_error(#[case] path: &str, #[case] help: &str) {
    let text =
        format!("version: 1\nendpoints:\n  - path: /orders\n    routes:\n      - path: '{path}'\n");
    let error = only_error(&text);
    assert!(error.contains(help), "{error}");
}

/// The label of the rule that decides a request.
fn endpoint(policy: &Policy, target: &str) -> Option<String> {
    let request = Request {
        method: "GET",
        target: target.as_bytes(),
        host: None,
        is_cors_preflight: false,
        facts: Facts {
            client_type: Some("A"),
            ..Facts::default()
        },
    };
    policy
        .decide(&request)
        .rule
        .map(|rule| rule.label().to_owned())
}

#[rstest]
#[case("/%2A", "/*")]
#[case("/%2A%2A", "/**")]
#[case("/%3Aid", "/:id")]
#[case("/%24id", "/$id")]
#[case("/%3Cid%3E", "/%3Cid%3E")]
#[case("/%5Bid%5D", "/[id]")]
#[case("/%7Bid%7D", "/%7bid%7d")]
#[case("/a%7Cb", "/a%7Cb")]
#[case("/.%2B", "/.+")]
#[case("/%2E%2E%2E", "/...")]
#[case("/Orders(1)", "/Orders(1)")]
#[case("/v1:cancel", "/v1:cancel")]
#[case("/a+b@c,d", "/a+b@c,d")]
fn a_percent_encoded_character_is_literal(#[case] path: &str, #[case] target: &str) {
    let text = format!("version: 1\nendpoints:\n  - path: '/x{path}'\n");
    let policy = Policy::from_yaml(&text).unwrap().policy;
    let label = endpoint(&policy, &format!("/x{target}")).unwrap();
    assert_eq!(endpoint(&policy, "/x/other"), None);
    let again = Pattern::base(&label, TrailingSlash::Ignore).unwrap();
    assert_eq!(policy.rules()[0].path(), &again, "{label}");
}

proptest! {
    /// Importers write paths in this form.
    #[test]
    fn a_displayed_path_parses_to_the_same_path(text in "[!-~]{1,8}") {
        let encoded: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let encoded = encoded.concat();
        if let Ok(pattern) = Pattern::base(&format!("/{encoded}"), TrailingSlash::Ignore) {
            let shown = pattern.to_string();
            prop_assert_eq!(Pattern::base(&shown, TrailingSlash::Ignore), Ok(pattern), "{}", shown);
        }
    }
}
