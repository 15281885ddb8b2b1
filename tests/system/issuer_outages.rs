//! An OpenID provider that rotates its keys, dies and returns: rules that need no user are unharmed,
//! known tokens go on, and nothing is allowed that cannot be verified.
//!
//! Keys are fetched at most every ten seconds on demand, so each provider of a gateway goes through one
//! of these at the same time.

use std::thread;
use std::time::{Duration, Instant};

use rstest_reuse::apply;
use serde_json::json;

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::openid::Provider;
use crate::support::problem::is_problem;
use crate::support::report;

const POLICY: &str = "
version: 1
endpoints:
  - {path: /orders, groupExpression: clientType === 'A'}
  - {path: /me, apiKeyRequired: false, authenticationRequired: true}
";

const KEY: &str = "client-key: sample-key-of-client-a";

/// Longer than the time between two fetches on demand.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pair and `keygate serve`, which use the same providers.
struct Gateways(Vec<Gateway>);

impl Gateways {
    fn start(version: Version, providers: &[&Provider]) -> Self {
        let issuer = |it: &&Provider| json!({"issuer": it.issuer, "audience": "any", "jwks-url": it.jwks_url()});
        let issuers: Vec<_> = providers.iter().map(issuer).collect();
        // JSON is YAML.
        let settings = json!({"users": {"jwt": issuers}}).to_string();
        let files = Files {
            policy: POLICY,
            settings: &settings,
        };
        let start = |services| {
            let setup = Setup {
                services,
                location: "include keygate-users.conf;",
                ..Setup::PLAIN
            };
            Gateway::start_configured(version, &setup, &files, &[])
        };
        let all = [Services::PairOverTcp, Services::Single].map(start);
        Self(all.into_iter().collect())
    }

    /// Waits until every gateway allows a token.
    fn wait_for(&self, token: &str) {
        self.wait_until(token, "allowed", |response| response.status() == 200);
    }

    /// Waits until every gateway denies a token with this reason.
    fn wait_for_denial(&self, token: &str, status: u16, reason: &str) {
        self.wait_until(token, reason, |response| {
            is_problem(response, status, reason).is_ok()
        });
    }

    fn wait_until(&self, token: &str, what: &str, holds: impl Fn(&Message) -> bool) {
        let started = Instant::now();
        for gateway in &self.0 {
            loop {
                let response = caller::get(&gateway.address, "/me", &[&bearer(token)]);
                if holds(&response) {
                    break;
                }
                assert!(
                    started.elapsed() < PATIENCE,
                    "not {what}: {response:?}, {}",
                    gateway.logs()
                );
                thread::sleep(Duration::from_millis(100));
            }
            gateway.backend.take();
        }
    }

    fn assert_allowed(&self, target: &str, header: &str) {
        for gateway in &self.0 {
            let response = caller::get(&gateway.address, target, &[header]);
            assert_eq!(response.status(), 200, "{response:?}, {}", gateway.logs());
            gateway.backend.take_one();
        }
    }

    /// On a busy machine a fetch may take longer than a request waits for it: then 503 comes first.
    fn assert_denied(&self, token: &str, status: u16, reason: &str) {
        let started = Instant::now();
        for gateway in &self.0 {
            let mut response = caller::get(&gateway.address, "/me", &[&bearer(token)]);
            while status != 503 && response.status() == 503 && started.elapsed() < PATIENCE {
                response = caller::get(&gateway.address, "/me", &[&bearer(token)]);
            }
            is_problem(&response, status, reason)
                .unwrap_or_else(|wrong| panic!("{wrong}, received {response:?}"));
            assert!(gateway.backend.take().is_empty(), "reached the backend");
        }
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

fn token(provider: &Provider, key_id: &str) -> String {
    token_of("ada", provider, key_id)
}

fn token_of(user: &str, provider: &Provider, key_id: &str) -> String {
    provider.token(key_id, &json!({"sub": user, "aud": "orders-api"}))
}

#[apply(each_nginx)]
fn keys_rotate_and_a_provider_may_die_and_return(version: Version) {
    let [rotating, dying, late] = [(); 3].map(|()| Provider::start("ES256", "first"));
    late.stop_listening();
    let gateways = Gateways::start(version, &[&rotating, &dying, &late]);

    // One provider is down at the start.
    let of_late = token(&late, "first");
    gateways.assert_denied(&of_late, 503, "user-unavailable");
    gateways.assert_allowed("/orders", KEY);
    late.listen_again();
    let (of_rotating, of_dying) = (token(&rotating, "first"), token(&dying, "first"));
    for token in [&of_late, &of_rotating, &of_dying] {
        gateways.wait_for(token);
    }

    // One dies: tokens of keys that are held stay valid, and those of newer keys cannot be verified.
    dying.stop_listening();
    dying.add_key("RS256", "second");
    let of_second = token(&dying, "second");
    gateways.wait_for_denial(&of_second, 503, "user-unavailable");
    gateways.assert_denied(&of_second, 503, "user-unavailable");
    gateways.assert_allowed("/orders", KEY);
    gateways.assert_allowed("/me", &bearer(&of_dying));
    // Not seen before, by the key that is held.
    gateways.assert_allowed("/me", &bearer(&token_of("grace", &dying, "first")));

    // One rotates: the new key is fetched on demand, and the former one verifies nothing any more.
    rotating.add_key("EdDSA", "second");
    rotating.keep_only_key("second");
    let of_second_rotating = token(&rotating, "second");
    gateways.wait_for(&of_second_rotating);
    gateways.assert_denied(&of_rotating, 401, "invalid-token");

    dying.listen_again();
    gateways.wait_for(&of_second);
    gateways.assert_allowed("/me", &bearer(&of_dying));
    report::passed(
        &version.number(),
        "users: keys rotate, a provider dies and returns",
    );
}
