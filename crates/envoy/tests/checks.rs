//! The response to each kind of check request.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::{pin::Pin, sync::Arc};

use http::HeaderName;
use keygate_authorizer::AnswerWith;
use keygate_envoy::{Checks, Names, Steps};
use keygate_gateways::Choice;
use keygate_headers::HandOff;
use keygate_resolver::CredentialNames;
use keygate_users::{FindUser, Lookup, Outcome};
use rstest::rstest;
use support::{Answer, KEY_OF_A, KEY_OF_B, Role, authorizer, check_request, get, http, resolver};

const IDENTITIES: [&str; 10] = [
    "mia-allowed",
    "mia-groups",
    "mia-userid",
    "mia-userproperties",
    "miagroups",
    "miausergroups",
    "miauserid",
    "miauserproperties",
    "x-keygate-handoff",
    "x-keygate-token",
];

fn removed(answer: &Answer) -> Vec<&str> {
    let removed = &answer.allowed().headers_to_remove;
    let mut names: Vec<_> = removed.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn one_hop_sets_the_identity_and_removes_the_key() {
    let answer = get(&Role::Serve.checks(), "/orders", &[KEY_OF_A]).await;
    assert_eq!(answer.set(), ["client-type: A", "x-keygate-key-id: a-1"]);
    let mut expected = vec!["client-key", "isbackoffice", "secret"];
    expected.extend(IDENTITIES);
    expected.sort_unstable();
    assert_eq!(removed(&answer), expected);
    assert_eq!(
        answer.metadata(),
        [
            "client_type=A",
            "endpoint=/orders",
            "key_id=a-1",
            "reason=ok"
        ]
    );
}

#[tokio::test]
async fn the_resolver_leaves_what_the_authorizer_needs() {
    let answer = get(
        &Role::Resolver.checks(),
        "/orders",
        &[KEY_OF_A, ("isbackoffice", "1"), ("miauserid", "u")],
    )
    .await;
    assert_eq!(answer.set(), ["client-type: A", "x-keygate-key-id: a-1"]);
    assert_eq!(
        removed(&answer),
        ["client-key", "secret", "x-keygate-handoff"]
    );
    assert_eq!(
        answer.metadata(),
        ["client_type=A", "key_id=a-1", "reason=ok"]
    );
}

#[tokio::test]
async fn without_a_key_nothing_of_a_caller_survives() {
    let spoofed = [("client-type", "ADMIN"), ("x-keygate-key-id", "x")];
    for role in [Role::Resolver, Role::Serve] {
        let answer = get(&role.checks(), "/public", &spoofed).await;
        assert!(answer.set().is_empty(), "{role:?}: {:?}", answer.set());
        let removed = removed(&answer);
        for (name, _) in spoofed {
            assert!(removed.contains(&name), "{role:?}: {removed:?}");
        }
    }
}

#[tokio::test]
async fn the_authorizer_believes_the_resolvers_filter() {
    let of_resolver = [("client-type", "A"), ("x-keygate-key-id", "a-1")];
    let answer = get(&Role::Authorizer.checks(), "/orders", &of_resolver).await;
    assert_eq!(answer.set(), ["client-type: A"]);
    let removed = removed(&answer);
    assert!(!removed.contains(&"x-keygate-key-id"), "{removed:?}");
    assert!(removed.contains(&"x-keygate-handoff"), "{removed:?}");
    assert_eq!(
        answer.metadata(),
        [
            "client_type=A",
            "endpoint=/orders",
            "key_id=a-1",
            "reason=ok"
        ]
    );
}

#[tokio::test]
async fn the_hand_off_goes_to_the_authorizer_and_no_further() {
    let secret = HandOff::parse("0123456789abcdef0123456789abcdef").unwrap();
    let resolver = resolver(CredentialNames::default());
    resolver.replace_hand_off(secret.clone());
    let authorizer = authorizer(AnswerWith::Status).requiring_hand_off();
    authorizer.replace_hand_off(secret);
    let names = Names::from(&keygate_gateways::Names::default());
    let resolve = Checks::new(Steps::Resolve(Arc::new(resolver)), names.clone());
    let authorize = Checks::new(Steps::Authorize(Arc::new(authorizer)), names);

    let first = get(&resolve, "/orders", &[KEY_OF_A]).await;
    let set = first.set();
    let lines: Vec<_> = set
        .iter()
        .filter_map(|line| line.split_once(": "))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let second = get(&authorize, "/orders", &lines).await;
    assert!(removed(&second).contains(&"x-keygate-handoff"));

    let unsigned = lines
        .into_iter()
        .filter(|(name, _)| *name != "x-keygate-handoff");
    let unsigned: Vec<_> = unsigned.collect();
    let denied = get(&authorize, "/orders", &unsigned).await;
    assert_eq!(
        denied.metadata(),
        ["key_id=a-1", "reason=malformed-request"]
    );
}

#[rstest]
#[case::serve(Role::Serve)]
#[case::authorizer(Role::Authorizer)]
#[tokio::test]
async fn the_back_office_is_1_or_absent(#[case] role: Role) {
    let checks = role.checks();
    for (value, is_marked) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let path = if is_marked { "/backoffice" } else { "/public" };
        let lines = [("isbackoffice", value), ("isbackoffice", value)];
        let answer = get(&checks, path, &lines).await;
        let set = answer.set();
        assert_eq!(set.contains(&"isbackoffice: 1".to_owned()), is_marked);
        assert_eq!(removed(&answer).contains(&"isbackoffice"), !is_marked);
    }
}

#[rstest]
#[case::no_key("/orders", &[], 401, "missing-key")]
#[case::unknown("/public", &[("client-key", "x")], 401, "unknown-key")]
#[case::two_keys("/public", &[KEY_OF_A, KEY_OF_B], 401, "ambiguous-key")]
#[case::header_and_cookie("/public", &[KEY_OF_A, ("cookie", "mia_client_key=x")], 401, "ambiguous-key")]
#[case::other_type("/orders", &[KEY_OF_B], 403, "expression-false")]
#[case::no_endpoint("/nowhere", &[KEY_OF_A], 403, "no-endpoint")]
#[case::ambiguous("/public/..%2forders", &[KEY_OF_A], 403, "ambiguous-path")]
#[case::malformed("/public", &[("isbackoffice", "maybe")], 403, "malformed-request")]
#[case::unreadable("/public#a", &[KEY_OF_A], 403, "malformed-request")]
#[tokio::test]
async fn a_denial_is_a_problem_with_its_reason(
    #[case] path: &str,
    #[case] lines: &[(&str, &str)],
    #[case] status: i32,
    #[case] reason: &str,
) {
    let answer = get(&Role::Serve.checks(), path, lines).await;
    let denied = answer.denied();
    assert_eq!(denied.status.as_ref().unwrap().code, status);
    assert_eq!(answer.code(), if status == 401 { 16 } else { 7 });
    let detail = format!("\"status\":{status},\"detail\":\"{reason}\"");
    assert!(denied.body.contains(&detail), "{}", denied.body);
    let set = answer.set();
    let has = |line: &str| set.contains(&line.to_owned());
    assert!(has("content-type: application/problem+json"), "{set:?}");
    assert!(has("cache-control: no-store"), "{set:?}");
    assert!(has(&format!("x-keygate-reason: {reason}")), "{set:?}");
    let challenged = has("www-authenticate: ApiKey realm=\"keygate\"");
    assert_eq!(challenged, status == 401, "{set:?}");
    assert!(answer.metadata().contains(&format!("reason={reason}")));
    let shown = format!("{:?}", answer.0);
    assert!(!shown.contains("sample-key"), "{shown}");
}

#[rstest]
#[case::by_the_resolver("/public", "unknown-key", Some("x"))]
#[case::by_the_authorizer("/orders", "missing-key", None)]
#[tokio::test]
async fn a_denial_shows_the_id_of_the_request(
    #[case] path: &str,
    #[case] reason: &str,
    #[case] key: Option<&str>,
) {
    let key = key.map(|key| ("client-key", key));
    let lines: Vec<_> = [("x-request-id", "5f0c-1")]
        .into_iter()
        .chain(key)
        .collect();
    let answer = get(&Role::Serve.checks(), path, &lines).await;
    let shown = format!("\"detail\":\"{reason}\",\"requestId\":\"5f0c-1\"");
    let body = &answer.denied().body;
    assert!(body.contains(&shown), "{body}");
}

#[tokio::test]
async fn a_user_who_is_missing_is_challenged_for_one() {
    let answer = get(&Role::Serve.checks(), "/login", &[]).await;
    assert_eq!(answer.denied().status.as_ref().unwrap().code, 401);
    assert!(
        answer
            .set()
            .contains(&"www-authenticate: Bearer".to_owned())
    );
}

/// `answer-with: header` is for gateways that read `mia-allowed`; Envoy over gRPC reads the verdict.
#[tokio::test]
async fn a_denial_is_one_whatever_the_service_answers_with() {
    let authorizer = Arc::new(authorizer(AnswerWith::Header));
    let names = Names::from(&keygate_gateways::Names::default());
    let checks = Checks::new(Steps::Authorize(authorizer), names);
    for (path, status) in [("/orders", 401), ("/nowhere", 403)] {
        let answer = get(&checks, path, &[]).await;
        assert_eq!(answer.denied().status.as_ref().unwrap().code, status);
    }
}

#[rstest]
#[case::first("mia_client_key=sample-key-of-client-a; a=b", Some("cookie: a=b"))]
#[case::alone("mia_client_key=sample-key-of-client-a", None)]
#[tokio::test]
async fn the_keys_cookie_is_removed(#[case] line: &str, #[case] expected: Option<&str>) {
    for role in [Role::Resolver, Role::Serve] {
        let answer = get(&role.checks(), "/orders", &[("cookie", line)]).await;
        let set = answer.set();
        let cookie = set.iter().find(|line| line.starts_with("cookie"));
        assert_eq!(cookie.map(String::as_str), expected);
        assert_eq!(removed(&answer).contains(&"cookie"), expected.is_none());
    }
}

#[tokio::test]
async fn other_cookies_are_left_alone() {
    let lines = [("cookie", "a=b; c=d")];
    let answer = get(&Role::Serve.checks(), "/public", &lines).await;
    assert!(answer.set().is_empty(), "{:?}", answer.set());
    assert!(!removed(&answer).contains(&"cookie"));
}

#[tokio::test]
async fn names_that_backends_read_alike_are_removed() {
    let aliases = [
        ("client_type", "ADMIN"),
        ("client.type", "ADMIN"),
        ("x_keygate_key_id", "x"),
        ("mia_userid", "u"),
        ("client_key", "k"),
        ("another_header", "x"),
    ];
    let answer = get(&Role::Serve.checks(), "/public", &aliases).await;
    let removed = removed(&answer);
    for (name, _) in &aliases[..5] {
        assert!(removed.contains(name), "{name}: {removed:?}");
    }
    assert!(!removed.contains(&"another_header"));
}

#[tokio::test]
async fn headers_of_other_gateways_decide_nothing() {
    let lines = [
        ("original-request-uri", "/public"),
        ("original-request-method", "OPTIONS"),
        ("original-request-host", "open.example.com"),
        ("x-forwarded-uri", "/public"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-forwarded-host", "open.example.com"),
        ("x-envoy-original-path", "/public"),
        ("x-keygate-next", "/a"),
        ("x-keygate-next", "/b"),
        ("x-keygate-names", "other"),
    ];
    let checks = Role::Serve.checks();
    let denied = get(&checks, "/orders", &lines).await;
    assert!(denied.metadata().contains(&"reason=missing-key".to_owned()));
    let denied = get(&checks, "/host", &lines).await;
    assert!(denied.metadata().contains(&"reason=no-endpoint".to_owned()));
    get(&checks, "/public", &lines).await.allowed();
}

#[tokio::test]
async fn the_host_is_the_attribute() {
    let checks = Role::Serve.checks();
    let mut request = http("GET", "/host", &[]);
    request.host = "open.example.com".to_owned();
    let contradicted = checks.respond(check_request(request.clone()), None).await;
    Answer(contradicted).denied();
    request.header_map = Some(envoy_types::pb::envoy::config::core::v3::HeaderMap::default());
    let allowed = checks.respond(check_request(request), None).await;
    Answer(allowed).allowed();
}

#[tokio::test]
async fn other_names_of_the_settings_are_followed() {
    let name = HeaderName::from_static;
    let names = keygate_gateways::Names::new(Choice {
        key_headers: vec![name("x-api-key"), name("authorization")],
        key_cookies: vec!["key".to_owned()],
        client_type: name("x-client"),
        backoffice: name("x-office"),
        ..Choice::default()
    })
    .unwrap();
    let credential = CredentialNames {
        headers: names.key_headers().to_vec(),
        cookies: names.key_cookies().to_vec(),
    };
    let resolve = Steps::Resolve(Arc::new(resolver(credential)));
    let checks = Checks::new(resolve, Names::from(&names));
    let key = KEY_OF_A.1;

    let answer = get(&checks, "/orders", &[("x-api-key", key)]).await;
    assert_eq!(
        answer.set(),
        ["client-type: A", "x-client: A", "x-keygate-key-id: a-1"]
    );
    assert!(removed(&answer).contains(&"x-api-key"));

    let bearer = format!("Bearer {key}");
    let answer = get(&checks, "/orders", &[("authorization", &bearer)]).await;
    assert!(removed(&answer).contains(&"authorization"));

    let token = ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.c2ln");
    let answer = get(&checks, "/orders", &[("x-api-key", key), token]).await;
    assert!(!removed(&answer).contains(&"authorization"));
}

/// A source of users with a bug.
#[derive(Debug)]
struct Panicking;

impl FindUser for Panicking {
    fn find<'a>(&'a self, _: Lookup<'a>) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn a_panic_is_a_denial() {
    let authorizer = authorizer(AnswerWith::Status).with_users(Arc::new(Panicking), 4096);
    let names = Names::from(&keygate_gateways::Names::default());
    let checks = Checks::new(Steps::Authorize(Arc::new(authorizer)), names);
    let request = check_request(http("GET", "/login", &[]));
    let response = checks.check(tonic::Request::new(request)).await.unwrap();
    let answer = Answer(response.into_inner());
    assert_eq!(answer.denied().status.as_ref().unwrap().code, 500);
    assert_eq!(answer.code(), 13);
}
