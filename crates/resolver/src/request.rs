//! A request to the resolver, whatever transport it came by.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keygate_headers::{Gateway, Repeated, single};

/// The step that nginx goes on to after a success.
static NEXT: HeaderName = HeaderName::from_static("x-keygate-next");

/// A request to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Request<'h> {
    /// Whether a key is required.
    pub presence: Presence,
    /// The method of the authorization request.
    pub method: &'h Method,
    /// The target of the client request, for gateways that send it in the path.
    pub target: Option<&'h str>,
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

impl Presence {
    /// Returns the path of the authorization request.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Optional => "/resolve",
            Self::Required => "/require",
        }
    }
}

impl<'h> Request<'h> {
    /// Returns the method and the target of the client request for records; they decide nothing.
    #[must_use]
    pub fn requested(&self, gateway: Gateway) -> (&'h [u8], Option<&'h [u8]>) {
        let own = (
            self.method.as_str().as_bytes(),
            self.target.map(str::as_bytes),
        );
        let Some(description) = gateway.description() else {
            return own;
        };
        let header = |name| self.headers.get(name).map(HeaderValue::as_bytes);
        match header(&description.target) {
            None => own,
            target => (header(&description.method).unwrap_or(own.0), target),
        }
    }

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
