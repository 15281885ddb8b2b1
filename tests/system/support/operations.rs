//! A service with its operations listener.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::caller;
use crate::support::gateway::{ROOT, corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::program::{Service, keygate};

/// The settings file of a service.
const SETTINGS: &str = "settings.yaml";

/// `keygate serve` with copies of the corpus' keys and policy, which a test may change.
pub(crate) struct Watched {
    pub(crate) service: Service,
    pub(crate) data: String,
    pub(crate) operations: String,
    folder: TempDir,
}

impl Watched {
    /// Starts it with these settings, such as `("KEYGATE_LOG_LEVEL", "debug")`.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    /// Starts it in a folder with these files too, `settings.yaml` among them.
    pub(crate) fn start_with_files(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self::start_in(folder, settings)
    }

    fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let path = |name: &str| folder.path().join(name);
        for name in ["keys.yaml", "policy.yaml"] {
            fs::copy(corpus_file(name), path(name)).unwrap();
        }
        let data = format!("127.0.0.1:{}", free_port());
        let operations = format!("127.0.0.1:{}", free_port());
        let mut command = keygate();
        command
            .args(["serve", "--listen", &data, "--operations", &operations])
            .env("KEYGATE_LOG_FORMAT", "json")
            .env("KEYGATE_KEYS", path("keys.yaml"))
            .env("KEYGATE_POLICY", path("policy.yaml"))
            .envs(settings.iter().copied())
            .current_dir(folder.path());
        if path(SETTINGS).exists() {
            command.args(["--config", SETTINGS]);
        }
        let service = Service::start(command, &data, &path("log"));
        Self {
            service,
            data,
            operations,
            folder,
        }
    }

    /// Returns the path of a file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Overwrites a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Returns the reason of the decision on a `GET` with a client's key.
    pub(crate) fn decide(&self, target: &str, client: Option<&str>) -> String {
        let key = client.map(|client| format!("client-key: sample-key-of-{client}"));
        let mut headers = vec![format!("original-request-uri: {target}")];
        headers.extend(key);
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        self.check(&headers)
            .header("x-keygate-reason")
            .unwrap()
            .to_owned()
    }

    /// Sends an authorization request with these headers, for some host.
    pub(crate) fn check(&self, headers: &[&str]) -> Message {
        let host = "original-request-host: gateway.example";
        caller::get(&self.data, "/check", &[headers, &[host]].concat())
    }

    /// Gets a page of the operations listener.
    pub(crate) fn page(&self, path: &str) -> Message {
        caller::get_operations(&self.operations, path, &[])
    }

    /// Gets a JSON page of the operations listener.
    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.page(path).body).unwrap()
    }

    /// Returns the current metrics: `name{labels} value` lines.
    pub(crate) fn metrics(&self) -> String {
        String::from_utf8(self.page("/metrics").body).unwrap()
    }

    /// Returns the value of a sample, given with its labels.
    pub(crate) fn metric(&self, sample: &str) -> f64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(sample));
        line.unwrap_or_else(|| panic!("`{sample}` is not in:\n{text}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        until("its log is written", || {
            self.json("/-/check-up")["log"]["waitingBytes"] == 0
        });
        let text = self.service.output();
        let line = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: `{line}`"))
        };
        text.lines().map(line).collect()
    }

    /// Returns the lines of its decision log.
    pub(crate) fn decision_log(&self) -> Vec<Value> {
        let mut lines = self.log();
        lines.retain(|line| line["target"] == "keygate::decision");
        lines
    }
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "timed out waiting until {what}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends requests that a service decides with every reason.
pub(crate) fn keep_busy(watched: &Watched) {
    let decisions = [
        ("/orders", Some("client-a"), "ok"),
        ("/orders", Some("client-a"), "ok"),
        ("/orders?x=1", Some("client-c"), "expression-false"),
        ("/orders", None, "missing-key"),
        ("/public", None, "ok"),
        ("/user", None, "missing-user"),
        ("/level", None, "expression-error"),
        ("/elsewhere", None, "no-endpoint"),
        ("/public/..;/orders", None, "ambiguous-path"),
        ("/orders", Some("nobody"), "unknown-key"),
        ("/orders", Some("expired"), "unknown-key"),
        ("/orders", Some("inactive"), "unknown-key"),
        ("/orders", Some("future"), "unknown-key"),
    ];
    for (target, client, reason) in decisions {
        assert_eq!(watched.decide(target, client), reason, "{target}");
    }
    let post = [
        "original-request-uri: /read",
        "original-request-method: POST",
    ];
    assert_eq!(
        watched.check(&post).header("x-keygate-reason"),
        Some("method-not-allowed")
    );
    let malformed = ["original-request-uri: /", "isbackoffice: maybe"];
    assert_eq!(
        watched.check(&malformed).header("x-keygate-reason"),
        Some("malformed-request")
    );
}

/// Returns the path of a Prometheus tool, from `make tools` or the system.
pub(crate) fn prometheus_tool(name: &str) -> PathBuf {
    let tools = Path::new(ROOT).join("target/tools/prometheus/usr/bin");
    [tools, "/usr/bin".into(), "/usr/local/bin".into()]
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no {name}: `make tools` installs it"))
}
