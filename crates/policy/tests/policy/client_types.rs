//! `clientTypes`: the short form for a list of client types.

use keygate_expression::{Facts, User};
use keygate_policy::{Policy, Reason, Request};
use rstest::rstest;

const POLICY: &str = "\
version: 1
endpoints:
  - path: /list
    clientTypes: [A, 'B']
  - path: /both
    clientTypes: [A, B]
    groupExpression: groups.staff || groups.admin
    backofficeExpression: groups.support
    routes:
      - path: /own-expression
        groupExpression: 'true'
      - path: /own-list
        clientTypes: [C]
      - path: /shadowed
        groupExpression: 'true'
        shadow: 'true'
  - path: /open
    apiKeyRequired: false
    clientTypes: [A]
";

fn decide(
    policy: &Policy,
    target: &str,
    client_type: &str,
    group: &str,
    backoffice: bool,
) -> Reason {
    let user = User {
        groups: [group].into_iter().collect(),
        ..User::default()
    };
    let request = Request {
        method: "GET",
        target: target.as_bytes(),
        host: None,
        is_cors_preflight: false,
        facts: Facts {
            client_type: Some(client_type).filter(|it| !it.is_empty()),
            is_backoffice: backoffice,
            user: Some(&user),
        },
    };
    policy.decide(&request).reason
}

#[rstest]
#[case("/list", "A", "", false, Reason::Ok)]
#[case("/list", "B", "", false, Reason::Ok)]
#[case("/list", "C", "", false, Reason::ExpressionFalse)]
#[case("/list", "a", "", false, Reason::ExpressionFalse)]
#[case("/list", "", "", false, Reason::MissingKey)]
#[case("/both", "A", "staff", false, Reason::Ok)]
#[case("/both", "B", "admin", false, Reason::Ok)]
#[case("/both", "A", "", false, Reason::ExpressionFalse)]
#[case("/both", "C", "staff", false, Reason::ExpressionFalse)]
#[case("/both", "C", "admin", false, Reason::ExpressionFalse)]
#[case("/both", "A", "support", true, Reason::Ok)]
#[case("/both", "C", "support", true, Reason::ExpressionFalse)]
#[case("/both/own-expression", "A", "", false, Reason::Ok)]
#[case("/both/own-expression", "C", "", false, Reason::ExpressionFalse)]
#[case("/both/own-list", "C", "staff", false, Reason::Ok)]
#[case("/both/own-list", "C", "", false, Reason::ExpressionFalse)]
#[case("/both/own-list", "A", "staff", false, Reason::ExpressionFalse)]
#[case("/both/own-list", "C", "support", true, Reason::Ok)]
#[case("/open", "", "", false, Reason::ExpressionFalse)]
#[case("/open", "A", "", false, Reason::Ok)]
fn client_types_and_the_expression_must_both_hold(
    #[case] target: &str,
    #[case] client_type: &str,
    #[case] group: &str,
    #[case] backoffice: bool,
    #[case] expected: Reason,
) {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    assert_eq!(
        decide(&policy, target, client_type, group, backoffice),
        expected
    );
}

#[test]
fn a_shadow_keeps_the_client_types() {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    let rule = policy
        .rules()
        .iter()
        .find(|rule| rule.label() == "/both/shadowed")
        .unwrap();
    let shadow = rule.shadow_expression(false).unwrap();
    assert_eq!(shadow.to_string(), "['A', 'B'].includes(clientType)");
    let both = policy
        .rules()
        .iter()
        .find(|rule| rule.label() == "/both")
        .unwrap();
    assert_eq!(
        both.group_expression().to_string(),
        "['A', 'B'].includes(clientType) && (groups.staff || groups.admin)"
    );
    assert_eq!(
        Vec::from_iter(both.group_expression().client_types()),
        ["A", "B"]
    );
}

#[rstest]
#[case("[]", "an empty list in `clientTypes` matches nothing")]
#[case("['*']", "remove `clientTypes`")]
#[case("['A B']", "without spaces")]
#[case("['']", "without spaces")]
#[case("[A, A]", "is repeated")]
fn a_client_type_that_no_key_can_have_is_an_error(#[case] list: &str, #[case] message: &str) {
    let text = format!("version: 1\nendpoints:\n  - path: /a\n    clientTypes: {list}\n");
    let errors = Policy::from_yaml(&text).map(drop).unwrap_err();
    let shown = errors[0].diagnostic().render("policy.yaml", &text);
    assert!(errors.len() == 1 && shown.contains(message), "{shown}");
}

#[test]
fn client_types_that_contradict_the_expression_are_a_warning() {
    let text = "\
version: 1
endpoints:
  - path: /a
    groupExpression: clientType === 'A'
    routes:
      - path: /b
        clientTypes: [B]
      - path: /c
        clientTypes: [B, A]
";
    let warnings = Policy::from_yaml(text).unwrap().warnings;
    let shown: Vec<_> = warnings
        .iter()
        .map(|it| it.render("policy.yaml", text))
        .collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].contains("no request satisfies both") && shown[0].contains("policy.yaml:7:22"),
        "{}",
        shown[0]
    );
}

#[rstest]
#[case("'false'")]
#[case("'0'")]
fn a_route_that_is_closed_does_not_contradict_the_list(#[case] closed: &str) {
    let text = format!(
        "version: 1\nendpoints:\n  - path: /a\n    clientTypes: [A]\n    routes:\n      - path: /b\n        \
         groupExpression: {closed}\n"
    );
    let warnings = Policy::from_yaml(&text).unwrap().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_listed_client_type_that_no_key_has_is_marked_in_the_list() {
    let text = "\
version: 1
endpoints:
  - path: /a
    clientTypes: [A, ShopX]
    groupExpression: clientType !== 'Z' || groups.x
    routes:
      - path: /b
";
    let policy = Policy::from_yaml(text).unwrap().policy;
    let warnings = policy.client_type_warnings(&["A", "Shop"]);
    let shown: Vec<_> = warnings
        .iter()
        .map(|it| it.render("policy.yaml", text))
        .collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(
        shown[0].contains("`ShopX`") && shown[0].contains("policy.yaml:4:22"),
        "{}",
        shown[0]
    );
    assert!(
        shown[1].contains("`Z`") && shown[1].contains("policy.yaml:5:37"),
        "{}",
        shown[1]
    );
}
