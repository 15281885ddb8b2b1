//! The corpus: requests and their expected results, as data, under every setup of nginx.

use std::collections::BTreeMap;
use std::fs;

use rstest_reuse::apply;
use serde::Deserialize;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup, corpus_file};
use crate::support::http_message::{Message, bytes_of};
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;

/// A request and its expected result.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// The group of related rows, for reports.
    class: String,
    /// Request line and headers; a character is a byte. If they are missing, `connection: close` and
    /// `HTTP/1.1` are added, the latter with `host`.
    request: String,
    /// The status that the caller gets.
    status: u16,
    /// The reason in the response, if Keygate denied the request; other errors come from nginx or the
    /// backend.
    reason: Option<String>,
    /// Headers of the request that the backend received: the only value, or `null` for none.
    #[serde(default)]
    backend: BTreeMap<String, Option<String>>,
    /// The setups to which it applies; all by default.
    setups: Option<Vec<String>>,
}

/// The prefix of every sample key in `tests/corpus/keys.yaml`.
const KEY_MARK: &str = "sample-key-of-";

/// The setups of nginx under which every decision must be the same.
const SETUPS: [Setup; 6] = [
    Setup::PLAIN,
    Setup {
        name: "unix-sockets-and-underscores",
        services: Services::PairOverUnix,
        http: "underscores_in_headers on;",
        ..Setup::PLAIN
    },
    Setup {
        name: "merge-slashes-off",
        http: "merge_slashes off;",
        ..Setup::PLAIN
    },
    Setup {
        name: "proxy-pass-with-uri",
        proxy_pass_uri: "/",
        ..Setup::PLAIN
    },
    Setup {
        name: "single",
        services: Services::Single,
        ..Setup::PLAIN
    },
    // Directives of an http block that affect subrequests. Each of them allowed a denied request, or
    // broke the authorization request, before the includes reset it.
    Setup {
        name: "careless-server",
        http: "
            ignore_invalid_headers off;
            underscores_in_headers on;
            proxy_set_body $request_body;
            proxy_method POST;
            proxy_pass_request_headers off;
            proxy_ignore_headers X-Accel-Redirect;
            proxy_intercept_errors on;
            proxy_cache_path cache keys_zone=all:1m;
            proxy_cache all;
            proxy_cache_key everything;
            proxy_cache_methods GET POST;
            proxy_cache_valid any 10m;
            proxy_buffer_size 1k;
            proxy_buffers 4 1k;
            proxy_busy_buffers_size 2k;
            proxy_temp_file_write_size 2k;
            recursive_error_pages on;
            client_max_body_size 8;
            satisfy any;
            error_page 403 404 500 502 503 504 =200 /everything-is-fine;
            ",
        server: "
            rewrite ^/_keygate(.*)$ /everything-is-fine$1;
            location /everything-is-fine { return 200; }
            ",
        location: "
            proxy_cache off;
            proxy_intercept_errors off;
            proxy_method $request_method;
            proxy_pass_request_headers on;
            ",
        ..Setup::PLAIN
    },
];

#[apply(each_nginx)]
fn every_row_holds_under_every_setup(
    #[values("contract.yaml", "attacks.yaml")] file: &str,
    version: Version,
) {
    let rows: Vec<Row> =
        serde_saphyr::from_str(&fs::read_to_string(corpus_file(file)).unwrap()).unwrap();
    let number = version.number();
    let mut failures = Vec::new();
    for setup in &SETUPS {
        let gateway = Gateway::start(version, setup);
        for row in rows.iter().filter(|row| row.applies_to(setup)) {
            let case = format!("{file}: {}: {} ({})", row.class, row.name, setup.name);
            match row.check(&gateway, setup) {
                Ok(()) => report::passed(&number, &case),
                Err(wrong) => failures.push(format!("{case}: {wrong}")),
            }
        }
        let logs = gateway.logs();
        let leak = logs.lines().find(|line| line.contains(KEY_MARK));
        assert_eq!(leak, None, "a log contains a key");
    }
    assert!(
        failures.is_empty(),
        "on nginx {number}:\n{}",
        failures.join("\n")
    );
}

#[test]
fn setups_named_by_rows_exist_and_row_names_are_unique() {
    for file in ["contract.yaml", "attacks.yaml"] {
        let rows: Vec<Row> =
            serde_saphyr::from_str(&fs::read_to_string(corpus_file(file)).unwrap()).unwrap();
        let mut names: Vec<_> = rows.iter().map(|row| (&row.class, &row.name)).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "two rows of {file} have the same name");
        for setup in rows.iter().filter_map(|row| row.setups.as_ref()).flatten() {
            assert!(
                SETUPS.iter().any(|known| known.name == setup),
                "no setup `{setup}`"
            );
        }
    }
}

impl Row {
    fn applies_to(&self, setup: &Setup) -> bool {
        self.setups
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == setup.name))
    }

    fn check(&self, gateway: &Gateway, setup: &Setup) -> Result<(), String> {
        let response = caller::send(&gateway.address, &self.bytes());
        let received = gateway.backend.take();
        let context = || format!("got {response:?}, the backend received {received:?}");
        if response.status() != self.status {
            return Err(format!("expected {}, {}", self.status, context()));
        }
        if self.reason.is_some() || self.is_rejected_by_nginx() {
            if !received.is_empty() {
                return Err(format!("reached the backend: {}", context()));
            }
            return match &self.reason {
                Some(reason) => is_problem(&response, self.status, reason),
                None => Ok(()),
            }
            .map_err(|wrong| format!("{wrong}, {}", context()));
        }
        let [request] = received.as_slice() else {
            return Err(format!(
                "expected one request at the backend, {}",
                context()
            ));
        };
        self.check_received(request, setup)
            .map_err(|wrong| format!("{wrong}, {}", context()))
    }

    /// Returns whether nginx itself rejects the request; other statuses come from the backend.
    fn is_rejected_by_nginx(&self) -> bool {
        self.reason.is_none() && matches!(self.status, 400 | 404 | 405 | 413 | 414 | 501 | 505)
    }

    fn check_received(&self, request: &Message, setup: &Setup) -> Result<(), String> {
        let line = self.request.lines().next().unwrap_or_default();
        let (method, sent) = line.split_once(' ').unwrap_or_default();
        if request.method() != method {
            return Err(format!("the method changed to `{}`", request.method()));
        }
        if setup.proxy_pass_uri.is_empty() && sent.starts_with('/') && request.target() != sent {
            return Err(format!("the target changed to `{}`", request.target()));
        }
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
        for name in [
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
        ] {
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
        for (name, expected) in &self.backend {
            if request.header(name) != expected.as_deref() {
                return Err(format!(
                    "`{name}` is {:?}, not {expected:?}",
                    request.header(name)
                ));
            }
        }
        Ok(())
    }

    fn bytes(&self) -> Vec<u8> {
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
}
