//! The decision table without a gateway: authorization requests as each gateway would send them.

use rstest::rstest;

use crate::support::gateway::{Role, corpus_folder, free_port};
use crate::support::http_message::{Message, bytes_of};
use crate::support::problem::is_problem;
use crate::support::table::{self, Expected, FILES, Row};
use crate::support::{caller, report};

/// How a gateway describes the client request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Description {
    /// `original-request-*`; nginx reads only status and headers of the response.
    Original,
    /// The request line, behind `/check`.
    Path,
    /// `x-forwarded-*`.
    Forwarded,
}

use Description::{Forwarded, Original, Path};

pub(crate) const NAMES: [&str; 5] = [
    "direct-nginx",
    "direct-envoy",
    "direct-traefik",
    "direct-caddy",
    "direct-haproxy",
];

#[rstest]
#[case("direct-nginx", Original)]
#[case("direct-envoy", Path)]
#[case("direct-traefik", Forwarded)]
#[case("direct-caddy", Forwarded)]
#[case("direct-haproxy", Forwarded)]
fn every_row_holds_without_a_gateway(#[case] name: &str, #[case] description: Description) {
    assert!(NAMES.contains(&name));
    let folder = corpus_folder();
    let address = format!("127.0.0.1:{}", free_port());
    let gateway = name.trim_start_matches("direct-");
    let service = Role::Serve.start(&address, folder.path(), &[("KEYGATE_GATEWAY", gateway)]);
    let rows = FILES.into_iter().flat_map(table::rows);
    let mut failures = Vec::new();
    // What a gateway rejects does not reach the service.
    for row in rows.filter(|row| !row.written().is_of_gateway()) {
        let case = format!("{}: {}", row.class, row.name);
        let client = Client::of(&row);
        let response = caller::send(&address, &client.described(description));
        let result = row.check_result(name, |expected| holds(expected, description, &response));
        match result {
            Ok(()) => report::passed_at(name, &case),
            Err(wrong) => failures.push(format!("{case}: {wrong}, got {response:?}")),
        }
    }
    table::assert_no_key_in(&service.output());
    assert!(
        failures.is_empty(),
        "{name}, {} rows:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The client request of a row.
struct Client {
    method: String,
    target: String,
    host: Option<String>,
    /// Those that a gateway sends on.
    headers: Vec<(String, String)>,
}

impl Client {
    fn of(row: &Row) -> Self {
        let message = Message::read_head(&mut row.bytes().as_slice());
        let message = message.unwrap().unwrap();
        let target = message.target().to_owned();
        let is_absolute = target.to_ascii_lowercase().starts_with("http://");
        let authority = target.get("http://".len()..).filter(|_| is_absolute);
        let authority = authority.and_then(|rest| rest.split(['/', '?']).next());
        let host = authority.or(message.all("host").first().copied());
        Self {
            method: message.method().to_owned(),
            host: host.map(str::to_owned),
            headers: message.headers.into_iter().filter(is_sent_on).collect(),
            target,
        }
    }

    /// Returns the authorization request.
    fn described(&self, description: Description) -> Vec<u8> {
        let Self {
            method,
            target,
            host,
            ..
        } = self;
        let names = match description {
            Original => Some([
                "original-request-method",
                "original-request-uri",
                "original-request-host",
            ]),
            Forwarded => Some(["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host"]),
            Path => None,
        };
        let host = host.as_deref();
        let line = match names {
            Some(_) => "GET /check HTTP/1.1\r\nhost: keygate".to_owned(),
            None => format!(
                "{method} /check{} HTTP/1.1\r\nhost: {}",
                self.path(),
                host.unwrap_or_default()
            ),
        };
        let mut lines = vec![line, "connection: close".to_owned()];
        if let Some(names) = names {
            let values = [Some(method.as_str()), Some(target), host];
            let stated = names.iter().zip(values);
            lines.extend(stated.filter_map(|(name, value)| Some(format!("{name}: {}", value?))));
        }
        let others = self.headers.iter();
        let others =
            others.filter(|(name, _)| !names.is_some_and(|it| it.contains(&name.as_str())));
        lines.extend(others.map(|(name, value)| format!("{name}: {value}")));
        if target.starts_with("/backoffice/") {
            lines.push("isbackoffice: 1".to_owned());
        }
        bytes_of(&format!("{}\r\n\r\n", lines.join("\r\n")))
    }

    /// Returns the target as Envoy sends it: without scheme and host.
    fn path(&self) -> String {
        if self.target.starts_with('/') {
            return self.target.clone();
        }
        let (_, rest) = self.target.split_once("://").unwrap();
        let path = rest
            .find(['/', '?'])
            .map_or("", |start| rest.split_at(start).1);
        if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        }
    }
}

/// Checks the response to the authorization request.
fn holds(
    expected: Expected<'_>,
    description: Description,
    response: &Message,
) -> Result<(), String> {
    if expected.is_of_gateway() {
        return if response.status() == expected.status {
            Ok(())
        } else {
            Err(format!("expected {}", expected.status))
        };
    }
    let Some(reason) = expected.reason else {
        return holds_if_allowed(expected, description, response);
    };
    if response.header("x-keygate-reason") != Some(reason) {
        return Err(format!("expected {reason}"));
    }
    match description {
        Original if response.status() != expected.status => {
            Err(format!("expected {}", expected.status))
        }
        Original if response.header("content-length") != Some("0") => {
            Err("nginx would close the connection over the body".to_owned())
        }
        Original => Ok(()),
        Path | Forwarded => is_problem(response, expected.status, reason),
    }
}

/// The headers of a response that a gateway sends on to the backend.
const COPIED: [&str; 7] = [
    "client-type",
    "miauserid",
    "miausergroups",
    "miauserproperties",
    "x-keygate-key-id",
    "x-keygate-token",
    "cookie",
];

/// Checks what a gateway sends on to the backend; other statuses than 200 are the backend's.
fn holds_if_allowed(
    expected: Expected<'_>,
    description: Description,
    response: &Message,
) -> Result<(), String> {
    if response.status() != 200 || response.header("x-keygate-reason") != Some("ok") {
        return Err("expected 200".to_owned());
    }
    // nginx's includes rewrite the cookies.
    let is_copied =
        |name: &str| COPIED.contains(&name) && (name != "cookie" || description != Original);
    for (name, value) in expected.backend.iter().filter(|(name, _)| is_copied(name)) {
        let copied = response.header(name);
        if copied != value.as_deref() {
            return Err(format!("`{name}` is {copied:?}, not {value:?}"));
        }
    }
    Ok(())
}

/// Returns whether a gateway sends the client's header on to the service.
fn is_sent_on((name, _): &(String, String)) -> bool {
    let is_clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_of_connection = [
        "connection",
        "content-length",
        "host",
        "transfer-encoding",
        "upgrade",
    ];
    let is_keygates = ["client-type", "isbackoffice", "x-keygate-next"].contains(&name.as_str());
    is_clean && !is_keygates && !is_of_connection.contains(&name.as_str())
}
