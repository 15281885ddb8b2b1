//! The facts that a matched rule needs before it can decide.

use keygate_expression::{Facts, User};
use keygate_policy::{Needs, Policy, Reason, Request};
use rstest::rstest;

const POLICY: &str = "
version: 1
endpoints:
  - {path: /keys, groupExpression: clientType === 'A'}
  - {path: /open, apiKeyRequired: false}
  - {path: /login, apiKeyRequired: false, authenticationRequired: true, corsPreflight: allow}
  - {path: /staff, groupExpression: groups.staff, backofficeExpression: 'true'}
  - {path: /office, groupExpression: 'true', backofficeExpression: permissions.support}
  - {path: /shadowed, groupExpression: 'true', shadow: user.level > 2}
  - path: /files
    apiKeyRequired: false
    allowAmbiguous: [encoded-slash]
    routes: [{path: '/{name}', authenticationRequired: true}]
";

fn policy() -> Policy {
    Policy::from_yaml(POLICY).unwrap().policy
}

fn request<'r>(method: &'r str, target: &'r str, facts: Facts<'r>) -> Request<'r> {
    Request {
        method,
        target: target.as_bytes(),
        host: None,
        is_cors_preflight: method == "OPTIONS",
        facts,
    }
}

#[rstest]
#[case::no_endpoint("/nowhere", false, false)]
#[case::ambiguous("/staff/..;/open", false, false)]
#[case::key_only("/keys", true, false)]
#[case::nothing("/open", false, false)]
#[case::required("/login", false, true)]
#[case::expression("/staff", true, true)]
#[case::back_office_only("/office", true, false)]
#[case::shadow("/shadowed", true, true)]
#[case::plain_path("/files/a/b", false, false)]
#[case::another_interpretation("/files/a%2fb", false, true)]
fn a_rule_needs_what_it_mentions(#[case] target: &str, #[case] key: bool, #[case] user: bool) {
    let facts = Facts {
        client_type: Some("A"),
        ..Facts::default()
    };
    let policy = policy();
    let request = request("GET", target, facts);
    let matched = policy.matched(&request);
    let shadow_user = target == "/shadowed";
    let user = user && !shadow_user;
    assert_eq!(
        matched.needs(),
        Needs {
            key,
            user,
            shadow_user
        }
    );
}

#[test]
fn the_back_office_has_separate_needs() {
    let facts = Facts {
        client_type: Some("A"),
        is_backoffice: true,
        ..Facts::default()
    };
    let policy = policy();
    let user = |target| policy.matched(&request("GET", target, facts)).needs().user;
    assert!(!user("/staff") && user("/office"));
}

#[test]
fn no_user_is_needed_where_the_decision_is_clear() {
    let policy = policy();
    let needs = |method, target| {
        let request = request(method, target, Facts::default());
        let matched = policy.matched(&request);
        let user = matched.needs().user;
        (user, matched.judge(None).reason)
    };
    assert_eq!(needs("GET", "/staff"), (false, Reason::MissingKey));
    assert_eq!(needs("OPTIONS", "/login"), (false, Reason::Ok));
    assert_eq!(needs("GET", "/login"), (true, Reason::MissingUser));
}

#[test]
fn a_user_found_between_the_steps_decides() {
    let facts = Facts {
        client_type: Some("A"),
        ..Facts::default()
    };
    let policy = policy();
    let request = request("GET", "/staff", facts);
    let matched = policy.matched(&request);
    let user = User {
        groups: ["staff"].into_iter().collect(),
        ..User::default()
    };
    assert_eq!(matched.judge(Some(&user)).reason, Reason::Ok);
    assert_eq!(matched.judge(None).reason, Reason::ExpressionFalse);
}
