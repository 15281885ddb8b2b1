//! The semantics of expressions.

use keygate_documents::yaml::{self, Content};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{NameSet, User};

fn user(groups: &[&str], permissions: &[&str]) -> User {
    let properties = json!({
        "name": "Ada",
        "tenant": { "id": 7, "regions": ["eu", "us"] },
        "roles": ["admin"],
        "none": null,
        "toString": "mine",
    });
    User {
        id: "u1".to_owned(),
        groups: groups.iter().copied().collect::<NameSet>(),
        permissions: permissions.iter().copied().collect(),
        properties: properties.as_object().cloned().unwrap(),
    }
}

/// Returns `yes`, `no` or the error.
fn result(source: &str, facts: &Facts<'_>) -> String {
    match Expression::parse(source).unwrap().evaluate(facts) {
        Ok(true) => "yes".to_owned(),
        Ok(false) => "no".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[rstest]
#[case::loose("clientType == \"a\" || clientType == \"b\"", "a", "", "yes")]
#[case::loose("clientType == \"a\" || clientType == \"b\"", "c", "", "no")]
#[case::strict("clientType === 'A'", "A", "", "yes")]
#[case::strict("clientType === 'A'", "a", "", "no")]
#[case::member("groups.admin", "", "admin", "yes")]
#[case::member("groups.admin", "", "user", "no")]
#[case::names("\"admin\" in groups || \"user\" in groups", "", "user", "yes")]
#[case::names("\"admin\" in groups || \"user\" in groups", "", "other", "no")]
#[case::any("[\"admin\",\"user\"] in groups", "", "user", "yes")]
#[case::any("[\"admin\",\"user\"] in groups", "", "admin,user", "yes")]
#[case::any("[\"admin\",\"user\"] in groups", "", "other", "no")]
#[case::permission("permissions[\"write:orders\"]", "", "p:write:orders", "yes")]
#[case::permission("permissions[\"write:orders\"]", "", "write:orders", "no")]
#[case::permission("permissions.x", "", "p:x", "yes")]
#[case::permission("\"x\" in permissions", "", "p:x", "yes")]
#[case::backoffice("groups.admin && isBackoffice", "", "admin", "no")]
#[case::backoffice("groups.admin && isBackoffice", "", "admin,backoffice", "yes")]
#[case::backoffice(
    "isBackoffice && (groups.admin || groups.user)",
    "",
    "user,backoffice",
    "yes"
)]
#[case::backoffice("isBackoffice && (groups.admin || groups.user)", "", "user", "no")]
#[case::everybody("true", "", "", "yes")]
#[case::nobody("false", "A", "admin", "no")]
#[case::older_everybody("1", "", "", "yes")]
#[case::older_nobody("0", "A", "admin", "no")]
fn expressions_evaluate_as_mia_platform_documents(
    #[case] source: &str,
    #[case] client_type: &str,
    #[case] names: &str,
    #[case] expected: &str,
) {
    let names: Vec<_> = names.split(',').filter(|name| !name.is_empty()).collect();
    let permissions: Vec<_> = names
        .iter()
        .filter_map(|name| name.strip_prefix("p:"))
        .collect();
    let user = user(&names, &permissions);
    let facts = Facts {
        client_type: Some(client_type).filter(|it| !it.is_empty()),
        is_backoffice: names.contains(&"backoffice"),
        user: Some(&user),
    };
    assert_eq!(result(source, &facts), expected);
}

/// The result for one user with groups `user` and `a-b`, and permission `length`.
fn result_for_ada(source: &str) -> String {
    let user = user(&["user", "a-b"], &["length"]);
    result(
        source,
        &Facts {
            client_type: Some("A"),
            is_backoffice: false,
            user: Some(&user),
        },
    )
}

#[rstest]
#[case("groups['a-b'] === true")]
#[case("groups.other == null")]
#[case("'a-b' in groups && !('other' in groups)")]
#[case("groups.constructor == null && groups.__proto__ == null && groups.toString == null")]
#[case("groups.length == null && permissions.length")]
#[case("!('constructor' in groups) && !('__proto__' in user)")]
#[case("user.toString === 'mine' && user.hasOwnProperty == null")]
#[case("user.tenant.id === 7 && user['tenant']['regions'][1] === 'us'")]
#[case("user.tenant.regions.length === 2 && clientType.length === 1 && clientType[0] === 'A'")]
#[case("1 in user.tenant.regions && !('eu' in user.tenant.regions)")]
#[case("user.tenant.regions == 'eu,us' && user.roles == 'admin'")]
#[case("user.none === null && user.other != 0 && user.none == user.other")]
#[case("groups[clientType] == null && groups[user.roles] == null")]
#[case("'1' == 1 && true == '1' && !(null == 0) && '' == 0 && [] == false && [1] == 1")]
#[case("' 0x1F ' == 31 && '1e3' == 1000 && '0b101' == 5 && !('1_0' == 10) && !('0x' == 0)")]
#[case("'10' < '9' && '10' > 9 && null < 1 && !(user.other < 1) && !(user.other >= 1)")]
#[case("'\u{ffff}' > '\u{10000}'")]
#[case("user.tenant === user.tenant && user.roles !== ['admin'] && groups !== permissions")]
#[case("clientType || user.none.x")]
#[case("(user.none || 'x') === 'x' && ('' && user.none.x) === ''")]
#[case("'it\\'s \\x41\\u00e8\\u{e8}' === \"it's A\u{e8}\u{e8}\"")]
#[case("-1 < 0 && .5 === 5e-1 && 1. === 1")]
#[case("['other', 'user'] in groups && !([] in groups) && !(['x', 'y'] in groups)")]
#[case("['A', 'B'].includes(clientType) && !['B', \"C\"].includes(clientType)")]
#[case("user.tenant.regions.includes('us') && !user.roles.includes('us')")]
#[case("['us'].includes(user.tenant.regions[1]) && user['roles']['includes']('admin')")]
#[case("[1].includes(1) && ![1].includes('1') && [0].includes(-0) && ![null].includes(0)")]
#[case("[user.none].includes(null) && [user.other].includes(user.another)")]
#[case("[user.tenant].includes(user.tenant) && ![[]].includes([]) && ![].includes(user.x)")]
#[case("[['A']][0].includes(clientType,) && (user.x || ['A']).includes(clientType)")]
#[case("user.tenant.regions in user == false && user.roles in groups == false")]
fn values_are_true_as_in_javascript(#[case] source: &str) {
    assert_eq!(result_for_ada(source), "yes");
}

#[rstest]
#[case("user.other.x", "`undefined` has no properties")]
#[case("!user.other.x", "`undefined` has no properties")]
#[case("!!!(user.other.x === 'a') || true", "`undefined` has no properties")]
#[case("user.none['x']", "`null` has no properties")]
#[case(
    "'x' in clientType",
    "the right side of `in` must be an object or a list, not a string"
)]
#[case(
    "'x' in user.other",
    "the right side of `in` must be an object or a list, not undefined"
)]
#[case(
    "[] in clientType",
    "the right side of `in` must be an object or a list, not a string"
)]
#[case(
    "['user', groups] in groups",
    "an object cannot be converted to a string or a number"
)]
#[case("user.other.includes('x')", "`undefined` has no properties")]
#[case("user.none.includes('x')", "`null` has no properties")]
#[case(
    "user.name.includes('A')",
    "`.includes` works only on a list, not on a string"
)]
#[case(
    "user.tenant.includes('x')",
    "`.includes` works only on a list, not on an object"
)]
#[case(
    "(groups || user).includes('x')",
    "`.includes` works only on a list, not on an object"
)]
#[case("['A', user.other.x].includes('A')", "`undefined` has no properties")]
#[case("[].includes(user.other.x)", "`undefined` has no properties")]
#[case(
    "groups != 'banned'",
    "an object cannot be converted to a string or a number"
)]
#[case("user < 1", "an object cannot be converted to a string or a number")]
#[case(
    "[user] == ''",
    "an object cannot be converted to a string or a number"
)]
#[case(
    "groups[user]",
    "an object cannot be converted to a string or a number"
)]
#[case("'\u{1f600}'[1]", "the index is in the middle of a character")]
fn an_error_denies_inside_any_expression(#[case] source: &str, #[case] expected: &str) {
    assert_eq!(result_for_ada(source), expected);
}

#[test]
fn an_anonymous_user_has_no_groups_and_no_properties() {
    let anonymous = Facts::default();
    for source in [
        "clientType === null && isBackoffice === false",
        "groups.admin == null && permissions.x == null && user.name == null",
        "user && groups && user === user && !('name' in user)",
    ] {
        assert_eq!(result(source, &anonymous), "yes", "{source}");
    }
}

#[rstest]
#[case::parentheses("(")]
#[case::negations("!")]
#[case::lists("[")]
#[case::indexes("user[")]
#[case::properties("user.a.")]
#[case::operators("1==")]
#[case::groups("a||")]
fn hostile_text_is_rejected(#[case] piece: &str) {
    let megabyte = piece.repeat((1 << 20) / piece.len());
    let error = Expression::parse(&megabyte).unwrap_err();
    assert_eq!(
        error,
        ExpressionError::TooLong {
            length: megabyte.len()
        }
    );
    // As deep as the length allows.
    let deep = piece.repeat(16 * 1024 / piece.len());
    Expression::parse(&deep).unwrap_err();
}

#[test]
fn depth_is_limited_and_length_alone_is_not_depth() {
    let too_deep = |source: &str| {
        matches!(
            Expression::parse(source),
            Err(ExpressionError::TooDeep { .. })
        )
    };
    for levels in [99, 100, 101, 5000] {
        let nested = format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
        assert_eq!(too_deep(&nested), levels > 100, "{levels} parentheses");
        assert_eq!(
            too_deep(&format!("{}true", "!".repeat(levels))),
            levels > 99,
            "{levels} `!`"
        );
        assert_eq!(
            too_deep(&format!("user{}", ".a".repeat(levels))),
            levels > 99
        );
        assert_eq!(too_deep(&format!("1{}", "==1".repeat(levels))), levels > 99);
    }
    let wide = vec!["clientType === 'A'"; 700].join(" || ");
    assert_eq!(result_for_ada(&wide), "yes");
    let names = vec!["'user'"; 1500].join(",");
    assert_eq!(result_for_ada(&format!("[{names}] in groups")), "yes");
    let names = format!("[{names}, clientType].includes('A')");
    assert_eq!(result_for_ada(&names), "yes");
    let names = vec!["'user'"; 1500].join(",");
    let error = Expression::parse(&format!("[{names}] == 1")).unwrap_err();
    assert!(matches!(error, ExpressionError::TooManyElements { .. }));
}

#[test]
fn a_deeply_nested_property_is_an_evaluation_error() {
    let mut deep = json!([]);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let mut user = user(&[], &[]);
    user.properties.insert("deep".to_owned(), deep);
    let facts = Facts {
        user: Some(&user),
        ..Facts::default()
    };
    for source in [
        "user.deep == 1",
        "user.deep < 1",
        "user[user.deep]",
        "groups[user.deep]",
    ] {
        assert_eq!(
            result(source, &facts),
            "a list that is nested this deeply cannot be compared",
            "{source}"
        );
        let shown = Expression::parse(source)
            .unwrap()
            .explain(&facts)
            .to_string();
        assert!(shown.contains('…'), "{shown}");
    }
}

/// Returns the rendered errors of some sources.
fn shown(sources: &[&str]) -> String {
    let mut shown = Vec::new();
    for source in sources {
        match Expression::parse(source) {
            Err(error) => shown.push(error.diagnostic().render("expression", source)),
            Ok(expression) => {
                let known: &[&str] = &["A", "B", "cms"];
                for warning in expression.warnings(Some(known)) {
                    shown.push(warning.diagnostic().render("expression", source));
                }
            }
        }
    }
    shown.join("\n\n")
}

#[test]
fn errors_show_their_span_and_a_fix() {
    let shown = shown(&[
        "",
        "clientType = 'A'",
        "clientType === A",
        "'admin' in group",
        "clienttype === 'A'",
        "userRoles.admin",
        "clientType == 'A' && // only A",
        "groups.includes('admin')",
        "isBackoffice()",
        "groups.team-a",
        "groups.admin & isBackoffice",
        "user.age + 1 > 18",
        "groups.admin and isBackoffice",
        "groups.admin ? true : false",
        "user?.tenant",
        "user.tenant ?? 'A'",
        "clientType === `A`",
        "user.x === undefined",
        "typeof user",
        "clientType === 'A",
        "clientType === 'it\\'s\n'",
        "clientType === '\\u12'",
        "clientType === '\\ud800'",
        "user.age > 0x10",
        "user.age > 018",
        "user.age > 1e999",
        "user.age > 18years",
        "clientType === ’A’",
        "(clientType === 'A'",
        "clientType === 'A')",
        "['a', 'b' in groups",
        "groups[",
        "groups.",
        "groups.admin ||",
        "clientType === 'A', true",
        "(1, 2)",
        "{a: 1}",
        "-clientType",
        "clientType é",
        "clientType === \u{1}",
        "[...groups]",
        "() => true",
        "true;",
        "clientType === 'A' 'B'",
        "[1,,2] in groups",
        "clientType in ['A', 'B']",
        "!(clientType in ['blocked'])",
        "groups in ['admin']",
        "user.role in ([1, 'b'])",
        "clientType.includes('A')",
        "'A,B'.includes(clientType)",
        "['A', 'B'].indexOf(clientType) !== -1",
        "['A'].includes()",
        "['A'].includes(clientType, 1)",
        "user.includes('x')",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn likely_errors_are_warnings() {
    let shown = shown(&[
        "clientType === 'C'",
        "'cns' == clientType",
        "clientType == 'A' || 'B'",
        "clientType !== 'A' || clientType !== 'B'",
        "clientType === 'A' && clientType === 'B'",
        "groups === 'admin'",
        "groups == 'admin'",
        "groups && isBackoffice",
        "clientType === 1",
        "!'admin' in groups",
        "!clientType === 'A'",
        "clientType === ['A', 'B']",
        "clientType != ['A', 'B']",
        "groups == ['admin']",
        "clientType === ('A' || 'B')",
        "['A' && 'B'].includes(clientType)",
        "[1].includes(clientType)",
        "['A', 'C'].includes(clientType)",
        "clientType !== 'A ' && clientType !== ''",
        "groups.length > 0",
        "['staff'].includes(groups)",
        "groups.admin.x || isBackoffice",
        "groups.admin || true",
        "groups.admin || !groups.admin",
        "isBackoffice && (groups['a'] === 'a')",
        "'x'",
        "'admin' in clientType || isBackoffice",
    ]);
    insta::assert_snapshot!(shown);
}

#[rstest]
#[case("true")]
#[case("1")]
#[case("clientType === 'A' || clientType === 'B'")]
#[case("clientType !== 'A' && clientType !== 'B'")]
#[case("clientType == null")]
#[case("groups.admin && isBackoffice || groups.user")]
#[case("['admin', 'user'] in groups")]
#[case("!('admin' in groups)")]
#[case("user.tenant && user.tenant.id === 7 && user.tenant.id !== 7")]
#[case("clientType > 'A' && clientType < 'B'")]
#[case("(!isBackoffice) === true")]
#[case("(clientType || 'cms') === 'cms'")]
#[case("['A', 'B'].includes(clientType) || !['cms'].includes(clientType)")]
#[case("user.roles.includes('admin')")]
#[case("user.tenant && user.tenant.regions != null")]
fn valid_uses_get_no_warning(#[case] source: &str) {
    let expression = Expression::parse(source).unwrap();
    assert_eq!(expression.warnings(Some(&["A", "B", "cms", "16"])), []);
}

fn explained(source: &str) -> Explanation {
    let user = user(&["finance", "user"], &["read"]);
    let facts = Facts {
        client_type: Some("B"),
        is_backoffice: false,
        user: Some(&user),
    };
    Expression::parse(source).unwrap().explain(&facts)
}

#[test]
fn an_explanation_marks_the_part_that_decided() {
    let sources = [
        "clientType === 'A' || groups.finance && clientType === 'B'",
        "clientType === 'A' && groups.finance",
        "clientType === 'A' || isBackoffice",
        "clientType === 'B' && groups.finance",
        "!(clientType === 'A' || groups.finance) || isBackoffice",
        "user.address.city === 'Rome' || true",
        "['admin', clientType] in groups",
        "user.roles == 'admin' && user.tenant",
        "['A', 'B', user.name].includes(clientType)",
    ];
    let all: Vec<_> = sources
        .iter()
        .map(|source| explained(source).to_string())
        .collect();
    let all = all.join("\n\n");
    insta::assert_snapshot!(all);
}

#[test]
fn an_explanation_serializes_to_json() {
    let explanation = explained("clientType === 'A' && groups.x || user.address.city");
    let json = serde_json::to_string_pretty(&explanation).unwrap();
    insta::assert_snapshot!(json);
}

/// The code blocks of one kind in the documentation.
fn documented(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    let text = include_str!("../../../docs/reference/expressions.md");
    let blocks: Vec<_> = text
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect();
    assert!(!blocks.is_empty(), "no `{kind}` in the documentation");
    blocks
}

/// The expressions of the documentation, as parsed from YAML.
fn documented_expressions() -> Vec<String> {
    let blocks = documented("yaml").into_iter();
    let fields = blocks.flat_map(|block| block.split("groupExpression: ").skip(1));
    let read = |field| {
        let text = format!("- {field}\n");
        let [expression] = yaml::from_str::<[String; 1]>(&text, Content::Public).unwrap();
        expression
    };
    fields.map(read).collect()
}

#[test]
fn the_documentation_matches_the_messages() {
    for source in documented_expressions() {
        assert_eq!(
            Expression::parse(&source).unwrap().warnings(None),
            [],
            "{source}"
        );
    }
    for message in documented("text") {
        let source = message
            .lines()
            .find_map(|line| line.strip_prefix("1 | "))
            .unwrap();
        assert_eq!(shown(&[source]), message);
    }
    for tree in documented("explained") {
        let source = tree
            .lines()
            .next()
            .unwrap()
            .trim_start_matches(['✓', '✗', ' ']);
        assert_eq!(explained(source).to_string(), tree);
    }
}
