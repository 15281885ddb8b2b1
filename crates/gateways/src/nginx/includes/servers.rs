//! The addresses of the services, for the upstreams.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// The address of one replica, for a `server` line of an `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(String);

/// The error for a text that is not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address that nginx can connect to: write `HOST:PORT` or `unix:/path`, where \
     the path contains only letters, digits and `/ . _ - @ +`"
)]
pub struct ServerError(String);

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let is_address = match text.strip_prefix("unix:") {
            Some(path) => path.starts_with('/') && path.chars().all(is_of_path),
            None => text.rsplit_once(':').is_some_and(|(host, port)| {
                is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
            }),
        };
        if is_address {
            Ok(Self(text.to_owned()))
        } else {
            Err(ServerError(text.to_owned()))
        }
    }
}

fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-@+".contains(c)
}

fn is_host(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The addresses of the services' replicas.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// The resolvers; none means `127.0.0.1:7081`.
    pub resolver: Vec<Server>,
    /// The authorizers; none means `127.0.0.1:7082`.
    pub authorizer: Vec<Server>,
    /// The `keygate serve` processes; none means `127.0.0.1:7080`.
    pub serve: Vec<Server>,
}

/// An `upstream`: all replicas of a service.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) name: &'static str,
    pub(super) servers: Vec<String>,
}

/// Returns the upstreams; `default` gives the address of a service that has none.
pub(super) fn upstreams(servers: &Servers, default: impl Fn(&str, u16) -> String) -> Vec<Upstream> {
    let upstream = |name, role, port, servers: &[Server]| Upstream {
        name,
        servers: if servers.is_empty() {
            vec![default(role, port)]
        } else {
            servers.iter().map(ToString::to_string).collect()
        },
    };
    vec![
        upstream("keygate_resolver", "resolver", 7081, &servers.resolver),
        upstream(
            "keygate_authorizer",
            "authorizer",
            7082,
            &servers.authorizer,
        ),
        upstream("keygate_serve", "serve", 7080, &servers.serve),
    ]
}
