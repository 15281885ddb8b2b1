//! The dashboard and the alert rules of `deploy/` use existing metrics, and fire when they should.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::caller;
use crate::support::gateway::{ROOT, corpus_file, free_port};
use crate::support::operations::{Watched, keep_busy, prometheus_tool, until};
use crate::support::program::{Service, run_to_end};

const DASHBOARD: &str = "deploy/grafana/dashboard.json";
const ALERTS: &str = "deploy/prometheus/alerts.yaml";

fn file(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

fn promtool(arguments: &[&str]) {
    let mut command = Command::new(prometheus_tool("promtool"));
    let output = run_to_end(
        command
            .args(arguments)
            .current_dir(file("deploy/prometheus")),
    );
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

/// Each query of the dashboard, with its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_slice(&fs::read(file(DASHBOARD)).unwrap()).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter();
    let targets = targets.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries = targets.map(|target| target["expr"].as_str().unwrap());
    queries
        .map(|query| {
            query
                .replace("$job", ".*")
                .replace("$__rate_interval", "1m")
        })
        .collect()
}

/// The names of Keygate's own metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    words.filter(|word| word.starts_with("keygate_")).collect()
}

/// An issuer whose keys are loaded, and one whose keys cannot be fetched.
const USERS: &str = "users: {jwt: [
    {issuer: a, audience: any, secret-file: secret},
    {issuer: b, audience: any, jwks-url: http://127.0.0.1:1/},
]}\n";

/// A service with every metric: it has decided with each reason, has a shadow, users, and a key that
/// will expire.
fn with_every_metric() -> Watched {
    let shadow = corpus_file("policy.yaml").display().to_string();
    let watched = Watched::start_with_files(
        &[
            ("settings.yaml", USERS),
            ("secret", &format!("{}\n", "s".repeat(32))),
        ],
        &[("KEYGATE_SHADOW_POLICY", &shadow)],
    );
    let keys = fs::read_to_string(watched.path("keys.yaml")).unwrap();
    let expiring = "  - { id: expiring, clientType: A, key: sample-key-of-expiring, \
                    expiresAt: 2999-01-01T00:00:00Z }\n";
    watched.write("keys.yaml", &(keys + expiring));
    until("the keys are active", || {
        watched.metrics().contains(r#"key_id="expiring""#)
    });
    keep_busy(&watched);
    watched
}

/// A Prometheus that scrapes a service and evaluates the alert rules.
struct Prometheus {
    address: String,
    _service: Service,
    _folder: TempDir,
}

impl Prometheus {
    fn watching(watched: &Watched) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let address = format!("127.0.0.1:{}", free_port());
        let configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{}]\n\
             scrape_configs:\n  - job_name: keygate\n    static_configs: [{{ targets: ['{}'] }}]\n",
            file(ALERTS).display(),
            watched.operations
        );
        fs::write(path("prometheus.yml"), configuration).unwrap();
        let mut command = Command::new(prometheus_tool("prometheus"));
        command
            .stdin(Stdio::null())
            .arg(format!(
                "--config.file={}",
                path("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", path("data").display()))
            .arg(format!("--web.listen-address={address}"));
        let service = Service::start(command, &address, &path("log"));
        Self {
            address,
            _service: service,
            _folder: folder,
        }
    }

    /// A response; nothing while it is starting.
    fn get(&self, path: &str) -> Value {
        let response = caller::get(&self.address, path, &[]);
        if response.status() == 503 {
            return Value::Null;
        }
        serde_json::from_slice(&response.body)
            .unwrap_or_else(|error| panic!("{error}: {response:?}"))
    }

    fn query(&self, query: &str) -> Value {
        let encode = |byte: u8| format!("%{byte:02X}");
        let query: String = query.bytes().map(encode).collect();
        self.get(&format!("/api/v1/query?query={query}"))
    }
}

#[test]
fn promtool_accepts_the_alert_rules() {
    promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        "alerts.yaml",
    ]);
}

#[test]
fn each_alert_fires_only_when_it_should() {
    promtool(&["test", "rules", "alerts-test.yaml"]);
    let rules = fs::read_to_string(file(ALERTS)).unwrap();
    let cases = fs::read_to_string(file("deploy/prometheus/alerts-test.yaml")).unwrap();
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        assert!(cases.contains(alert), "no case for {alert}");
    }
}

#[test]
fn prometheus_returns_data_for_every_dashboard_query() {
    let watched = with_every_metric();
    let prometheus = Prometheus::watching(&watched);
    // A rate needs two samples.
    until("it has scraped twice", || {
        let scrapes = prometheus.query("count_over_time(keygate_build_info[1m])");
        let value = &scrapes["data"]["result"][0]["value"][1];
        value
            .as_str()
            .is_some_and(|count| count.parse::<u32>().unwrap() > 1)
    });
    let queries = queries();
    assert!(queries.len() > 12, "{queries:?}");
    for query in queries {
        let response = prometheus.query(&query);
        assert_eq!(response["status"], "success", "{query}: {response}");
        let result = response["data"]["result"].as_array().unwrap();
        assert!(!result.is_empty(), "no data: {query}");
    }
    let rules = prometheus.get("/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 8);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

#[test]
fn alerts_use_existing_metrics() {
    let metrics = with_every_metric().metrics();
    let existing = names(&metrics);
    let rules = fs::read_to_string(file(ALERTS)).unwrap();
    let unknown: Vec<_> = names(&rules)
        .into_iter()
        .filter(|it| !existing.contains(it))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_documentation_has_each_metric_and_no_other() {
    let metrics = with_every_metric().metrics();
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let existing: BTreeMap<_, _> = types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| (name, labels(&metrics, name)))
        .collect();
    let text = fs::read_to_string(file("docs/reference/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeMap<_, BTreeSet<_>> = rows
        .map(|row| {
            let mut cells = row.split('|');
            let name = cells.next().unwrap().split('`').next().unwrap();
            let labels = cells.next().unwrap().split('`').skip(1).step_by(2);
            (name, labels.collect())
        })
        .collect();
    assert_eq!(documented, existing);
}

/// Returns the names of the labels that the samples of a metric have.
fn labels<'t>(metrics: &'t str, name: &str) -> BTreeSet<&'t str> {
    let of_histogram = ["", "_bucket", "_count"].map(|suffix| format!("{name}{suffix}{{"));
    let samples = metrics
        .lines()
        .filter(|line| of_histogram.iter().any(|start| line.starts_with(start)));
    let names = samples.flat_map(|line| line.split(['{', ',']).skip(1));
    let names = names.filter_map(|label| label.split_once("=\"").map(|(name, _)| name));
    names.filter(|label| *label != "le").collect()
}
