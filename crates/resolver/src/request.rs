//! A request to the resolver, whatever transport it came by.

use http::{HeaderMap, HeaderName, HeaderValue};
use keygate_headers::{Gateway, Repeated, single};

/// The step that nginx goes on to after a success.
static NEXT: HeaderName = HeaderName::from_static("x-keygate-next");

/// A request to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Request<'h> {
    /// Whether a key is required.
    pub presence: Presence,
    /// The headers of the client request, with what the gateway added.
    pub headers: &'h HeaderMap,
    /// The kind of gateway, for a transport that only it speaks; else the service's setting.
    pub gateway: Option<Gateway>,
}

/// Whether an endpoint can be called without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// `/resolve`: without a key the caller has no client type, which may be enough.
    Optional,
    /// `/require`: without a key the request is denied.
    Required,
}

impl<'h> Request<'h> {
    /// Returns the step that nginx goes on to after a success; behind another gateway there is none.
    ///
    /// # Errors
    /// The gateway names several.
    pub fn next_step(&self, gateway: Gateway) -> Result<Option<&'h HeaderValue>, Repeated> {
        match gateway {
            Gateway::Nginx => single(self.headers, &NEXT),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    /// These header lines, as a transport receives them.
    pub(crate) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }
}
