//! Metrics count decisions and reloads, and the reference tools accept their formats.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::caller;
use crate::support::gateway::ROOT;
use crate::support::operations::{Watched, keep_busy, prometheus_tool, until};

const OPENMETRICS: &str = "accept: application/openmetrics-text; version=1.0.0";

/// Runs a checker over a text, and expects no findings.
fn assert_accepted(checker: &mut Command, text: &[u8]) {
    let mut child = checker
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && said.is_empty(),
        "{said}\n{}",
        String::from_utf8_lossy(text)
    );
}

/// Returns a service that has decided with every reason.
fn busy() -> Watched {
    let watched = Watched::start(&[]);
    keep_busy(&watched);
    watched
}

#[test]
fn every_decision_is_counted_under_its_step_reason_and_endpoint() {
    let watched = busy();
    let text = watched.metrics();
    let counted: Vec<_> = text
        .lines()
        .filter(|line| {
            let is_count =
                line.starts_with("keygate_decisions") || line.starts_with("keygate_refused");
            is_count && !line.ends_with(" 0")
        })
        .collect();
    insta::assert_snapshot!(counted.join("\n"));
}

#[test]
fn keys_durations_and_the_build_are_exported() {
    let watched = busy();
    for (sample, value) in [
        (r#"keygate_keys{state="valid"}"#, 5.0),
        (r#"keygate_keys{state="inactive"}"#, 1.0),
        (r#"keygate_keys{state="expired"}"#, 1.0),
        (r#"keygate_keys{state="not-yet-valid"}"#, 1.0),
        (
            r#"keygate_decision_duration_seconds_count{step="resolve"}"#,
            15.0,
        ),
        (
            r#"keygate_decision_duration_seconds_count{step="authorize"}"#,
            11.0,
        ),
        (
            r#"keygate_decision_duration_seconds_bucket{step="authorize",le="1.0"}"#,
            11.0,
        ),
        (r#"keygate_decision_log_dropped_total{kind="denial"}"#, 0.0),
        (
            concat!(
                r#"keygate_build_info{version=""#,
                env!("CARGO_PKG_VERSION"),
                r#"",role="serve"}"#
            ),
            1.0,
        ),
    ] {
        assert!(
            (watched.metric(sample) - value).abs() < f64::EPSILON,
            "{sample}"
        );
    }
    let took = watched.metric(r#"keygate_decision_duration_seconds_sum{step="authorize"}"#);
    assert!(took > 0.0 && took < 1.0, "{took} seconds for 11 decisions");
}

#[test]
fn the_keys_that_expire_next_are_exported_one_by_one() {
    let watched = Watched::start(&[]);
    let key = |n: usize| {
        format!(
            "  - {{ id: k{n}, clientType: A, key: sample-{n}, expiresAt: 2999-01-01T00:00:{:02}Z }}\n",
            n % 60
        )
    };
    let keys: String = (0..150).map(key).collect();
    let old = "  - { id: old, clientType: A, key: sample-old, expiresAt: 2001-01-01T00:00:00Z }\n";
    watched.write("keys.yaml", &format!("version: 1\nkeys:\n{keys}{old}"));
    until("the keys are active", || {
        watched.metrics().contains(r#"key_id="k0""#)
    });
    let text = watched.metrics();
    let is_expiry = |line: &&str| line.starts_with("keygate_key_expiry_timestamp_seconds{");
    assert_eq!(text.lines().filter(is_expiry).count(), 100);
    let soonest =
        r#"keygate_key_expiry_timestamp_seconds{key_id="k60",client_type="A"} 32472144000"#;
    assert!(text.lines().any(|line| line == soonest), "{text}");
    assert!(
        !text.contains(r#"key_id="k59""#),
        "it expires after 100 others"
    );
    assert!(!text.contains(r#"key_id="old""#), "it has expired");
}

#[test]
fn a_reload_is_counted_and_resets_no_counter() {
    let watched = Watched::start(&[]);
    watched.decide("/public", None);
    let ok = r#"keygate_decisions_total{step="authorize",outcome="allowed",reason="ok",endpoint="/public"}"#;
    let generation = r#"keygate_reload_generation{source="policy"}"#;
    let successful = r#"keygate_reload_last_successful{source="policy"}"#;
    let metric = |sample| watched.metric(sample).to_string();
    assert_eq!([metric(ok), metric(generation)], ["1", "1"]);

    watched.write(
        "policy.yaml",
        "version: 1\nendpoints: [{ path: /new }, { path: /public, apiKeyRequired: false }]\n",
    );
    until("the new policy is active", || metric(generation) == "2");
    watched.decide("/public", None);
    assert_eq!([metric(ok), metric(successful)], ["2", "1"]);
    let text = watched.metrics();
    assert!(text.contains(r#"endpoint="/new""#) && !text.contains(r#"endpoint="/orders""#));

    watched.write("policy.yaml", "version: 1\nendpoint: []\n");
    let failures = r#"keygate_reload_failures_total{source="policy"}"#;
    until("the bad policy is rejected", || metric(failures) == "1");
    assert_eq!([metric(generation), metric(successful)], ["2", "0"]);
    let loaded =
        watched.metric(r#"keygate_reload_last_success_timestamp_seconds{source="policy"}"#);
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!((0.0..60.0).contains(&(now - loaded)), "{loaded}");
}

#[test]
fn promtool_accepts_the_metrics_text() {
    let text = busy().page("/metrics");
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let mut promtool = Command::new(prometheus_tool("promtool"));
    assert_accepted(promtool.args(["check", "metrics"]), &text.body);
}

#[test]
fn the_reference_parser_accepts_the_openmetrics_text() {
    let response = caller::get_operations(&busy().operations, "/metrics", &[OPENMETRICS]);
    assert_eq!(
        response.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let parse = "import sys; from prometheus_client.openmetrics import parser; \
                 families = list(parser.text_string_to_metric_families(sys.stdin.read())); \
                 assert len(families) > 8, families";
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", Path::new(ROOT).join("target/tools/python"))
        .args(["-c", parse]);
    assert_accepted(&mut python, &response.body);
}

#[test]
fn neither_metrics_nor_debug_are_on_the_data_listener() {
    let watched = Watched::start(&[]);
    for path in ["/metrics", "/debug/decisions", "/debug/config", "/-/ready"] {
        assert_eq!(
            caller::get(&watched.data, path, &[]).status(),
            404,
            "{path}"
        );
    }
}

#[test]
fn listing_many_keys_does_not_delay_decisions() {
    const KEYS: usize = 30_000;
    let watched = Watched::start(&[]);
    let keys: Vec<_> = (0..KEYS)
        .map(|n| {
            let digest = format!("{n:08x}").repeat(8);
            format!(r#"{{"id":"k{n}","clientType":"A","digest":"sha256:{digest}"}}"#)
        })
        .collect();
    let text = format!(r#"{{"version":1,"keys":[{}]}}"#, keys.join(","));
    watched.write("keys.yaml", &text);
    until("the keys are active", || {
        watched.metric(r#"keygate_keys{state="valid"}"#) >= 30_000.0
    });
    let mut looking = caller::connect(&watched.operations);
    let request =
        b"GET /debug/keys?limit=10000 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    looking.write_all(request).unwrap();
    looking.set_nonblocking(true).unwrap();
    let mut responses = 0;
    while looking.peek(&mut [0]).is_err() {
        caller::get(&watched.data, "/check", &["original-request-uri: /"]);
        responses += 1;
    }
    assert!(
        responses > 10,
        "{responses} responses before the first byte"
    );
}
