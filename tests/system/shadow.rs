//! A shadow is evaluated for client requests: it never changes a response, and each difference is
//! counted by endpoint and logged with both decisions.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::operations::{Watched, until};

/// The active policy, with a shadow on `/orders` and one of its routes.
const WITH_SHADOWS: &str = "
version: 1
endpoints:
  - path: /orders
    groupExpression: clientType === 'A' || clientType === 'B'
    shadow: clientType === 'B' || clientType === 'C'
    backofficeExpression: clientType === 'A'
    routes:
      - path: /inherited
      - path: /own
        groupExpression: clientType === 'A'
      - path: /failing
        shadow: user.profile.level === 1
  - path: /closed
    groupExpression: 'false'
";

/// A policy that is stricter for some requests and laxer for others.
const SHADOW_POLICY: &str = "
version: 1
endpoints:
  - path: /orders
    groupExpression: clientType === 'B'
  - path: /closed
";

fn without_a_shadow(policy: &str) -> String {
    let lines = policy.lines().filter(|line| !line.contains("shadow:"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Returns the shadow's fields of the log lines.
fn differences(watched: &Watched) -> Vec<[Value; 5]> {
    let mut lines = watched.decision_log();
    lines.retain(|line| !line["shadowVerdict"].is_null());
    let fields = [
        "path",
        "reason",
        "shadowVerdict",
        "shadowReason",
        "shadowEndpoint",
    ];
    lines
        .iter()
        .map(|line| fields.map(|field| line[field].clone()))
        .collect()
}

fn start(policy: &str, shadow: Option<&str>) -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let policy = file("policy.yaml", policy);
    let shadow = shadow.map(|text| file("shadow.yaml", text));
    let mut settings = vec![("KEYGATE_POLICY", policy.as_str())];
    settings.extend(
        shadow
            .as_deref()
            .map(|path| ("KEYGATE_SHADOW_POLICY", path)),
    );
    // Both are read before it listens.
    Watched::start(&settings)
}

#[rstest]
#[case::an_expression(WITH_SHADOWS, None)]
#[case::a_policy(WITH_SHADOWS, Some(SHADOW_POLICY))]
fn a_shadow_changes_no_response(#[case] policy: &str, #[case] shadow: Option<&str>) {
    let with = start(policy, shadow);
    let without = start(&without_a_shadow(policy), None);
    let targets = [
        "/orders",
        "/orders/inherited",
        "/orders/own",
        "/orders/failing",
        "/closed",
        "/x",
        "/orders/..;/x",
    ];
    for target in targets {
        for client in [None, Some("client-a"), Some("client-b"), Some("client-c")] {
            let uri = format!("original-request-uri: {target}");
            let key = client.map(|client| format!("client-key: sample-key-of-{client}"));
            let mut headers = vec![uri.as_str()];
            headers.extend(key.as_deref());
            let mut responses = [&with, &without].map(|watched| watched.check(&headers));
            for response in &mut responses {
                response.headers.retain(|(name, _)| name != "date");
            }
            assert_eq!(
                (&responses[0].start, &responses[0].headers),
                (&responses[1].start, &responses[1].headers),
                "{target} by {client:?}"
            );
        }
    }
}

#[test]
fn a_shadow_expression_is_counted_and_logged_where_it_differs() {
    let watched = start(WITH_SHADOWS, None);
    for (target, client) in [
        ("/orders", "client-a"),
        ("/orders", "client-b"),
        ("/orders", "client-c"),
        ("/orders/inherited", "client-a"),
        ("/orders/own", "client-a"),
        ("/orders/failing", "client-b"),
        ("/closed", "client-a"),
    ] {
        watched.decide(target, Some(client));
    }
    assert_eq!(
        differences(&watched),
        [
            ["/orders", "ok", "would-deny", "expression-false", "/orders"],
            [
                "/orders",
                "expression-false",
                "would-allow",
                "ok",
                "/orders"
            ],
            [
                "/orders/inherited",
                "ok",
                "would-deny",
                "expression-false",
                "/orders/inherited"
            ],
            [
                "/orders/failing",
                "ok",
                "would-deny",
                "expression-error",
                "/orders/failing"
            ],
        ]
        .map(|fields| fields.map(Value::from))
    );
    let text = watched.metrics();
    let counted: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("keygate_shadow_decisions_total{"))
        .collect();
    let sample = |endpoint: &str, verdict: &str, count: u64| {
        format!(
            "keygate_shadow_decisions_total{{endpoint=\"{endpoint}\",verdict=\"{verdict}\"}} {count}"
        )
    };
    assert_eq!(
        counted,
        [
            sample("/orders", "same", 1),
            sample("/orders", "would-allow", 1),
            sample("/orders", "would-deny", 1),
            sample("/orders/inherited", "same", 0),
            sample("/orders/inherited", "would-allow", 0),
            sample("/orders/inherited", "would-deny", 1),
            sample("/orders/failing", "same", 0),
            sample("/orders/failing", "would-allow", 0),
            sample("/orders/failing", "would-deny", 1),
        ]
    );
    let entries = watched.json("/debug/decisions");
    assert_eq!(
        entries["decisions"][0]["path"], "/closed",
        "a denial that the shadow agrees with is kept as ever"
    );
    assert_eq!(
        entries["decisions"][1]["shadow"],
        json!({ "verdict": "would-deny", "reason": "expression-error", "endpoint": "/orders/failing" })
    );
}

#[test]
fn a_shadow_replaces_only_the_expression_beside_it() {
    let watched = start(WITH_SHADOWS, None);
    let headers = [
        "original-request-uri: /orders",
        "isbackoffice: 1",
        "client-key: sample-key-of-client-a",
    ];
    assert_eq!(watched.check(&headers).status(), 200);
    // There, the back office has its own expression.
    assert!(differences(&watched).is_empty());
    let text = watched.metrics();
    let mut counted = text
        .lines()
        .filter(|line| line.starts_with("keygate_shadow_decisions_total{"));
    assert!(counted.all(|line| line.ends_with(" 0")), "{text}");
}

#[test]
fn a_shadow_policy_is_evaluated_for_every_request() {
    let watched = start(&without_a_shadow(WITH_SHADOWS), Some(SHADOW_POLICY));
    watched.decide("/orders", Some("client-a"));
    watched.decide("/closed", Some("client-a"));
    watched.decide("/elsewhere", Some("client-a"));
    assert_eq!(
        differences(&watched),
        [
            ["/orders", "ok", "would-deny", "expression-false", "/orders"],
            [
                "/closed",
                "expression-false",
                "would-allow",
                "ok",
                "/closed"
            ],
        ]
        .map(|fields| fields.map(Value::from))
    );
    let same = r#"keygate_shadow_decisions_total{endpoint="",verdict="same"}"#;
    assert!((watched.metric(same) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn shadow_differences_are_summarized_over_kept_decisions() {
    let watched = start(WITH_SHADOWS, None);
    for (target, client) in [
        ("/orders", Some("client-c")),
        ("/orders/1", Some("client-a")),
        ("/orders/2", Some("client-a")),
        ("/closed", Some("client-a")),
        ("/orders", None),
    ] {
        watched.decide(target, client);
    }
    let mut summary = watched.json("/debug/shadow");
    for difference in summary["differences"].as_array_mut().unwrap() {
        let last = difference.as_object_mut().unwrap().remove("last");
        assert!(last.unwrap().is_string());
    }
    assert_eq!(
        summary,
        json!({ "kept": 5, "differences": [
            { "endpoint": "/orders", "clientType": "A", "wouldAllow": 0, "wouldDeny": 2 },
            { "endpoint": "/orders", "clientType": "C", "wouldAllow": 1, "wouldDeny": 0 },
        ] })
    );
    for path in ["/debug/", "/debug/recent"] {
        let page = watched.page(path).text();
        assert!(
            page.contains("only the 5 decisions that are kept"),
            "{page}"
        );
        assert!(
            page.contains("decisions?endpoint=/orders&#38;client-type=A"),
            "{page}"
        );
    }
    let matrix = watched.page("/debug/").text();
    assert!(
        matrix.contains("A, /orders: allowed; the shadow decides differently: denied"),
        "{matrix}"
    );
}

#[test]
fn an_invalid_shadow_policy_keeps_the_last_valid_one() {
    let folder = tempfile::tempdir().unwrap();
    let shadow = folder.path().join("shadow.yaml");
    std::fs::write(&shadow, SHADOW_POLICY).unwrap();
    let watched = Watched::start(&[("KEYGATE_SHADOW_POLICY", shadow.to_str().unwrap())]);
    std::fs::write(&shadow, "version: 1\nendpoint: []\n").unwrap();
    let failures = r#"keygate_reload_failures_total{source="shadow-policy"}"#;
    until("it is rejected", || {
        (watched.metric(failures) - 1.0).abs() < f64::EPSILON
    });
    assert_eq!(watched.decide("/orders", Some("client-a")), "ok");
    assert_eq!(differences(&watched).len(), 1);
    std::fs::write(&shadow, "version: 1\nendpoints: [{ path: /orders }]\n").unwrap();
    let generation = r#"keygate_reload_generation{source="shadow-policy"}"#;
    until("it is active", || {
        (watched.metric(generation) - 2.0).abs() < f64::EPSILON
    });
    watched.decide("/orders", Some("client-a"));
    assert_eq!(differences(&watched).len(), 1);
}

#[test]
fn differences_have_a_separate_limit() {
    let settings = [("KEYGATE_DECISION_LOG_DENY_LIMIT", "3")];
    let watched = Watched::start(&settings);
    watched.write("policy.yaml", WITH_SHADOWS);
    let generation = r#"keygate_reload_generation{source="policy"}"#;
    until("it is active", || {
        (watched.metric(generation) - 2.0).abs() < f64::EPSILON
    });
    for _ in 0..60 {
        watched.decide("/orders", Some("client-a"));
    }
    let dropped = watched.metric(r#"keygate_decision_log_dropped_total{kind="shadow-difference"}"#);
    assert!(dropped > 0.0);
    let denials = watched.metric(r#"keygate_decision_log_dropped_total{kind="denial"}"#);
    assert!(denials < 0.5);
    watched.decide("/closed", Some("client-a"));
    let lines = watched.decision_log();
    assert_eq!(lines.last().unwrap()["path"], "/closed");
}
