//! What operators see of users: in the log, in `/debug/decisions`, on the debug page.

use std::fs;

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
    let cause = "the token's `aud` is none of this issuer's `audience`";
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
        page.contains("the user has no groups, permissions and properties"),
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
    let cause = "`invalid-token: anonymous`: the token's `aud` is none of this issuer's `audience`";
    assert_eq!(decision["cause"], cause);
}

#[test]
fn the_debug_page_names_the_sources_of_users() {
    let authorizer = Authorizer::start("deny");
    let explained: Value =
        serde_json::from_str(&authorizer.page("/debug/explain?uri=/staff")).unwrap();
    let hint = explained["hint"].as_str().unwrap();
    let source = "users come from a token of `https://id.example.com/` in `authorization`";
    assert!(hint.ends_with(source), "{hint}");
    assert_eq!(explained["warning"], Value::Null);
}
