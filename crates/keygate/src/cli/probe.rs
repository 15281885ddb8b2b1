//! `keygate probe`: checks from outside that a gateway enforces Keygate's decisions.
//!
//! Gateways have dropped their authorization filter without an error: a wrong reference, a filter of
//! another listener, a new version. Only a request shows that.

mod verdict;

use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, USER_AGENT},
};
use keygate_keys::{generated::GeneratedKey, plaintext::LONGEST_KEY};
use keygate_user_sources::{
    Client, FetchError,
    client::{InvalidClient, Limits, Response},
};
use keygate_users::settings::Url;
use zeroize::Zeroizing;

use super::{Output, exit};
use verdict::{Attempt, Finding, Report, Seen};

/// The most that one request may cost.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    body: 1024 * 1024,
};

/// What a caller sends who wants to be taken for a client, for a user or for the gateway.
const SPOOFED: [(&str, &str); 15] = [
    ("client-type", "keygate-probe"),
    ("x-keygate-key-id", "keygate-probe"),
    ("x-keygate-reason", "ok"),
    ("x-keygate-next", "/"),
    ("isbackoffice", "1"),
    ("mia-allowed", "1"),
    ("mia-userid", "keygate-probe"),
    ("miauserid", "keygate-probe"),
    ("miausergroups", "admin"),
    ("original-request-uri", "/"),
    ("original-request-method", "OPTIONS"),
    ("x-forwarded-uri", "/"),
    ("x-forwarded-method", "OPTIONS"),
    ("x-original-uri", "/"),
    ("x-original-method", "OPTIONS"),
];

pub(super) const EXAMPLES: &str = "Examples:
  keygate probe https://shop.example.com/orders/1
  keygate probe https://shop.example.com/orders/1 --header authorization --key-stdin < key.txt

Choose a URL that requires a key. All requests are GET requests, and the gateway and Keygate log them as usual.
Exit codes: 0 if every response is as expected, 1 if one is not or if there is no response, 2 if the command
line is invalid.";

/// `keygate probe`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// URL to request through the gateway, at an endpoint that requires a key
    #[arg(value_name = "URL")]
    url: Url,
    /// Header in which to send keys; in `authorization`, they are sent as bearer tokens
    #[arg(long, value_name = "NAME", default_value = "client-key")]
    header: HeaderName,
    /// Read a valid key from standard input, and check that a request with it is allowed
    #[arg(long)]
    key_stdin: bool,
    /// Client type to send in the spoofed headers; use one that is allowed to call the URL
    #[arg(long, value_name = "TYPE")]
    client_type: Option<HeaderValue>,
    /// Path to the CA certificate (PEM) that signed the gateway's certificate [default: the
    /// system's CA certificates]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("cannot read {}: {error}", path.display())]
    CaFile { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Client(#[from] InvalidClient),
    #[error("standard input contains no key, or a key that is not valid in a header")]
    Key,
    #[error("system error: {0}")]
    System(io::Error),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(probe(arguments).map(|report| {
        arguments.output.print(&report);
        report.is_enforced()
    }))
}

fn probe(arguments: &Arguments) -> Result<Report, ProbeError> {
    let ca = arguments.ca_file.as_ref().map(|path| {
        fs::read(path).map_err(|error| ProbeError::CaFile {
            path: path.clone(),
            error,
        })
    });
    let client = Client::new(&arguments.url, ca.transpose()?.as_deref())?;
    let mut attempts = vec![
        (Attempt::NoKey, HeaderMap::new()),
        (Attempt::WrongKey, arguments.carrying(&unknown_key()?)?),
        (Attempt::SpoofedIdentity, arguments.spoofed()),
    ];
    if arguments.key_stdin {
        let mut key = Zeroizing::new(Vec::new());
        let most = u64::try_from(LONGEST_KEY).unwrap_or(u64::MAX);
        let input = io::stdin().lock();
        input
            .take(most.saturating_add(2))
            .read_to_end(&mut key)
            .map_err(ProbeError::System)?;
        attempts.push((Attempt::ValidKey, arguments.carrying(&key)?));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ProbeError::System)?;
    let findings = runtime.block_on(async {
        let mut findings: Vec<Finding> = Vec::new();
        for (attempt, headers) in attempts {
            let seen = seen(client.get(&arguments.url, headers, LIMITS).await);
            let no_key = findings.first().map(|finding| finding.seen.clone());
            findings.push(Finding::new(attempt, seen, no_key.as_ref()));
        }
        findings
    });
    Ok(Report {
        url: arguments.url.to_string(),
        findings,
    })
}

impl Arguments {
    /// The headers of a request with a key.
    fn carrying(&self, key: &[u8]) -> Result<HeaderMap, ProbeError> {
        let key = key.trim_ascii();
        let value = Zeroizing::new(match self.header {
            AUTHORIZATION => [b"Bearer ", key].concat(),
            _ => key.to_vec(),
        });
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| ProbeError::Key)?;
        if key.is_empty() {
            return Err(ProbeError::Key);
        }
        value.set_sensitive(true);
        let mut headers = named();
        headers.insert(self.header.clone(), value);
        Ok(headers)
    }

    fn spoofed(&self) -> HeaderMap {
        let mut headers = named();
        for (name, value) in SPOOFED {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(client_type) = &self.client_type {
            headers.insert(keygate_headers::CLIENT_TYPE, client_type.clone());
        }
        headers
    }
}

/// The headers of every request: its sender, for those who read the gateway's log.
fn named() -> HeaderMap {
    let sender = concat!("keygate-probe/", env!("CARGO_PKG_VERSION"));
    HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(sender))])
}

/// A key of the right form that nobody has.
fn unknown_key() -> Result<Zeroizing<Vec<u8>>, ProbeError> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut())
        .map_err(|error| ProbeError::System(io::Error::other(error)))?;
    let key = GeneratedKey::from_random(&random);
    Ok(Zeroizing::new(key.expose().as_bytes().to_vec()))
}

fn seen(response: Result<Response, FetchError>) -> Seen {
    match response {
        Ok(response) => Seen::of(response.status, &response.headers, &response.body),
        Err(error) => Seen::Nothing {
            error: error.to_string(),
        },
    }
}
