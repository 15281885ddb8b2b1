//! The decision table: the rows of `tests/corpus/*.yaml`, and how one is checked behind a gateway.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use crate::support::backend::Backend;
use crate::support::caller;
use crate::support::gateway::corpus_file;
use crate::support::http_message::{Message, bytes_of};
use crate::support::problem::is_problem;

/// The files of the table.
pub(crate) const FILES: [&str; 2] = ["contract.yaml", "attacks.yaml"];

/// The prefix of every sample key in `tests/corpus/keys.yaml`.
const KEY_MARK: &str = "sample-key-of-";

/// The headers that only Keygate may send to a backend.
const IDENTITY: [&str; 11] = [
    "client-type",
    "isbackoffice",
    "miauserid",
    "miausergroups",
    "miauserproperties",
    "miagroups",
    "mia-userid",
    "mia-groups",
    "mia-userproperties",
    "mia-allowed",
    "x-keygate-token",
];

/// A request and its expected result.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The group of related rows, for reports.
    pub(crate) class: String,
    /// Request line and headers; a character is a byte. If they are missing, `connection: close` and
    /// `HTTP/1.1` are added, the latter with `host`.
    request: String,
    /// The status that the caller gets.
    status: u16,
    /// The reason in the response, if Keygate denied the request; other errors come from the gateway or the
    /// backend.
    reason: Option<String>,
    /// Headers of the request that the backend received: the only value, or `null` for none.
    #[serde(default)]
    backend: BTreeMap<String, Option<String>>,
    /// Other results at gateways other than nginx.
    #[serde(default)]
    instead: Vec<Instead>,
}

/// The whole result at some gateways, in place of the row's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instead {
    /// Gateways, by name or by the first part of it: `envoy` is every `envoy-…`.
    on: Vec<String>,
    /// What the gateway does, for a reader of the table.
    because: String,
    status: u16,
    reason: Option<String>,
    #[serde(default)]
    backend: BTreeMap<String, Option<String>>,
    /// The target that the backend receives, if it is not the caller's.
    target: Option<String>,
    /// Whether the response is the gateway's own, whatever its status.
    #[serde(default)]
    by_gateway: bool,
}

/// An expected result: of a row, or of what is in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'r> {
    pub(crate) status: u16,
    pub(crate) reason: Option<&'r str>,
    pub(crate) backend: &'r BTreeMap<String, Option<String>>,
    target: Option<&'r str>,
    by_gateway: bool,
}

/// Where a row is checked.
#[derive(Clone, Copy)]
pub(crate) struct Place<'g> {
    /// The gateway's name, for [`Instead::on`].
    pub(crate) name: &'g str,
    /// The address for callers.
    pub(crate) address: &'g str,
    pub(crate) backend: &'g Backend,
    /// Whether the configuration leaves the target unchanged.
    pub(crate) keeps_target: bool,
}

/// Returns the rows of a file.
pub(crate) fn rows(file: &str) -> Vec<Row> {
    serde_saphyr::from_str(&fs::read_to_string(corpus_file(file)).unwrap()).unwrap()
}

/// Panics if a log contains a key.
pub(crate) fn assert_no_key_in(logs: &str) {
    let leak = logs.lines().find(|line| line.contains(KEY_MARK));
    assert_eq!(leak, None, "a log contains a key");
}

impl Row {
    /// Sends the request, and checks what the caller and the backend get.
    pub(crate) fn check(&self, place: &Place<'_>) -> Result<(), String> {
        let response = caller::send(place.address, &self.bytes());
        let received = place.backend.take();
        self.check_result(place.name, |expected| {
            self.holds(expected, place, &response, &received)
        })
        .map_err(|wrong| format!("{wrong}, got {response:?}, the backend received {received:?}"))
    }

    /// Checks a result behind a gateway.
    ///
    /// A result in place of the row's must be necessary, so that the table stays true.
    pub(crate) fn check_result(
        &self,
        gateway: &str,
        holds: impl Fn(Expected<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let as_written = holds(self.written());
        match self.instead_of(gateway) {
            None => as_written,
            Some(_) if as_written.is_ok() => {
                Err("the row holds as it is written: remove `instead`".to_owned())
            }
            Some(expected) => holds(expected),
        }
    }

    /// Returns the result behind nginx.
    pub(crate) fn written(&self) -> Expected<'_> {
        Expected {
            status: self.status,
            reason: self.reason.as_deref(),
            backend: &self.backend,
            target: None,
            by_gateway: false,
        }
    }

    fn instead_of(&self, gateway: &str) -> Option<Expected<'_>> {
        let names = [gateway, family(gateway)];
        let mut found = self.instead.iter();
        let it = found.find(|it| it.on.iter().any(|on| names.contains(&on.as_str())))?;
        Some(Expected {
            status: it.status,
            reason: it.reason.as_deref(),
            backend: &it.backend,
            target: it.target.as_deref(),
            by_gateway: it.by_gateway,
        })
    }

    fn holds(
        &self,
        expected: Expected<'_>,
        place: &Place<'_>,
        response: &Message,
        received: &[Message],
    ) -> Result<(), String> {
        if response.status() != expected.status {
            return Err(format!("expected {}", expected.status));
        }
        if expected.ends_before_backend() {
            if !received.is_empty() {
                return Err("it reached the backend".to_owned());
            }
            let reason = expected.reason;
            return reason.map_or(Ok(()), |reason| {
                is_problem(response, expected.status, reason)
            });
        }
        let [request] = received else {
            return Err("expected one request at the backend".to_owned());
        };
        self.has_target(expected, place, request)?;
        expected.holds_at_backend(request)
    }

    /// Checks method and target of the request at the backend.
    fn has_target(
        &self,
        expected: Expected<'_>,
        place: &Place<'_>,
        request: &Message,
    ) -> Result<(), String> {
        let line = self.request.lines().next().unwrap_or_default();
        let (method, sent) = line.split_once(' ').unwrap_or_default();
        if request.method() != method {
            return Err(format!("the method changed to `{}`", request.method()));
        }
        let sent = expected.target.unwrap_or(sent);
        if place.keeps_target && sent.starts_with('/') && request.target() != sent {
            return Err(format!("the target changed to `{}`", request.target()));
        }
        Ok(())
    }

    /// Returns the request's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (head, body) = self
            .request
            .split_once("\n\n")
            .unwrap_or((&self.request, ""));
        let mut lines: Vec<String> = head
            .trim_end_matches('\n')
            .split('\n')
            .map(str::to_owned)
            .collect();
        let is_short = !lines[0].contains(" HTTP/");
        if is_short {
            lines[0].push_str(" HTTP/1.1");
        }
        let has = |lines: &[String], name: &str| {
            lines
                .iter()
                .any(|line| line.to_ascii_lowercase().starts_with(name))
        };
        if is_short && !has(&lines, "host:") {
            lines.insert(1, "host: gateway.example".to_owned());
        }
        if !has(&lines, "connection:") {
            lines.push("connection: close".to_owned());
        }
        bytes_of(&format!("{}\r\n\r\n{body}", lines.join("\r\n")))
    }

    /// Panics where the row states something that no row may.
    pub(crate) fn assert_consistent(&self, gateways: &[&str]) {
        let name = &self.name;
        for instead in &self.instead {
            assert!(instead.because.len() > 20, "{name}: say why");
            // Keygate decides on the changed target, too.
            let is_changed = instead.target.is_some();
            assert!(
                self.reason.is_none() || instead.status >= 400 || is_changed,
                "{name}: no gateway may allow what Keygate denies"
            );
            for on in &instead.on {
                let is_known = |gateway: &&str| *gateway == on || family(gateway) == on;
                assert!(gateways.iter().any(is_known), "{name}: no gateway `{on}`");
            }
        }
    }
}

/// Returns the gateway itself, without what distinguishes its examples.
fn family(name: &str) -> &str {
    name.split('-').next().unwrap()
}

impl Expected<'_> {
    /// Returns whether the request ends before the backend; other statuses come from the backend.
    pub(crate) fn ends_before_backend(&self) -> bool {
        self.reason.is_some() || self.is_of_gateway()
    }

    /// Returns whether the response is the gateway's own.
    pub(crate) fn is_of_gateway(&self) -> bool {
        let rejects = matches!(self.status, 400 | 404 | 405 | 413 | 414 | 426 | 501 | 505);
        self.by_gateway || self.reason.is_none() && rejects
    }

    /// Checks the headers of the request at the backend.
    fn holds_at_backend(&self, request: &Message) -> Result<(), String> {
        let head: String = request
            .headers
            .iter()
            .flat_map(|(name, value)| [name, ": ", value, "\n"])
            .collect();
        if head.contains(KEY_MARK) {
            return Err("a key reached the backend".to_owned());
        }
        // Every spelling that a backend may accept as the identity header.
        let alike = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "");
        for name in IDENTITY {
            let values: Vec<_> = request
                .headers
                .iter()
                .filter(|(n, _)| alike(n) == alike(name))
                .map(|(_, value)| value)
                .collect();
            let expected: Vec<_> = self
                .backend
                .get(name)
                .and_then(Option::as_ref)
                .into_iter()
                .collect();
            if values != expected {
                return Err(format!("`{name}` is {values:?}, not {expected:?}"));
            }
        }
        let of_key = request.headers.iter();
        let ids = of_key.filter(|(name, _)| alike(name) == alike("x-keygate-key-id"));
        if ids.count() > usize::from(request.header("client-type").is_some()) {
            return Err("`x-keygate-key-id` is the caller's own".to_owned());
        }
        for (name, expected) in self.backend {
            let value = request.header(name);
            if value != expected.as_deref() {
                return Err(format!("`{name}` is {value:?}, not {expected:?}"));
            }
        }
        Ok(())
    }
}
