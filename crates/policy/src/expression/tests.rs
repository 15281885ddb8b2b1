//! What expressions mean.

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

/// `yes`, `no` or the error.
fn answer(source: &str, facts: &Facts<'_>) -> String {
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
fn mia_platform_documents(
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
    assert_eq!(answer(source, &facts), expected);
}

/// Everything that is wrong with some sources, as people see it.
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
fn mistakes_show_their_place_and_what_to_write_instead() {
    insta::assert_snapshot!(shown(&[
        "",
        "clientType = 'A'",
        "clientType === A",
        "'admin' in group",
        "clienttype === 'A'",
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
    ]));
}

#[test]
fn likely_mistakes_are_told() {
    insta::assert_snapshot!(shown(&[
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
        "clientType in ['A', 'B']",
        "groups.admin.x || isBackoffice",
        "groups.admin || true",
        "groups.admin || !groups.admin",
        "isBackoffice && (groups['a'] === 'a')",
        "'x'",
        "'admin' in clientType || isBackoffice",
    ]));
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
fn what_is_meant_is_not_warned_of(#[case] source: &str) {
    let expression = Expression::parse(source).unwrap();
    assert_eq!(expression.warnings(Some(&["A", "B", "cms"])), []);
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
    ];
    let all: Vec<_> = sources
        .iter()
        .map(|source| explained(source).to_string())
        .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn an_explanation_is_json_for_programs() {
    let explanation = explained("clientType === 'A' && groups.x || user.address.city");
    insta::assert_snapshot!(serde_json::to_string_pretty(&explanation).unwrap());
}
