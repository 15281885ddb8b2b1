//! The table of hostile tokens, end to end: each is denied, and the log has the cause.

use std::fs;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;
use crate::support::token_issuer::in_seconds;
use crate::tokens::hostile::{
    Hostile, NARROW_ISSUER, SECRET_ISSUER, keys, narrow_keys, table, valid,
};
use crate::tokens::issuer::{ISSUER, SECRET};

const POLICY: &str = "
version: 1
endpoints:
  - {path: /me, apiKeyRequired: false, authenticationRequired: true}
";

/// The limit of nginx on a header line, which it logs in part where it is longer.
const LONGEST_LINE: usize = 64 * 1024;

/// The longest time that the requests of a test take, in seconds.
const LONGEST_TEST: i64 = 120;

/// Starts a gateway whose services know the issuers of the table.
fn start(version: Version, services: Services) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let audience = "orders-api";
    let settings = json!({"users": {"jwt": [
        {"issuer": ISSUER, "audience": audience, "jwks-file": file("keys.json", &keys())},
        {"issuer": SECRET_ISSUER, "audience": audience, "secret-file": file("secret", &[SECRET, b"\n"].concat())},
        {"issuer": NARROW_ISSUER, "audience": audience, "algorithms": ["RS256", "PS256"],
         "jwks-file": file("narrow.json", &narrow_keys())},
    ]}});
    let setup = Setup {
        services,
        server: "large_client_header_buffers 4 64k;",
        ..Setup::PLAIN
    };
    let files = Files {
        policy: POLICY,
        settings: &settings.to_string(),
    };
    Gateway::start_configured(version, &setup, &files, &[])
}

/// Sends a request with a token that may be any bytes.
fn send(gateway: &Gateway, token: &[u8]) -> Message {
    let head = "GET /me HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n";
    let request = [
        head.as_bytes(),
        b"authorization: Bearer ",
        token,
        b"\r\n\r\n",
    ]
    .concat();
    caller::send(&gateway.address, &request)
}

/// Whether the service receives this token if it is sent as a header's value.
///
/// A line break ends the value, nginx rejects NUL, and blanks around a value do not belong to it.
fn fits_a_header(token: &[u8]) -> bool {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\0');
    !token.is_empty() && token == token.trim_ascii() && !token.iter().any(breaks)
}

fn assert_denied(gateway: &Gateway, name: &str, token: &[u8]) {
    let response = send(gateway, token);
    is_problem(&response, 401, "invalid-token")
        .unwrap_or_else(|wrong| panic!("{name}: {wrong}, received {response:?}"));
    let challenge = response.header("www-authenticate");
    assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{name}");
    assert!(gateway.backend.take().is_empty(), "{name}");
}

/// The causes of rejected tokens in the log, in order; no part of a token is in it.
fn logged_causes(gateway: &Gateway, tokens: &[Hostile]) -> Vec<Value> {
    let log = gateway.logs();
    for it in tokens {
        let text = String::from_utf8_lossy(&it.token);
        for part in text.split('.').filter(|part| part.len() > 8) {
            assert!(!log.contains(part), "{}: in the log", it.name);
        }
    }
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["reason"] == "invalid-token")
        .map(|mut line| line["cause"].take())
        .collect()
}

#[apply(each_nginx)]
fn hostile_tokens_are_denied_and_only_their_cause_is_logged(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let gateway = start(version, services);
    let period = in_seconds(0)..=in_seconds(LONGEST_TEST);
    for token in valid(period.clone()) {
        assert_eq!(send(&gateway, token.as_bytes()).status(), 200);
        gateway.backend.take_one();
    }
    let carried = table(period.clone()).into_iter();
    let (tokens, long): (Vec<_>, Vec<_>) = carried
        .filter(|it| fits_a_header(&it.token))
        .partition(|it| it.token.len() < LONGEST_LINE - 100);
    assert!(tokens.len() > 180, "{} tokens", tokens.len());
    for it in &tokens {
        assert_denied(&gateway, &it.name, &it.token);
    }
    let causes = logged_causes(&gateway, &tokens);
    assert_eq!(causes.len(), tokens.len());
    for (it, cause) in tokens.iter().zip(causes) {
        assert_eq!(cause, it.refusal.to_string(), "{}", it.name);
        let case = format!("users: hostile token, {}, {services:?}", it.name);
        report::passed(&version.number(), &case);
    }
    // nginx rejects the longest ones itself.
    for it in long {
        let response = send(&gateway, &it.token);
        assert!([400, 414, 431].contains(&response.status()), "{response:?}");
        assert!(gateway.backend.take().is_empty(), "{}", it.name);
    }
    assert!(in_seconds(0) < *period.end(), "the test was too slow");
}
