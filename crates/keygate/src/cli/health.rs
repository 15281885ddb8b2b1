//! `keygate health`: checks whether the local service is ready. For containers, which have no shell and
//! no HTTP client.

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use figment::value::Dict;
use keygate_telemetry::role::Role;

use super::terminal::print;
use crate::{
    addresses,
    listener::Address,
    settings::{Settings, SettingsError},
};

/// A service that takes longer is reported as not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes of a response, far more than it has.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// `keygate health`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the service's settings file (YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the service's admin listener: `HOST:PORT` or `unix:/path`
    #[arg(long, value_name = "ADDRESS")]
    operations: Option<Address>,
}

/// The response of the admin listener.
struct Response {
    status: u16,
    detail: String,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let addresses = match arguments.addresses() {
        Ok(addresses) => addresses,
        Err(error) => {
            super::complain(&error);
            return ExitCode::from(2);
        }
    };
    let mut outcomes = addresses
        .iter()
        .map(|address| (address, request_readiness(address)));
    let Some(response) = outcomes.find_map(|(_, outcome)| outcome.ok()) else {
        let tried: Vec<_> = addresses.iter().map(Address::to_string).collect();
        print(format_args!(
            "not ready: no response from {}\n",
            tried.join(", ")
        ));
        return ExitCode::FAILURE;
    };
    print(format_args!("{}\n", response.detail));
    if response.status == 200 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Arguments {
    /// The address in the settings; without one, the default addresses of all roles, since the role is
    /// unknown.
    fn addresses(&self) -> Result<Vec<Address>, SettingsError> {
        if let Some(address) = &self.operations {
            return Ok(vec![address.clone()]);
        }
        let environment = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let settings = Settings::layered(
            Role::Serve,
            self.config.as_deref(),
            Dict::new(),
            environment,
        )?;
        Ok(match settings.operations {
            Some(address) => vec![address],
            None => [Role::Serve, Role::Resolver, Role::Authorizer]
                .map(addresses::operations)
                .to_vec(),
        })
    }
}

/// Requests the readiness in plain HTTP/1.1 (RFC 9112): one request, and a response until the end.
fn request_readiness(address: &Address) -> io::Result<Response> {
    match address {
        Address::Tcp(text) => {
            let stream = TcpStream::connect(text)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
    }
}

fn exchange(mut stream: impl Read + Write) -> io::Result<Response> {
    stream.write_all(b"GET /-/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut text)?;
    let response = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Response {
            status,
            detail: body.trim_end().to_owned(),
        })
    });
    response.ok_or_else(|| io::Error::other("the response is not HTTP/1.1"))
}
