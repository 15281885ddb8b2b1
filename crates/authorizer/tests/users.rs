//! Decisions that need a user: when one is looked up, and what becomes of the result.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::ready,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keygate_authorizer::{
    AnswerWith, Authorizer, ClientTypeSource, Decision, DecisionObserver, DecisionRecord,
    HeaderNames, Request,
};
use keygate_headers::Repeated;
use keygate_policy::{Policy, Reason};
use keygate_users::{
    FindUser, Lookup, Outcome, Refusal, Unavailable, User, trusted::MalformedHeaders,
    userinfo::NobodyReason,
};
use rstest::rstest;

const POLICY: &str = "
version: 1
endpoints:
  - {path: /keys, groupExpression: clientType === 'A'}
  - {path: /login, apiKeyRequired: false, authenticationRequired: true}
  - {path: /staff, groupExpression: groups.staff}
  - {path: /anyone, apiKeyRequired: false, groupExpression: '!groups.staff'}
  - {path: /shadowed, apiKeyRequired: false, groupExpression: clientType === 'A', shadow: groups.staff}
";

const LIMIT: usize = 64;

/// Finds what it is made of, and counts.
#[derive(Debug)]
struct Source {
    outcome: Outcome,
    calls: AtomicUsize,
}

impl FindUser for Source {
    fn find<'a>(&'a self, _: Lookup<'a>) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(self.outcome.clone()))
    }
}

/// Never responds.
#[derive(Debug)]
struct Hanging;

impl FindUser for Hanging {
    fn find<'a>(&'a self, _: Lookup<'a>) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

#[derive(Debug, Default)]
struct Shadows(std::sync::Mutex<Vec<Reason>>);

impl DecisionObserver for Shadows {
    fn decided(&self, record: &DecisionRecord<'_>) {
        let shadow = record.shadow.map(|shadow| shadow.reason);
        self.0.lock().unwrap().extend(shadow);
    }
}

fn user(groups: &[&str]) -> Outcome {
    let user = User {
        id: "ada".to_owned(),
        groups: groups.iter().copied().collect(),
        ..User::default()
    };
    Outcome::User(Arc::new(user), Vec::new())
}

fn authorizer(source: Arc<dyn FindUser>) -> Authorizer {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    Authorizer::new(policy, HeaderNames::default(), AnswerWith::Status).with_users(source, LIMIT)
}

/// Polls a decision once: `None` if it waits.
fn poll(authorizer: &Authorizer, path: &str, client_type: Option<&str>) -> Option<Decision> {
    let mut headers = HeaderMap::new();
    if let Some(client_type) = client_type {
        headers.insert("client-type", HeaderValue::from_str(client_type).unwrap());
    }
    let request = Request {
        method: &Method::GET,
        target: Some(path),
        headers: &headers,
        client_type: ClientTypeSource::Gateway,
        peer: None,
        gateway: None,
    };
    let mut decision = std::pin::pin!(authorizer.authorize(&request));
    match decision
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(decision) => Some(decision),
        Poll::Pending => None,
    }
}

/// The decision, and how often a user was looked up for it.
fn decide(outcome: Outcome, path: &str, client_type: Option<&str>) -> (Decision, usize) {
    let calls = AtomicUsize::new(0);
    let source = Arc::new(Source { outcome, calls });
    let authorizer = authorizer(Arc::clone(&source) as Arc<dyn FindUser>);
    let decision = poll(&authorizer, path, client_type).unwrap();
    (decision, source.calls.load(Ordering::Relaxed))
}

fn malformed() -> Outcome {
    let name = HeaderName::from_static("miauserid");
    Outcome::Malformed(MalformedHeaders::Repeated(Repeated(name)))
}

#[rstest]
#[case::key_alone("/keys", Some("A"), 200, "ok", 0)]
#[case::key_is_missing("/staff", None, 401, "missing-key", 0)]
#[case::no_endpoint("/nowhere", Some("A"), 403, "no-endpoint", 0)]
#[case::required("/login", None, 200, "ok", 1)]
#[case::expression("/staff", Some("A"), 200, "ok", 1)]
#[case::denied_for_this_user("/anyone", None, 403, "expression-false", 1)]
#[case::shadow_alone("/shadowed", Some("A"), 200, "ok", 1)]
#[case::unknown_despite_the_shadow("/shadowed", None, 401, "expression-false", 1)]
fn a_user_is_looked_up_only_where_one_is_needed(
    #[case] path: &str,
    #[case] client_type: Option<&str>,
    #[case] status: u16,
    #[case] reason: &str,
    #[case] look_ups: usize,
) {
    let (decision, calls) = decide(user(&["staff"]), path, client_type);
    assert_eq!(
        (decision.status.as_u16(), decision.reason.as_str()),
        (status, reason)
    );
    assert_eq!(calls, look_ups);
}

#[rstest]
#[case(Outcome::Nobody(None), 401, "missing-user", "Bearer")]
#[case(
    Outcome::Nobody(Some(NobodyReason::Unknown)),
    401,
    "missing-user",
    "Bearer"
)]
#[case(
    Outcome::InvalidToken(Refusal::TooLong),
    401,
    "invalid-token",
    "Bearer error=\"invalid_token\""
)]
#[case(Outcome::Unavailable(Unavailable::Keys), 503, "user-unavailable", "")]
#[case(malformed(), 403, "malformed-request", "")]
fn a_failed_look_up_denies(
    #[case] outcome: Outcome,
    #[case] status: u16,
    #[case] reason: &str,
    #[case] challenge: &str,
) {
    let (decision, _) = decide(outcome, "/login", None);
    assert_eq!(
        (decision.status.as_u16(), decision.reason.as_str()),
        (status, reason)
    );
    assert_eq!(decision.endpoint.as_ref().unwrap(), "/login");
    let mut headers = HeaderMap::new();
    decision.write(&mut headers);
    let sent = headers.get("www-authenticate");
    assert_eq!(sent.map_or("", |value| value.to_str().unwrap()), challenge);
    assert_eq!(headers["mia-allowed"], "0");
    assert!(!headers.contains_key("mia-userid"));
}

/// `!groups.staff` is true for nobody: an outage must not make it so.
#[rstest]
#[case(Outcome::Nobody(None), 200)]
#[case(user(&[]), 200)]
#[case(Outcome::InvalidToken(Refusal::TooLong), 401)]
#[case(Outcome::Unavailable(Unavailable::Keys), 503)]
#[case(malformed(), 403)]
fn a_failed_look_up_is_not_taken_for_nobody(#[case] outcome: Outcome, #[case] status: u16) {
    assert_eq!(decide(outcome, "/anyone", None).0.status.as_u16(), status);
}

#[rstest]
#[case(user(&["staff"]), Reason::Ok)]
#[case(Outcome::Nobody(None), Reason::ExpressionFalse)]
#[case(Outcome::InvalidToken(Refusal::TooLong), Reason::InvalidToken)]
#[case(Outcome::Unavailable(Unavailable::Keys), Reason::UserUnavailable)]
fn the_user_of_a_shadow_changes_no_decision(#[case] outcome: Outcome, #[case] shadow: Reason) {
    let shadows = Arc::new(Shadows::default());
    let calls = AtomicUsize::new(0);
    let authorizer = authorizer(Arc::new(Source { outcome, calls }));
    let authorizer = authorizer.observed_by(Arc::clone(&shadows) as Arc<dyn DecisionObserver>);
    let decision = poll(&authorizer, "/shadowed", Some("A")).unwrap();
    assert_eq!(decision.status.as_u16(), 200);
    assert_eq!(decision.identity(), None);
    assert_eq!(*shadows.0.lock().unwrap(), [shadow]);
}

#[test]
fn a_decision_without_a_user_never_waits() {
    let authorizer = authorizer(Arc::new(Hanging));
    assert!(poll(&authorizer, "/login", None).is_none());
    for (path, client_type, status) in [
        ("/keys", Some("A"), 200),
        ("/keys", Some("B"), 403),
        ("/staff", None, 401),
        ("/nowhere", Some("A"), 403),
    ] {
        let decision = poll(&authorizer, path, client_type).expect(path);
        assert_eq!(decision.status.as_u16(), status, "{path}");
    }
}

#[test]
fn the_identity_of_an_allowed_user_is_sent() {
    let (decision, _) = decide(user(&["staff", "a,b"]), "/staff", Some("A"));
    let mut headers = HeaderMap::new();
    decision.write(&mut headers);
    assert_eq!(headers["mia-userid"], "ada");
    assert_eq!(headers["mia-groups"], "staff");
    assert!(!headers.contains_key("mia-userproperties"));
}

#[test]
fn an_identity_that_is_too_large_denies() {
    let long = "g".repeat(LIMIT);
    let (decision, _) = decide(user(&["staff", &long]), "/staff", Some("A"));
    assert_eq!(
        (decision.status.as_u16(), decision.reason.as_str()),
        (403, "identity-too-large")
    );
    assert_eq!(decision.identity(), None);
}
