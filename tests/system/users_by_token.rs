//! Users by the tokens of a real OpenID provider: who is allowed, what the backend learns, and what
//! comes of invalid tokens.

mod hostile;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::openid::Provider;
use crate::support::operations::until;
use crate::support::report;

const POLICY: &str = r#"
version: 1
endpoints:
  - {path: /orders, groupExpression: clientType === 'A'}
  - {path: /me, apiKeyRequired: false, authenticationRequired: true}
  - {path: /admin, apiKeyRequired: false, groupExpression: groups.admin}
  - {path: /both, groupExpression: clientType === 'A' && groups.admin}
  - {path: /write, apiKeyRequired: false, groupExpression: 'permissions["write:orders"]'}
  - {path: /own, apiKeyRequired: false, groupExpression: user.email === 'ada@example.com'}
"#;

const KEY: &str = "client-key: sample-key-of-client-a";

/// Identity as a caller would claim it.
const CLAIMED: [&str; 8] = [
    "miauserid: root",
    "miausergroups: admin",
    "miauserproperties: {}",
    "miagroups: admin",
    "mia-userid: root",
    "mia_groups: admin",
    "x-keygate-token: forged",
    "client-type: A",
];

fn settings(provider: &Provider) -> String {
    let (issuer, url) = (&provider.issuer, provider.jwks_url());
    format!(
        "users:
  jwt:
    - issuer: {issuer}
      audience: [orders-api]
      jwks-url: {url}
      permissions: [/scope]
      properties: [/email, /name]
  token-from: [authorization, 'cookie:sid']
identity-header-limit: 500
"
    )
}

/// Starts a gateway whose services hold the provider's keys.
fn start(version: Version, services: Services, provider: &Provider) -> Gateway {
    let setup = Setup {
        services,
        server: "underscores_in_headers on;",
        location: "include keygate-users.conf;",
        ..Setup::PLAIN
    };
    let files = Files {
        policy: POLICY,
        settings: &settings(provider),
    };
    let gateway = Gateway::start_configured(version, &setup, &files, &[]);
    let ada = bearer(&provider.token("es", &ada()));
    until("the keys are fetched", || {
        caller::get(&gateway.address, "/me", &[&ada]).status() == 200
    });
    gateway.backend.take();
    gateway
}

fn ada() -> Value {
    json!({
        "sub": "ada", "aud": "orders-api", "groups": ["admin", "editor"], "scope": "read write:orders",
        "email": "ada@example.com", "name": "Ada Lövelace",
    })
}

/// Ada's claims with one changed.
fn ada_with(name: &str, value: Value) -> Value {
    let mut claims = ada();
    claims[name] = value;
    claims
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

fn send(gateway: &Gateway, target: &str, headers: &[&str]) -> Message {
    caller::get(&gateway.address, target, &[headers, &CLAIMED].concat())
}

fn assert_denied(gateway: &Gateway, target: &str, headers: &[&str], status: u16, reason: &str) {
    gateway.assert_denied(target, &[headers, &CLAIMED].concat(), status, reason);
}

/// Sends a request that must be allowed, and returns what the backend receives.
fn allowed(gateway: &Gateway, target: &str, headers: &[&str]) -> Message {
    gateway.assert_allowed(target, &[headers, &CLAIMED].concat())
}

/// The identity that a backend receives: client type, user's id, groups and properties.
fn identity(received: &Message) -> [Option<&str>; 4] {
    for claimed in ["miagroups", "mia-userid", "mia_groups", "x-keygate-token"] {
        assert_eq!(received.header(claimed), None, "{received:?}");
    }
    let names = [
        "client-type",
        "miauserid",
        "miausergroups",
        "miauserproperties",
    ];
    names.map(|name| received.header(name))
}

#[apply(each_nginx)]
fn tokens_decide_and_backends_learn_the_user(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let provider = Provider::start("ES256", "es");
    provider.add_key("RS256", "rs");
    provider.add_key("EdDSA", "ed");
    let gateway = start(version, services, &provider);
    let properties = r#"{"email":"ada@example.com","name":"Ada L\u00f6velace"}"#;
    let user = [Some("ada"), Some("admin,editor"), Some(properties)];

    for kid in ["es", "rs", "ed"] {
        let token = provider.token(kid, &ada());
        for line in [bearer(&token), format!("cookie: a=b; sid={token}")] {
            for (target, key, client_type) in [
                ("/me", None, None),
                ("/admin/x", None, None),
                ("/write", None, None),
                ("/own", None, None),
                ("/both", Some(KEY), Some("A")),
            ] {
                let headers: Vec<&str> = key.into_iter().chain([line.as_str()]).collect();
                let received = allowed(&gateway, target, &headers);
                let [id, groups, properties] = user;
                assert_eq!(
                    identity(&received),
                    [client_type, id, groups, properties],
                    "{target}"
                );
            }
        }
    }

    // Without a part that is empty, and never with what the caller claimed.
    let plain = bearer(&provider.token("es", &json!({"sub": "bob", "aud": ["x", "orders-api"]})));
    let received = allowed(&gateway, "/me", &[&plain]);
    assert_eq!(identity(&received), [None, Some("bob"), None, None]);
    assert_denied(&gateway, "/admin", &[&plain], 403, "expression-false");
    assert_denied(&gateway, "/both", &[&plain, KEY], 403, "expression-false");
    assert_denied(&gateway, "/write", &[&plain], 403, "expression-false");

    // Nobody is logged in.
    for headers in [&[][..], &["authorization: Basic YTpi"], &["cookie: sid2=x"]] {
        assert_denied(&gateway, "/me", headers, 401, "missing-user");
        assert_denied(&gateway, "/admin", headers, 401, "expression-false");
    }
    let nobody = send(&gateway, "/me", &[]);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));

    // A token means nothing to a rule that needs no user, and passes on unchanged.
    let invalid = "authorization: Bearer not-a-token";
    let received = allowed(&gateway, "/orders", &[KEY, invalid]);
    assert_eq!(received.header("authorization"), Some("Bearer not-a-token"));
    assert_eq!(identity(&received), [Some("A"), None, None, None]);

    let groups: Vec<String> = (0..100).map(|n| format!("group-{n}")).collect();
    let large = bearer(&provider.token("es", &ada_with("groups", json!(groups))));
    assert_denied(&gateway, "/me", &[&large], 403, "identity-too-large");
    report::passed(&version.number(), &format!("users: tokens, {services:?}"));
}
