//! A part of an expression that is true for every request, although it looks like a condition.

use keygate_policy::Policy;
use rstest::rstest;

fn policy(field: &str, expression: &str) -> String {
    format!("version: 1\nendpoints:\n  - path: /a\n    {field}: |\n      {expression}\n")
}

#[rstest]
#[case("clientType === 'A' || 'B'")]
#[case("clientType === 'A' && 'B'")]
#[case("'false'")]
#[case("clientType !== ['A']")]
#[case("clientType !== 'A' || clientType !== 'B'")]
#[case("!clientType !== 'A'")]
#[case("groups.admin || !groups.admin")]
#[case("groups.admin || groups")]
fn a_part_that_is_always_true_is_an_error(#[case] expression: &str) {
    for field in ["groupExpression", "backofficeExpression", "shadow"] {
        let errors = Policy::from_yaml(&policy(field, expression)).unwrap_err();
        assert_eq!(errors.len(), 1, "{field}: {errors:?}");
    }
}

#[rstest]
#[case("true")]
#[case("1")]
#[case("clientType === 'A' || clientType === 'B'")]
#[case("clientType !== 'A' && clientType !== 'B'")]
fn a_condition_or_a_plain_true_is_accepted(#[case] expression: &str) {
    Policy::from_yaml(&policy("groupExpression", expression)).unwrap();
}
