//! The decision log: one line per denial, with client, request and reason, and without secrets.

use std::time::{Duration, Instant};

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::operations::{Watched, until};
use crate::support::problem::without_request_id;
use crate::support::report;

/// Returns a line or an entry without its times.
fn without_times(value: &Value) -> Value {
    let mut value = value.clone();
    let fields = value.as_object_mut().unwrap();
    for (name, is_right) in [
        ("timestamp", Value::is_string as fn(&Value) -> bool),
        ("time", Value::is_string),
        ("durationMicros", Value::is_u64),
    ] {
        if let Some(value) = fields.remove(name) {
            assert!(is_right(&value), "{name}: {value}");
        }
    }
    value
}

fn lines_of(output: &str) -> Vec<Value> {
    let lines = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["target"] == "keygate::decision")
        .collect()
}

#[test]
fn a_denial_is_one_line_with_client_request_and_reason() {
    let watched = Watched::start(&[]);
    watched.check(&[
        "original-request-uri: //orders/./1?token=hidden-in-the-query",
        "original-request-method: POST",
        "client-key: sample-key-of-client-c",
        "x-request-id: 7f3a",
    ]);
    let lines = watched.decision_log();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        without_times(&lines[0]),
        json!({
            "level": "INFO",
            "target": "keygate::decision",
            "step": "authorize",
            "allowed": false,
            "status": 403,
            "reason": "expression-false",
            "requestId": "7f3a",
            "clientType": "C",
            "keyId": "client-c",
            "method": "POST",
            "host": "gateway.example",
            "path": "/orders/1",
            "endpoint": "/orders",
        })
    );
}

#[rstest]
#[case::expired(
    "client-key: sample-key-of-expired",
    "unknown-key",
    "expired",
    Some("expired")
)]
#[case::inactive(
    "client-key: sample-key-of-inactive",
    "unknown-key",
    "inactive",
    Some("inactive")
)]
#[case::unknown("client-key: sample-key-of-nobody", "unknown-key", "unknown", None)]
#[case::two("client-key: a\r\nsecret: b", "ambiguous-key", "ambiguous", None)]
fn the_id_and_cause_of_a_rejected_key_are_only_logged(
    #[case] credential: &str,
    #[case] reason: &str,
    #[case] cause: &str,
    #[case] key_id: Option<&str>,
) {
    let watched = Watched::start(&[]);
    let response = watched.check(&["original-request-uri: /orders", credential]);
    assert!(!format!("{response:?}").contains(cause) || cause == "unknown" || cause == "ambiguous");
    let lines = watched.decision_log();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["step"], "resolve");
    assert_eq!(lines[0]["reason"], reason);
    assert_eq!(lines[0]["cause"], cause);
    assert_eq!(lines[0]["keyId"].as_str(), key_id);
}

#[rstest]
#[case::no_key("/orders", None, 401)]
#[case::no_user("/user", Some("client-a"), 401)]
#[case::not_this_one("/orders", Some("client-c"), 403)]
#[case::a_wrong_key("/orders", Some("expired"), 401)]
#[case::allowed("/orders", Some("client-a"), 200)]
fn a_decision_is_logged_with_the_status_of_its_response(
    #[case] target: &str,
    #[case] client: Option<&str>,
    #[case] status: u16,
) {
    let watched = Watched::start(&[("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1")]);
    let key = client.map(|client| format!("client-key: sample-key-of-{client}"));
    let uri = format!("original-request-uri: {target}");
    let headers: Vec<_> = [uri.as_str()].into_iter().chain(key.as_deref()).collect();
    assert_eq!(watched.check(&headers).status(), status);
    assert_eq!(watched.decision_log().last().unwrap()["status"], status);
    let kept = watched.json("/debug/decisions");
    assert_eq!(kept["decisions"][0]["status"], status);
}

#[test]
fn a_rejected_key_is_logged_with_the_client_request() {
    let watched = Watched::start(&[]);
    watched.check(&[
        "original-request-uri: //orders/1?token=hidden-in-the-query",
        "original-request-method: POST",
        "client-key: sample-key-of-nobody",
    ]);
    let line = watched.decision_log().remove(0);
    assert_eq!(line["step"], "resolve");
    assert_eq!(line["method"], "POST");
    assert_eq!(line["rawPath"], "//orders/1");
}

#[test]
fn a_denied_method_is_logged_with_the_rules_of_its_path() {
    let watched = Watched::start(&[]);
    watched.check(&[
        "original-request-uri: /read/1",
        "original-request-method: DELETE",
    ]);
    let line = watched.decision_log().remove(0);
    assert_eq!(line["reason"], "method-not-allowed");
    assert_eq!(
        line["cause"],
        "the rules for this path apply to other methods: `GET /read`"
    );
}

#[test]
fn a_rejected_key_is_logged_with_the_configured_status() {
    let watched = Watched::start(&[("KEYGATE_REJECTED_KEY_STATUS", "403")]);
    watched.decide("/orders", Some("expired"));
    assert_eq!(watched.decision_log()[0]["status"], 403);
}

#[test]
fn an_ambiguous_path_is_logged_raw_and_without_its_query() {
    let watched = Watched::start(&[]);
    watched.decide("/public/..;/admin?token=hidden-in-the-query", None);
    watched.decide("http://user:hidden@host/public/..;/admin", None);
    let raw: Vec<_> = watched
        .decision_log()
        .iter()
        .map(|line| line["rawPath"].clone())
        .collect();
    assert_eq!(raw, [json!("/public/..;/admin"), Value::Null]);
    assert!(!watched.service.output().contains("hidden"));
}

#[test]
fn a_malformed_request_is_logged_with_its_error() {
    let watched = Watched::start(&[]);
    watched.check(&["original-request-uri: /a", "original-request-uri: /b"]);
    watched.check(&[
        "original-request-uri: /a",
        "x-keygate-next: /a",
        "x-keygate-next: /b",
    ]);
    let lines = watched.decision_log();
    assert_eq!(lines[0]["reason"], "malformed-request");
    assert_eq!(
        lines[0]["cause"],
        "the header `original-request-uri` is repeated with different values"
    );
}

#[test]
fn no_key_and_no_query_is_logged_at_any_level() {
    let watched = Watched::start(&[
        ("KEYGATE_LOG_LEVEL", "trace"),
        ("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1"),
    ]);
    for (target, client) in [
        ("/orders?token=hidden-in-the-query", "client-a"),
        ("/orders?token=hidden-in-the-query", "client-c"),
        ("/public/..;/x?token=hidden-in-the-query", "client-c"),
        ("/orders?token=hidden-in-the-query", "expired"),
        ("/orders?token=hidden-in-the-query", "nobody-at-all"),
    ] {
        watched.decide(target, Some(client));
    }
    let pages = [
        "/debug/decisions",
        "/debug/config",
        "/metrics",
        "/-/check-up",
    ];
    let mut written = watched.service.output();
    for page in pages {
        written += &String::from_utf8(watched.page(page).body).unwrap();
    }
    for secret in ["sample-key-of", "hidden-in-the-query"] {
        assert!(!written.contains(secret), "`{secret}` is in {written}");
    }
}

#[test]
fn values_from_callers_stay_in_their_field() {
    let watched = Watched::start(&[("KEYGATE_LOG_FORMAT", "text")]);
    let long = "x".repeat(5000);
    watched.check(&[
        "original-request-uri: /a%0aINFO%20forged%22",
        "x-request-id: a\" allowed=true",
        &format!("x-other: {long}"),
    ]);
    watched.check(&[
        &format!("original-request-uri: /{long}"),
        &format!("x-request-id: {long}"),
    ]);
    let output = watched.service.output();
    let lines: Vec<_> = output
        .lines()
        .filter(|line| line.contains("keygate::decision"))
        .collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert!(
        lines[0].contains(r#"requestId="a\" allowed=true""#),
        "{output}"
    );
    assert!(
        lines[1].len() < 3000,
        "{} bytes in one line",
        lines[1].len()
    );
}

#[rstest]
#[case::by_default(&[], 0)]
#[case::half(&[("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "0.5")], 10)]
#[case::all(&[("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1")], 20)]
#[case::debug(&[("KEYGATE_LOG_LEVEL", "debug")], 20)]
fn allowed_requests_are_logged_at_the_configured_rate(
    #[case] settings: &[(&str, &str)],
    #[case] expected: usize,
) {
    let watched = Watched::start(settings);
    for _ in 0..10 {
        // Two decisions each: the key, and the request.
        assert_eq!(watched.decide("/orders", Some("client-a")), "ok");
    }
    let lines = watched.decision_log();
    assert_eq!(lines.len(), expected, "{lines:?}");
    assert!(lines.iter().all(|line| line["allowed"] == true));
}

#[test]
fn denials_over_the_limit_are_counted_and_the_loss_is_logged() {
    let watched = Watched::start(&[("KEYGATE_DECISION_LOG_DENY_LIMIT", "3")]);
    let started = Instant::now();
    for _ in 0..40 {
        watched.decide("/elsewhere", None);
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap() + 2;
    let written = watched.decision_log().len();
    assert!((3..=3 * seconds).contains(&written), "{written} lines");
    let dropped = watched.metric(r#"keygate_decision_log_dropped_total{kind="denial"}"#);
    assert!((dropped - (40.0 - f64::from(u32::try_from(written).unwrap()))).abs() < 0.5);
    assert_eq!(
        watched.json("/-/check-up")["dropped"]["denials"],
        json!(40 - written)
    );
    let counts_them =
        |line: &Value| line["denials"] == json!(40 - written) && line["level"] == "WARN";
    let patience = Duration::from_secs(15);
    while !watched.log().iter().any(counts_them) {
        assert!(started.elapsed() < patience, "{}", watched.service.output());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn recent_decisions_are_shown() {
    let watched = Watched::start(&[
        ("KEYGATE_RECENT_DECISIONS", "5"),
        ("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1"),
    ]);
    watched.decide("/orders", Some("client-c"));
    for n in 0..20 {
        watched.decide(&format!("/public/{n}"), None);
    }
    let page = watched.json("/debug/decisions");
    let entries = page["decisions"].as_array().unwrap();
    assert_eq!(
        entries.len(),
        6,
        "five allowed requests, which do not evict the denial"
    );
    assert_eq!(entries[0]["path"], "/public/19", "newest first");
    assert_eq!(
        without_times(&entries[5]),
        json!({
            "step": "authorize",
            "allowed": false,
            "status": 403,
            "reason": "expression-false",
            "clientType": "C",
            "keyId": "client-c",
            "method": "GET",
            "host": "gateway.example",
            "path": "/orders",
            "endpoint": "/orders",
        })
    );
}

#[rstest]
#[case("", &["/x", "/orders", "/orders/1", "/orders", ""])]
#[case("?client-type=C", &["/orders"])]
#[case("?client-type=&endpoint=", &["/x", "/orders", "/orders/1", "/orders", ""])]
#[case("?endpoint=/orders&allowed=true", &["/orders", "/orders/1"])]
#[case("?reason=no-endpoint", &["/x"])]
#[case("?step=resolve", &[""])]
#[case("?step=authorize&allowed=false", &["/x", "/orders"])]
#[case("?reason=ok&allowed=false", &[])]
fn recent_decisions_can_be_filtered(#[case] query: &str, #[case] paths: &[&str]) {
    let watched = Watched::start(&[("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1")]);
    watched.decide("/x", Some("client-a"));
    watched.decide("/orders", Some("client-c"));
    watched.decide("/orders/1", Some("client-b"));
    watched.decide("/orders", Some("client-a"));
    watched.decide("/orders", Some("expired"));
    let page = watched.json(&format!("/debug/decisions{query}"));
    let entries = page["decisions"].as_array().unwrap().iter();
    // The first step logs no line for a valid key.
    let shown = entries.filter(|entry| entry["step"] != "resolve" || entry["allowed"] == false);
    let mut shown: Vec<_> = shown
        .map(|entry| entry["path"].as_str().unwrap_or_default())
        .collect();
    let mut expected = paths.to_vec();
    shown.sort_unstable();
    expected.sort_unstable();
    assert_eq!(shown, expected);
}

#[rstest]
#[case(
    "clienttype=C",
    "expected one of `client-type`, `user-id`, `endpoint`, `reason`, `step`, `allowed`"
)]
#[case(
    "reason=expression-fals",
    "the known reasons are ambiguous-key, ambiguous-path, "
)]
#[case("step=both", "expected `resolve` or `authorize`")]
#[case("allowed=maybe", "allowed: provided string was not `true` or `false`")]
fn an_invalid_filter_is_an_error(#[case] query: &str, #[case] expected: &str) {
    let watched = Watched::start(&[]);
    let response = watched.page(&format!("/debug/decisions?{query}"));
    assert_eq!(response.status(), 400);
    let error: Value = serde_json::from_slice(&response.body).unwrap();
    let error = error["error"].as_str().unwrap();
    assert!(error.contains(expected), "{error}");
}

#[apply(each_nginx)]
fn the_lines_of_one_request_have_its_id_and_its_key_id(
    version: Version,
    #[values(Services::PairOverTcp, Services::Single)] services: Services,
    #[values(NGINX_LOG, NGINX_LOG_BY_RANDOM_ID)] server: &'static str,
) {
    let setup = Setup {
        services,
        http: "log_format ids \"$status $keygate_request_id $request_id\";",
        server,
        ..Setup::PLAIN
    };
    let log_allowed = [("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1")];
    let gateway = Gateway::start_with(version, &setup, &log_allowed);
    let status = |target: &str, client: &str| {
        let key = format!("client-key: sample-key-of-{client}");
        // Both of the caller's own values must be ignored.
        let spoofed = ["x-request-id: spoofed", "x-keygate-key-id: spoofed"];
        let response = caller::get(&gateway.address, target, &[&key, spoofed[0], spoofed[1]]);
        let document = String::from_utf8(response.body.clone()).unwrap();
        (response.status(), without_request_id(&document).1)
    };
    let lines = || -> Vec<Value> {
        let outputs = gateway
            .services
            .iter()
            .map(crate::support::program::Service::output);
        outputs.flat_map(|output| lines_of(&output)).collect()
    };
    let (denied, shown) = status("/admin", "client-b");
    assert_eq!(denied, 403);
    let (rejected, also_shown) = status("/orders", "expired");
    assert_eq!(rejected, 401);
    // The first request is allowed by step 1 and denied by step 2.
    until("the decisions are written", || lines().len() == 3);
    until("nginx has written its lines", || {
        gateway.nginx.file("ids.log").lines().count() == 2
    });
    let log = gateway.nginx.file("ids.log");
    let ids: Vec<&str> = log
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(
        [shown.as_deref(), also_shown.as_deref()],
        [Some(ids[0]), Some(ids[1])]
    );
    for line in lines() {
        let id = match line["keyId"].as_str().unwrap() {
            "client-b" => ids[0],
            other => {
                assert_eq!(other, "expired");
                ids[1]
            }
        };
        assert_eq!(line["requestId"], id, "in {log}");
    }
    let is_random = server == NGINX_LOG_BY_RANDOM_ID;
    assert_eq!(log.contains(&format!(" {0} {0}\n", ids[0])), is_random);
    report::passed(&version.number(), &format!("decision log: {services:?}"));
}

const NGINX_LOG: &str = "access_log ids.log ids;";
const NGINX_LOG_BY_RANDOM_ID: &str = "access_log ids.log ids; set $keygate_request_id $request_id;";

/// The id is part of a JSON document, whatever variable it comes from.
#[apply(each_nginx)]
fn a_request_id_of_a_caller_cannot_break_out_of_the_document(version: Version) {
    let setup = Setup {
        server: "set $keygate_request_id $http_x_trace;",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let shown = |id: &str| {
        let response = caller::get(&gateway.address, "/orders", &[&format!("x-trace: {id}")]);
        let document: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(document["detail"], "missing-key");
        document["requestId"].clone()
    };
    assert_eq!(shown("0af7651916cd43dd-1/2"), "0af7651916cd43dd-1/2");
    for id in [
        "",
        "a\",\"detail\":\"ok",
        "a\\",
        "a b",
        "{",
        "\u{e8}",
        "a\tb",
    ] {
        assert_eq!(shown(id), Value::Null, "{id}");
    }
}
