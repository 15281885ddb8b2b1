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
