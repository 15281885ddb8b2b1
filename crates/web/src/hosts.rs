//! The `Host` values that the admin listener accepts.
//!
//! A web page can point its own host name to the address of this listener ("DNS rebinding"); a browser
//! then lets that page read the listener's responses. `Host` still has that name, so unknown names are
//! rejected. An IP address cannot be pointed elsewhere, so it is accepted.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS},
        uri::Authority,
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

/// A rejected name is logged at most once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The names of the admin listener, in lower case.
#[derive(Debug)]
pub struct Hosts {
    names: Vec<String>,
    logged: Mutex<Option<Instant>>,
}

impl Hosts {
    /// Returns `localhost`, the host of the listener's address, and the configured names.
    #[must_use]
    pub fn new(host: Option<&str>, set: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned()];
        names.extend(host.map(str::to_lowercase));
        names.extend(set.iter().map(|name| name.to_lowercase()));
        Self {
            names,
            logged: Mutex::new(None),
        }
    }

    /// Checks whether a request names this listener. Browsers always send a host, so a request without
    /// one is not from a browser and is accepted.
    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let lines = headers.get_all(HOST).iter().map(|value| {
            value
                .to_str()
                .map_err(|_| format!("{value:?} is not a host"))
        });
        let named = uri.authority().map(|authority| Ok(authority.as_str()));
        lines
            .chain(named)
            .try_for_each(|host| self.admit_host(host?))
    }

    fn admit_host(&self, text: &str) -> Result<(), String> {
        let no_host = || format!("`{}` is not a host", text.escape_default());
        let authority: Authority = text.parse().map_err(|_| no_host())?;
        if text.contains('@') {
            return Err(no_host());
        }
        let host = authority.host();
        let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_address = match bracketed {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<IpAddr>().is_ok(),
        };
        let name = host.strip_suffix('.').unwrap_or(host).to_lowercase();
        if is_address || self.names.contains(&name) {
            Ok(())
        } else {
            Err(format!(
                "`{host}` is not a known name of the admin listener"
            ))
        }
    }

    fn log(&self, problem: &str) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|it| it.elapsed() >= LOG_INTERVAL) {
            *logged = Some(Instant::now());
            tracing::warn!(
                "rejected a request to the admin listener: {problem}; to allow it, add the name to \
                 the setting `operations-hosts`"
            );
        }
    }
}

/// Adds a check that rejects requests to hosts that are not this listener's.
pub fn guard(router: Router, hosts: Arc<Hosts>) -> Router {
    router.layer(middleware::from_fn_with_state(hosts, check))
}

/// RFC 9110, section 15.5.20: 421 is for a request to a host for which this server does not respond.
async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts.admit(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            hosts.log(&problem);
            let text = format!(
                "{problem}: use an IP address or `localhost`, or add the name to the setting \
                 `operations-hosts`\n"
            );
            let headers = [
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (CACHE_CONTROL, "no-store"),
            ];
            (StatusCode::MISDIRECTED_REQUEST, headers, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_admitted(lines: &[&str]) -> bool {
        let hosts = Hosts::new(
            Some("ops.example"),
            &["keygate-resolver.shop.svc".to_owned()],
        );
        let lines = lines.iter().map(|line| (HOST, line.parse().unwrap()));
        hosts
            .admit(&Uri::from_static("/"), &lines.collect())
            .is_ok()
    }

    #[test]
    fn addresses_and_listed_names_are_admitted() {
        for host in [
            "127.0.0.1:7091",
            "10.1.2.3:7091",
            "192.168.1.1",
            "[::1]:7091",
            "[fd00::1]",
            "localhost",
            "LocalHost:7091",
            "localhost.:7091",
            "ops.example:7091",
            "keygate-resolver.shop.svc:7091",
            "Keygate-Resolver.shop.svc.",
        ] {
            assert!(is_admitted(&[host]), "{host}");
        }
        assert!(is_admitted(&[]));
    }

    #[test]
    fn other_names_are_rejected() {
        for host in [
            "",
            "evil.example",
            "evil.example:7091",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.localhost",
            "keygate-resolver",
            "x.keygate-resolver.shop.svc",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "2130706433",
            "0x7f.1",
            "127.1",
            "[::1",
            "[evil.example]",
            "localhost..",
            "a b",
        ] {
            assert!(!is_admitted(&[host]), "{host}");
        }
        assert!(!is_admitted(&["localhost", "evil.example"]));
    }

    #[test]
    fn a_name_in_the_target_is_checked_too() {
        let hosts = Hosts::new(Some("127.0.0.1"), &[]);
        let uri = Uri::from_static("http://evil.example/debug/");
        let headers = HeaderMap::from_iter([(HOST, "127.0.0.1".parse().unwrap())]);
        assert!(hosts.admit(&uri, &headers).is_err());
    }
}
