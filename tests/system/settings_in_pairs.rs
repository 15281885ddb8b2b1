//! Pairs of settings, with includes for them and with the default ones: requests that the defaults deny
//! stay denied, and no key reaches the backend.

use std::thread;

use rstest::rstest;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::Version;
use crate::support::problem::is_problem;
use crate::support::report;

/// The values that each setting gets in addition to its default.
const SETTINGS: [(&str, &str); 8] = [
    ("KEYGATE_KEY_HEADERS", "x-api-key"),
    ("KEYGATE_KEY_HEADERS", "authorization,x_partner_key"),
    ("KEYGATE_KEY_COOKIES", "apikey,my.session"),
    ("KEYGATE_CLIENT_TYPE_HEADER", "x-client-type"),
    ("KEYGATE_BACKOFFICE_HEADER", "x-backoffice"),
    ("KEYGATE_CLIENT_ADDRESS_HEADER", "x-real-ip"),
    ("KEYGATE_ANSWER_WITH", "header"),
    ("KEYGATE_REJECTED_KEY_STATUS", "403"),
];

/// Settings that do not affect the includes.
const NOT_FOLLOWED: [&str; 2] = ["KEYGATE_ANSWER_WITH", "KEYGATE_REJECTED_KEY_STATUS"];

const KEY: &str = "sample-key-of-client-a";
const KEY_MARK: &str = "sample-key-of-";

type Pair = [(&'static str, &'static str); 2];

/// Returns each pair of settings, and each setting alone.
fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (n, first) in SETTINGS.iter().enumerate() {
        for second in &SETTINGS[n..] {
            if first == second || first.0 != second.0 {
                pairs.push([*first, *second]);
            }
        }
    }
    pairs
}

fn value<'p>(pair: &'p Pair, setting: &str, default: &'p str) -> &'p str {
    pair.iter()
        .find(|(name, _)| *name == setting)
        .map_or(default, |(_, value)| value)
}

/// Spoofed identity headers, under every name.
const CLAIMED: [&str; 12] = [
    "client-type: A",
    "client_type: A",
    "x-client-type: A",
    "x_client_type: A",
    "isbackoffice: 1",
    "x-backoffice: 1",
    "x-keygate-key-id: root",
    "x-keygate-names: headers=x",
    "x-keygate-next: /unprotected/",
    "miauserid: root",
    "miagroups: admin",
    "x-real-ip: 192.0.2.66",
];

/// Requests that the default settings deny, regardless of other headers.
const DENIED: [(&str, &[&str]); 6] = [
    ("/orders", &[]),
    ("/key-only/report", &[]),
    ("/admin", &[]),
    ("/no/such/endpoint", &[]),
    ("/backoffice/x", &[]),
    ("/user", &[]),
];

fn send(gateway: &Gateway, target: &str, lines: &[String]) -> (Message, Vec<Message>) {
    let lines: Vec<&str> = lines.iter().map(String::as_str).chain(CLAIMED).collect();
    let response = caller::get(&gateway.address, target, &lines);
    (response, gateway.backend.take())
}

/// Checks that the backend's request has only Keygate's identity headers, and no key.
fn assert_clean(pair: &Pair, received: &Message, client_type: Option<&str>, context: &str) {
    for (name, value) in &received.headers {
        assert!(!value.contains(KEY_MARK), "{context}: a key in `{name}`");
    }
    let header = |name| received.header(name);
    let renamed = value(pair, "KEYGATE_CLIENT_TYPE_HEADER", "client-type");
    for name in ["client-type", renamed] {
        assert_eq!(header(name), client_type, "{context}: `{name}`");
    }
    let key_id = client_type.map(|_| "client-a");
    assert_eq!(
        header("x-keygate-key-id"),
        key_id,
        "{context}: the key's id"
    );
    let backoffice = value(pair, "KEYGATE_BACKOFFICE_HEADER", "isbackoffice");
    let mut removed = vec![
        "client_type",
        "isbackoffice",
        "miauserid",
        "miagroups",
        backoffice,
    ];
    if renamed != "client-type" {
        removed.push("x_client_type");
    }
    for name in removed {
        assert_eq!(header(name), None, "{context}: `{name}` of the caller");
    }
}

/// Returns every way to send the key under these settings.
fn keys(pair: &Pair) -> Vec<String> {
    let headers = value(pair, "KEYGATE_KEY_HEADERS", "client-key,secret");
    let cookies = value(pair, "KEYGATE_KEY_COOKIES", "mia_client_key");
    let in_header = headers.split(',').map(|name| format!("{name}: {KEY}"));
    let in_cookie = cookies
        .split(',')
        .map(|name| format!("cookie: a=1; {name}={KEY}; b=2"));
    in_header.chain(in_cookie).collect()
}

fn check(version: Version, services: Services, pair: &Pair, follows: bool) {
    let context = format!("{pair:?}, includes that follow: {follows}, {services:?}");
    let setup = Setup {
        services,
        http: "underscores_in_headers on;",
        ..Setup::PLAIN
    };
    let gateway = if follows {
        Gateway::start_followed(version, &setup, pair)
    } else {
        Gateway::start_with(version, &setup, pair)
    };
    let fits = follows || pair.iter().all(|(name, _)| NOT_FOLLOWED.contains(name));
    for (target, lines) in DENIED {
        let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let keys = ["client-key", "x-api-key", "authorization"];
        for wrong in [None, Some("not-a-key")] {
            if let Some(wrong) = wrong {
                lines.extend(keys.map(|name| format!("{name}: {wrong}")));
            }
            let (response, received) = send(&gateway, target, &lines);
            assert!(received.is_empty(), "{context}: {target} {lines:?} passed");
            assert!(
                matches!(response.status(), 401 | 403),
                "{context}: {target}: {response:?}"
            );
        }
    }
    for key in keys(pair) {
        let (denied, received) = send(&gateway, "/admin", std::slice::from_ref(&key));
        assert!(received.is_empty(), "{context}: {key} passed to /admin");
        assert_eq!(denied.status(), 403, "{context}: {key}: {denied:?}");
        for target in ["/orders", "/public/page", "/key-only/report"] {
            let (response, received) = send(&gateway, target, std::slice::from_ref(&key));
            if fits {
                assert_eq!(
                    response.status(),
                    200,
                    "{context}: {key}: {response:?} {}",
                    gateway.logs()
                );
                assert_clean(pair, &received[0], Some("A"), &context);
                if key.starts_with("cookie") {
                    assert_eq!(received[0].header("cookie"), Some("a=1; b=2"), "{context}");
                }
            } else {
                assert!(received.is_empty(), "{context}: {target}, {key} passed");
                is_problem(&response, 403, "malformed-request")
                    .unwrap_or_else(|wrong| panic!("{context}: {wrong}, {response:?}"));
            }
        }
    }
    if fits {
        let (response, received) = send(&gateway, "/public/page", &[]);
        assert_eq!(response.status(), 200, "{context}");
        assert_clean(pair, &received[0], None, &context);
    } else {
        assert!(
            gateway.logs().contains("keygate nginx-includes"),
            "{context}: the log does not name the cause: {}",
            gateway.logs()
        );
    }
    report::passed(&version.number(), &format!("settings in pairs: {context}"));
}

#[rstest]
fn no_pair_of_settings_allows_a_denied_request_or_leaks_a_key(
    #[values(false, true)] follows: bool,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    // One thread per version of nginx, each with half of the pairs.
    let pairs = pairs();
    let half = pairs.len().div_ceil(2);
    thread::scope(|scope| {
        for (part, version) in pairs
            .chunks(half)
            .zip([Version::Packaged, Version::Mainline])
        {
            scope.spawn(move || {
                for pair in part {
                    check(version, services, pair, follows);
                }
            });
        }
    });
}
