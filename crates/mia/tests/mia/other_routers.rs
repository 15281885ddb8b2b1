//! Other routers' syntax in Mia-Platform's files: an error with a hint in the file's own syntax.

use keygate_expression::Facts;
use keygate_mia::{auth_json::AuthJson, console::Console};
use keygate_policy::{Policy, Request};
use rstest::rstest;

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
#[case(
    "/orders/*",
    "ALL",
    "write `/orders`, because a path covers everything below it"
)]
#[case(
    "/orders/:id/*",
    "ALL",
    "write `/orders/:id`, because a path covers everything"
)]
#[case("orders/*", "ALL", "write `/orders`")]
#[case("/orders/*/refund", "ALL", "`:name`")]
#[case("/orders/{id}", "ALL", "`:id`")]
#[case("/orders/<id>", "ALL", "`:id`")]
#[case("/orders/:id(\\\\d+)", "ALL", "`:id`")]
#[case("/orders/[0-9]+", "ALL", "regular expression")]
#[case("/orders", "ANY", "write `ALL`")]
#[case("/orders", "*", "write `ALL`")]
#[case("/orders", "all", "write `ALL`")]
#[case("/orders", "DELTE", "did you mean `DELETE`?")]
#[case("/orders", "get", "did you mean `GET`?")]
fn an_auth_json_of_another_router_is_an_error(
    #[case] path: &str,
    #[case] method: &str,
    #[case] help: &str,
) {
    let text = format!(
        r#"{{ "{path}": {{ "{method}": {{ "authorization": {{ "expression": "true", "public": true }} }} }} }}"#
    );
    let errors = AuthJson::parse(&text).map(drop).unwrap_err();
    let shown = errors[0].diagnostic().render("auth.json", &text);
    assert!(errors.len() == 1 && shown.contains(help), "{shown}");
}

#[test]
fn an_auth_json_path_may_contain_an_encoded_wildcard() {
    let text =
        r#"{ "/x/%2A": { "ALL": { "authorization": { "expression": "true", "public": true } } } }"#;
    let file = AuthJson::parse(text).unwrap();
    let imported = Policy::from_yaml(&file.to_policy_yaml()).unwrap().policy;
    for policy in [imported, file.load().unwrap().policy] {
        assert_eq!(endpoint(&policy, "/x/*").as_deref(), Some("/x/%2A"));
        assert_eq!(endpoint(&policy, "/x/other"), None);
    }
}

#[rstest]
#[case("/orders/*", "GET", "covers everything below it")]
#[case("/orders", "ANY", "write `ALL`")]
#[case("/orders", "DELTE", "did you mean `DELETE`?")]
fn a_console_file_of_another_router_is_an_error(
    #[case] path: &str,
    #[case] verb: &str,
    #[case] help: &str,
) {
    let text = format!(
        r#"{{ "endpoints": {{ "a": {{
        "basePath": "{path}", "public": true, "secreted": true, "acl": "true",
        "routes": {{ "b": {{ "path": "/b", "verb": "{verb}" }} }}
        }} }} }}"#
    );
    let errors = Console::parse(&text).map(drop).unwrap_err();
    let shown = errors[0]
        .diagnostic()
        .render_without_source("console.json", &text);
    assert!(errors.len() == 1 && shown.contains(help), "{shown}");
}

#[test]
fn a_wildcard_in_a_console_route_gets_a_hint_at_endpoints() {
    let text = r#"{ "endpoints": { "a": {
        "basePath": "/orders", "public": true, "secreted": true, "acl": "true",
        "routes": { "b": { "path": "/b/*", "verb": "GET" } }
        } } }"#;
    let errors = Console::parse(text).map(drop).unwrap_err();
    let shown = errors[0].diagnostic().render("console.json", text);
    assert!(errors.len() == 1, "{shown}");
    assert!(shown.contains("use an endpoint with this path"), "{shown}");
}
