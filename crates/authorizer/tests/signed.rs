//! What is signed: the client type that the gateway hands over, and the identity of allowed requests.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    future::ready,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use keygate_authorizer::{
    AnswerWith, Authorizer, Caller, ClientTypeSource, Decision, HeaderNames, Request,
};
use keygate_headers::{HandOff, hand_off::HandedOff};
use keygate_policy::Policy;
use keygate_users::{FindUser, IdentityTokens, Lookup, Outcome, SigningKeys, User};
use rstest::rstest;

const POLICY: &str = "
version: 1
endpoints:
  - {path: /keys, groupExpression: clientType === 'A'}
  - {path: /public, apiKeyRequired: false}
  - {path: /login, apiKeyRequired: false, authenticationRequired: true}
  - {path: /shadowed, groupExpression: clientType === 'A', shadow: groups.staff}
";

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// RFC 8410, section 10.3.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

const CLIENT_TYPE: (&str, &str) = ("client-type", "A");
const KEY_ID: (&str, &str) = ("x-keygate-key-id", "k");

fn authorizer() -> Authorizer {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    Authorizer::new(policy, HeaderNames::default(), AnswerWith::Status)
}

fn requiring_hand_off() -> Authorizer {
    let authorizer = authorizer().requiring_hand_off();
    authorizer.replace_hand_off(HandOff::parse(SECRET).unwrap());
    authorizer
}

fn signing(limit: usize) -> Authorizer {
    let authorizer = authorizer().signing_identities(limit);
    let settings = r#"{"key-file": "unused", "issuer": "keygate", "audience": "orders"}"#;
    let settings = serde_json::from_str(settings).unwrap();
    let keys = SigningKeys::parse(KEY).unwrap();
    authorizer.replace_identity_tokens(IdentityTokens::new(&settings, keys));
    authorizer
}

fn decide(
    authorizer: &Authorizer,
    path: &str,
    lines: &[(&'static str, &str)],
    client_type: ClientTypeSource<'_>,
) -> Decision {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let request = Request {
        method: &Method::GET,
        target: Some(path),
        headers: &headers,
        client_type,
        peer: None,
        gateway: None,
    };
    let decision = pin!(authorizer.authorize(&request));
    match decision.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => decision,
        Poll::Pending => panic!("it waits for nothing"),
    }
}

fn by_gateway(
    authorizer: &Authorizer,
    path: &str,
    lines: &[(&'static str, &str)],
) -> (u16, &'static str) {
    let decision = decide(authorizer, path, lines, ClientTypeSource::Gateway);
    (decision.status.as_u16(), decision.reason.as_str())
}

fn hand_off(client_type: &str, key_id: &str, seconds_ago: i64) -> String {
    let caller = HandedOff {
        client_type: client_type.as_bytes(),
        key_id: key_id.as_bytes(),
    };
    let at = Timestamp::now().as_second() - seconds_ago;
    let value = HandOff::parse(SECRET).unwrap().sign(caller, at);
    value.to_str().unwrap().to_owned()
}

fn claims(decision: &Decision) -> serde_json::Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let token = decision.token().unwrap().to_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[test]
fn a_signed_client_type_is_accepted() {
    let signature = hand_off("A", "k", 0);
    let lines = [CLIENT_TYPE, KEY_ID, ("x-keygate-handoff", &signature)];
    assert_eq!(
        by_gateway(&requiring_hand_off(), "/keys", &lines),
        (200, "ok")
    );
    let twice = [lines, lines].concat();
    assert_eq!(
        by_gateway(&requiring_hand_off(), "/keys", &twice),
        (200, "ok")
    );
}

#[rstest]
#[case::not_signed(&[CLIENT_TYPE, KEY_ID], None)]
#[case::without_the_key_id(&[CLIENT_TYPE], Some(("A", "k", 0)))]
#[case::key_id_alone(&[KEY_ID], None)]
#[case::of_another_client_type(&[CLIENT_TYPE, KEY_ID], Some(("B", "k", 0)))]
#[case::of_another_key(&[CLIENT_TYPE, KEY_ID], Some(("A", "j", 0)))]
#[case::replayed(&[CLIENT_TYPE, KEY_ID], Some(("A", "k", 60)))]
#[case::of_the_future(&[CLIENT_TYPE, KEY_ID], Some(("A", "k", -60)))]
#[case::two_key_ids(&[CLIENT_TYPE, KEY_ID, ("x-keygate-key-id", "j")], Some(("A", "k", 0)))]
fn a_client_type_that_is_not_signed_is_denied(
    #[case] lines: &[(&'static str, &str)],
    #[case] signed: Option<(&str, &str, i64)>,
    #[values("/keys", "/public")] path: &str,
) {
    let signature = signed.map(|(client_type, key_id, ago)| hand_off(client_type, key_id, ago));
    let signature = signature
        .iter()
        .map(|it| ("x-keygate-handoff", it.as_str()));
    let lines: Vec<_> = lines.iter().copied().chain(signature).collect();
    let denied = (403, "malformed-request");
    assert_eq!(by_gateway(&requiring_hand_off(), path, &lines), denied);
}

#[rstest]
#[case(&[], "/public", (200, "ok"))]
#[case(&[], "/keys", (401, "missing-key"))]
#[case(&[("client-type", ""), ("x-keygate-key-id", "")], "/public", (200, "ok"))]
fn a_caller_without_a_key_needs_no_signature(
    #[case] lines: &[(&'static str, &str)],
    #[case] path: &str,
    #[case] expected: (u16, &str),
) {
    assert_eq!(by_gateway(&requiring_hand_off(), path, lines), expected);
}

#[test]
fn a_client_type_of_this_process_needs_no_signature() {
    let [client_type, key_id] = ["A", "k"].map(HeaderValue::from_static);
    let caller = Some(Caller {
        client_type: &client_type,
        key_id: &key_id,
    });
    let source = ClientTypeSource::Resolver(caller);
    let decision = decide(&requiring_hand_off(), "/keys", &[], source);
    assert_eq!(decision.status, 200);
    let signed = decide(&signing(4096), "/keys", &[], source);
    assert_eq!(claims(&signed)["client_type"], "A");
    assert_eq!(claims(&signed)["key_id"], "k");
}

#[test]
fn nothing_passes_before_secret_and_keys_are_loaded() {
    let signature = hand_off("A", "k", 0);
    let lines = [CLIENT_TYPE, KEY_ID, ("x-keygate-handoff", &signature)];
    let (hand_off, signing) = (
        authorizer().requiring_hand_off(),
        authorizer().signing_identities(4096),
    );
    let denied = (403, "malformed-request");
    assert_eq!(by_gateway(&hand_off, "/keys", &lines), denied);
    let denied = (503, "user-unavailable");
    assert_eq!(by_gateway(&signing, "/keys", &lines), denied);
}

#[test]
fn only_an_allowed_request_has_a_token() {
    let authorizer = signing(4096);
    let decide = |path, lines: &[_]| decide(&authorizer, path, lines, ClientTypeSource::Gateway);
    let allowed = decide("/keys", &[CLIENT_TYPE, KEY_ID]);
    assert_eq!(claims(&allowed)["client_type"], "A");
    assert_eq!(claims(&allowed)["key_id"], "k");
    assert_eq!(claims(&allowed).get("sub"), None);
    let mut headers = HeaderMap::new();
    allowed.write(&mut headers);
    assert!(headers.contains_key("x-keygate-token"));

    assert_eq!(claims(&decide("/public", &[]))["iss"], "keygate");
    for (path, lines) in [
        ("/keys", &[][..]),
        ("/keys", &[("client-type", "B")]),
        ("/nowhere", &[CLIENT_TYPE]),
        ("/keys", &[CLIENT_TYPE, ("isbackoffice", "x")]),
        ("/keys", &[CLIENT_TYPE, KEY_ID, ("x-keygate-key-id", "j")]),
    ] {
        let decision = decide(path, lines);
        assert_ne!(decision.reason.as_str(), "ok");
        assert_eq!(decision.token(), None, "{path} {lines:?}");
    }
}

/// Ada is logged in.
#[derive(Debug)]
struct Ada;

impl FindUser for Ada {
    fn find<'a>(&'a self, _: Lookup<'a>) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        let ada = User {
            id: "ada".to_owned(),
            groups: ["staff", "a,b"].into_iter().collect(),
            ..User::default()
        };
        Box::pin(ready(Outcome::User(Arc::new(ada), Vec::new())))
    }
}

#[test]
fn a_token_names_the_user_only_where_the_rule_needs_one() {
    let authorizer = signing(4096).with_users(Arc::new(Ada), 4096);
    let claims = |path| {
        let lines = [CLIENT_TYPE, KEY_ID];
        claims(&decide(
            &authorizer,
            path,
            &lines,
            ClientTypeSource::Gateway,
        ))
    };
    let with_user = claims("/login");
    assert_eq!(with_user["sub"], "ada");
    assert_eq!(with_user["groups"], serde_json::json!(["a,b", "staff"]));
    assert_eq!(with_user["client_type"], "A");
    for path in ["/keys", "/shadowed"] {
        assert_eq!(claims(path).get("sub"), None, "{path}");
        assert_eq!(claims(path).get("groups"), None, "{path}");
    }
}

#[test]
fn a_token_that_is_too_long_denies() {
    let lines = [CLIENT_TYPE, KEY_ID];
    let denied = (403, "identity-too-large");
    assert_eq!(by_gateway(&signing(100), "/keys", &lines), denied);
}
