//! The client request in Envoy's check request.

use axum::body::Bytes;
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderValue as RawHeader, address::Address},
    service::auth::v3::{
        CheckRequest,
        attribute_context::{HttpRequest, Peer},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::HOST, uri::PathAndQuery};

/// The headers that are not in the list: the host and the caller's address.
const ADDED: usize = 2;

/// A client request: what the services decide on.
#[derive(Debug)]
pub struct ClientRequest {
    /// The method.
    pub method: Method,
    /// Path and query, as the client sent them and Envoy normalized them.
    pub target: String,
    /// The headers, with the host that Envoy states.
    pub headers: HeaderMap,
}

/// Why a check request cannot be read; it is denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is of a network filter, or empty.
    #[error("it has no HTTP request: only Envoy's HTTP filter `ext_authz` is supported")]
    NoHttpRequest,
    /// Repeated headers are joined, so that two keys would look like one.
    #[error("it has merged headers: set `encode_raw_headers: true` in Envoy's filter `ext_authz`")]
    MergedHeaders,
    /// The method is missing, or is no method.
    #[error("its method is missing or invalid")]
    Method,
    /// The path is missing, or would lose a part.
    #[error("its path is missing or invalid")]
    Path,
    /// The host is missing, or is no header value.
    #[error("its host is missing or invalid")]
    Host,
    /// A header has a name or a value that HTTP does not allow, or two values.
    #[error("one of its headers is invalid")]
    Header,
    /// There are more than any server accepts.
    #[error("it has too many headers")]
    TooManyHeaders,
    /// A header says something else than the attributes.
    #[error("its header `{0}` differs from its attributes")]
    Contradicted(&'static str),
}

impl Unreadable {
    /// Returns whether the caller's own values caused it, so that Envoy's configuration is not at fault.
    #[must_use]
    pub fn is_of_caller(&self) -> bool {
        !matches!(self, Self::NoHttpRequest | Self::MergedHeaders)
    }
}

impl ClientRequest {
    /// Reads a check request.
    ///
    /// Method, path and host are Envoy's attributes. Its pseudo-headers, and a header `host`, must be equal to
    /// them. The caller's address is in the header `client_address`, whatever the caller sent there.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn read(check: CheckRequest, client_address: &HeaderName) -> Result<Self, Unreadable> {
        let attributes = check.attributes.ok_or(Unreadable::NoHttpRequest)?;
        let address = attributes.source.and_then(address);
        let request = attributes.request.and_then(|it| it.http);
        let mut http = request.ok_or(Unreadable::NoHttpRequest)?;
        let lines = match http.header_map.take() {
            Some(map) if http.headers.is_empty() => map.headers,
            _ => return Err(Unreadable::MergedHeaders),
        };
        let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| Unreadable::Method)?;
        let mut headers = headers(&http, lines)?;
        match address {
            Some(address) => headers.insert(client_address, address),
            None => headers.remove(client_address),
        };
        if !is_target(&http.path) {
            return Err(Unreadable::Path);
        }
        Ok(Self {
            method,
            target: http.path,
            headers,
        })
    }
}

/// Returns the caller's address, as Envoy found it by its settings for proxies in front of it.
fn address(source: Peer) -> Option<HeaderValue> {
    match source.address?.address? {
        Address::SocketAddress(socket) => HeaderValue::from_str(&socket.address).ok(),
        _ => None,
    }
}

/// Over HTTP, Envoy sends the target behind a path prefix: it must be one there too.
fn is_target(path: &str) -> bool {
    let parsed = path.parse::<PathAndQuery>();
    // A fragment would be dropped.
    path.starts_with('/') && parsed.is_ok_and(|parsed| parsed.as_str() == path)
}

fn headers(http: &HttpRequest, lines: Vec<RawHeader>) -> Result<HeaderMap, Unreadable> {
    let host = HeaderValue::from_str(&http.host).map_err(|_| Unreadable::Host)?;
    if host.is_empty() {
        return Err(Unreadable::Host);
    }
    let room = HeaderMap::try_with_capacity(lines.len() + ADDED);
    let mut headers = room.map_err(|_| Unreadable::TooManyHeaders)?;
    headers.insert(HOST, host);
    for line in lines {
        let value = value(line.raw_value, line.value)?;
        let stated = match line.key.as_str() {
            ":method" => Some((":method", &http.method)),
            ":path" => Some((":path", &http.path)),
            ":authority" => Some((":authority", &http.host)),
            "host" => Some(("host", &http.host)),
            // Envoy's own, such as `:scheme` and `:protocol`: nothing is decided on them.
            key if key.starts_with(':') => continue,
            _ => None,
        };
        if let Some((name, stated)) = stated {
            if value != stated.as_bytes() {
                return Err(Unreadable::Contradicted(name));
            }
            continue;
        }
        let name = HeaderName::from_bytes(line.key.as_bytes()).map_err(|_| Unreadable::Header)?;
        if name == HOST {
            return Err(Unreadable::Contradicted("host"));
        }
        let value = HeaderValue::from_maybe_shared(Bytes::from(value));
        let value = value.map_err(|_| Unreadable::Header)?;
        let appended = headers.try_append(name, value);
        appended.map_err(|_| Unreadable::TooManyHeaders)?;
    }
    Ok(headers)
}

fn value(raw: Vec<u8>, text: String) -> Result<Vec<u8>, Unreadable> {
    match (raw.is_empty(), text.is_empty()) {
        (_, true) => Ok(raw),
        (true, false) => Ok(text.into_bytes()),
        (false, false) => Err(Unreadable::Header),
    }
}

#[cfg(test)]
mod tests;
