//! What operators see of users: in the log, in `/debug/decisions`, on the debug page.

use std::fs;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::caller;
use crate::support::gateway::free_port;
use crate::support::program::{Service, keygate};
use crate::support::secrets::assert_no_token_in;
use crate::support::token_issuer::{ISSUER, P256, in_seconds, jwks};

const POLICY: &str = "\
version: 1
endpoints:
  - path: /staff
    apiKeyRequired: false
    groupExpression: groups.staff
    backofficeExpression: permissions.write && user.level === 2
";

/// An authorizer whose users have tokens of one issuer.
struct Authorizer {
    service: Service,
    data: String,
    operations: String,
    _folder: TempDir,
}

impl Authorizer {
    fn start(invalid_token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let settings = json!({
            "policy": path("policy.yaml"), "log-format": "json",
            "users": {
                "jwt": [{"issuer": ISSUER, "audience": ["orders-api"], "jwks-file": path("jwks.json")}],
                "invalid-token": invalid_token,
            },
        });
        fs::write(path("settings.yaml"), settings.to_string()).unwrap();
        fs::write(path("policy.yaml"), POLICY).unwrap();
        fs::write(path("jwks.json"), jwks(&[&P256])).unwrap();
        let [data, operations] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let mut command = keygate();
        command.args(["authorizer", "--listen", &data, "--operations", &operations]);
        command.arg("--config").arg(path("settings.yaml"));
        let service = Service::start(command, &data, &path("log"));
        Self {
            service,
            data,
            operations,
            _folder: folder,
        }
    }

    /// The status of the response to a user of these groups, whose token is for this audience.
    fn ask(&self, groups: &[&str], audience: &str) -> u16 {
        let claims = json!({
            "iss": ISSUER, "aud": audience, "sub": "ada", "groups": groups, "exp": in_seconds(600),
        });
        let header = format!("authorization: Bearer {}", P256.token(&claims));
        caller::get(&self.data, "/auth/staff", &[&header]).status()
    }

    fn page(&self, target: &str) -> String {
        let response = caller::get_operations(&self.operations, target, &[]);
        assert_no_token_in(&response.body, target);
        String::from_utf8(response.body).unwrap()
    }

    /// The kept decisions that match a query.
    fn decisions(&self, query: &str) -> Vec<Value> {
        let page: Value =
            serde_json::from_str(&self.page(&format!("/debug/decisions?{query}"))).unwrap();
        page["decisions"].as_array().unwrap().clone()
    }
}

#[test]
fn the_debug_page_says_why_a_user_was_denied() {
    let authorizer = Authorizer::start("deny");
    assert_eq!(authorizer.ask(&["staff"], "orders-api"), 200);
    assert_eq!(authorizer.ask(&["editors"], "orders-api"), 403);
    assert_eq!(authorizer.ask(&["staff"], "billing"), 401);
    let of_ada = authorizer.decisions("user-id=ada");
    let reasons: Vec<_> = of_ada
        .iter()
        .map(|it| it["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["expression-false"]);
    assert!(authorizer.decisions("user-id=eve").is_empty());
    let rejected = authorizer.decisions("reason=invalid-token");
    let cause = "the token's `aud` is not in this issuer's `audience`";
    assert_eq!(rejected[0]["cause"], cause);
    let page = authorizer.page("/debug/");
    let shown = cause.replace('\'', "&#39;");
    assert!(page.contains(&shown), "{page}");
    assert!(page.contains("<td>ada</td>"), "{page}");
    // Its link describes the user, and the form shows them.
    assert!(page.contains("user-id=ada#explanation"), "{page}");
    let page = authorizer.page("/debug/?method=GET&uri=/staff&user-id=ada");
    assert!(page.contains(r#"name="user-id" value="ada""#), "{page}");
    assert!(
        page.contains("the user has no groups, permissions or properties"),
        "{page}"
    );
    let log = authorizer.service.output();
    assert!(log.contains(cause) && !log.contains("editors"), "{log}");
    assert_no_token_in(log.as_bytes(), "the log");
}

#[test]
fn a_token_that_counts_as_none_leaves_its_cause() {
    let authorizer = Authorizer::start("anonymous");
    assert_eq!(authorizer.ask(&["staff"], "billing"), 401);
    let decision = &authorizer.decisions("")[0];
    assert_eq!(decision["reason"], "expression-false");
    let cause = "`invalid-token: anonymous`: the token's `aud` is not in this issuer's `audience`";
    assert_eq!(decision["cause"], cause);
}

#[test]
fn the_debug_page_names_the_sources_of_users() {
    let authorizer = Authorizer::start("deny");
    let explained: Value =
        serde_json::from_str(&authorizer.page("/debug/explain?uri=/staff")).unwrap();
    let hint = explained["hint"].as_str().unwrap();
    let source = "users come from a token from `https://id.example.com/` in `authorization`";
    assert!(hint.ends_with(source), "{hint}");
    assert_eq!(explained["warning"], Value::Null);
}

/// The accessible name of the matrix' only cell, and the link to its explanation.
fn cell(page: &str) -> (String, String) {
    let (_, cell) = page.split_once("<a class=\"cell ").unwrap();
    let attribute = |name: &str| {
        let (_, value) = cell.split_once(&format!(" {name}=\"")).unwrap();
        value.split_once('"').unwrap().0.replace("&#38;", "&")
    };
    (attribute("aria-label"), attribute("href"))
}

#[rstest]
#[case::nobody("", "Nobody is logged in.", "depends on who is logged in")]
#[case::group("groups=staff", "Logged in: groups staff.", "allowed")]
#[case::empty_fields(
    "groups=staff&user-id=&permissions=&user=",
    "Logged in: groups staff.",
    "allowed"
)]
#[case::other_group(
    "groups=editors&user-id=ada",
    "Logged in: user id ada, groups editors.",
    "denied"
)]
#[case::id("user-id=ada", "Logged in: user id ada.", "denied")]
#[case::back_office(
    "permissions=write&user=%7B%22level%22:2%7D&backoffice=true",
    "Logged in: permissions write, user {&#34;level&#34;:2}; the requests are back-office \
     requests.",
    "allowed"
)]
#[case::back_office_of_nobody(
    "backoffice=true",
    "Nobody is logged in; the requests are back-office requests.",
    "depends on who is logged in"
)]
fn the_matrix_is_that_of_the_described_user(
    #[case] user: &str,
    #[case] shown: &str,
    #[case] expected: &str,
) {
    let authorizer = Authorizer::start("deny");
    for beside in ["", "method=GET&uri=/elsewhere"] {
        let fields: Vec<_> = [beside, user]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        let page = authorizer.page(&format!("/debug/?{}", fields.join("&")));
        assert!(page.contains(shown), "{page}");
        let (name, link) = cell(&page);
        let outlook = name.strip_prefix("no key, /staff: ").unwrap();
        assert!(outlook.starts_with(expected), "{name}");
        // An explanation stays where it is, and none is asked for without a path.
        assert_eq!(page.contains("class=\"verdict"), !beside.is_empty());
        assert!(!page.contains("enter a path"), "{page}");
        // The explanation of the cell is for the same user.
        let explained = authorizer.page(&format!("/debug/{}", link.replace("#explanation", "")));
        let denied = explained.contains("✗ denied");
        assert_eq!(denied, expected != "allowed", "{explained}");
    }
}

#[test]
fn an_error_in_the_user_of_the_matrix_is_shown_beside_it() {
    let authorizer = Authorizer::start("deny");
    let page = authorizer.page("/debug/?groups=staff&user=%5B1%5D");
    let (_, form) = page.split_once("action=\"#access\"").unwrap();
    assert!(form.contains("not a JSON object"), "{page}");
    assert_eq!(page.matches("not a JSON object").count(), 1, "{page}");
    assert!(page.contains("Nobody is logged in."), "{page}");
    let (name, link) = cell(&page);
    assert!(name.ends_with("depends on who is logged in"), "{name}");
    assert!(!link.contains("groups"), "{link}");
}
