//! An authorization request to the authorizer on any transport, and its client request.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use keygate_expression::Facts;
use keygate_headers::{
    Gateway, KEY_ID, OtherNames, Repeated,
    gateway::{FORWARDED, ORIGINAL},
    hand_off::InvalidHandOff,
    single,
};
use keygate_users::peers::Peer;

/// The names of those headers that a setting can change.
#[derive(Debug, Clone)]
pub struct HeaderNames {
    /// The client type that the resolver found.
    pub client_type: HeaderName,
    /// Whether the request comes through the back-office gateway.
    pub backoffice: HeaderName,
}

/// `client-type` and `isbackoffice`.
impl Default for HeaderNames {
    fn default() -> Self {
        Self {
            client_type: keygate_headers::CLIENT_TYPE,
            backoffice: HeaderName::from_static("isbackoffice"),
        }
    }
}

/// A request to the authorizer.
#[derive(Debug, Clone, Copy)]
pub struct Request<'h> {
    /// The method; a header with another method overrides it.
    pub method: &'h Method,
    /// The target of the client request, for gateways that send it in the path instead of
    /// `original-request-uri`: the rest of the path below the authorizer's mount point.
    pub target: Option<&'h str>,
    /// The headers of the client request, with what the gateway added.
    pub headers: &'h HeaderMap,
    /// The source of the client type.
    pub client_type: ClientTypeSource<'h>,
    /// The gateway, if the server knows it: only a known one may be trusted with users.
    pub peer: Option<Peer>,
    /// The kind of gateway, for a transport that carries the decision itself; else the service's setting.
    pub gateway: Option<Gateway>,
}

/// The source of a request's client type.
#[derive(Debug, Clone, Copy)]
pub enum ClientTypeSource<'h> {
    /// The gateway's header: the resolver is another process.
    Gateway,
    /// It was resolved in this process; a header with that name is ignored.
    Resolver(Option<Caller<'h>>),
}

/// A caller whose key was resolved in this process.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'h> {
    /// The client type of the key.
    pub client_type: &'h HeaderValue,
    /// The id of the key.
    pub key_id: &'h HeaderValue,
}

/// The error for a malformed request: a wrong gateway configuration, or another sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The nginx includes were written for other names of headers and cookies.
    #[error(transparent)]
    OtherNames(#[from] OtherNames),
    /// A header is repeated with different values.
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// The value is not visible ASCII.
    #[error("the value of the header `{0}` contains characters other than visible ASCII")]
    NotText(HeaderName),
    /// The host is not one host: Envoy joins several with commas.
    #[error("the header `{0}` does not contain exactly one host")]
    NotOneHost(HeaderName),
    /// There is no request target from nginx.
    #[error(
        "neither `original-request-uri` nor the path after `/auth` contains the request target: if \
         the gateway is not nginx, set `gateway`"
    )]
    NoTarget,
    /// There is no request target from Envoy.
    #[error(
        "the path contains no request target after the `path_prefix`: if the gateway is not Envoy, \
         set `gateway`"
    )]
    NoTargetInPath,
    /// The gateway does not describe the client request.
    #[error(
        "the header `{0}`, which the gateway `{1}` must send, is missing: check the setting \
         `gateway`"
    )]
    Missing(HeaderName, Gateway),
    /// The target is in the path, and a header says something else: the gateway passed on the caller's header.
    #[error(
        "the request target is in the path, but the header `{0}` differs from it: the gateway must \
         not pass on `original-request-*` headers from callers"
    )]
    Contradicted(HeaderName),
    /// The resolver has not signed the client type.
    #[error(transparent)]
    HandOff(#[from] InvalidHandOff),
    /// The back-office header is neither on nor off.
    #[error("the header `{0}` must be `1`, `true`, `0`, `false` or empty")]
    NotASwitch(HeaderName),
}

impl Malformed {
    /// Returns whether the caller's own values caused it, so that the gateway is not at fault.
    #[must_use]
    pub fn is_of_caller(&self) -> bool {
        match self {
            Self::NotText(name) => [&ORIGINAL.host, &FORWARDED.host, &header::HOST].contains(&name),
            Self::Contradicted(_) | Self::NotOneHost(_) => true,
            _ => false,
        }
    }
}

/// The client request of an authorization request.
#[derive(Debug, Clone, Copy)]
pub struct Described<'h> {
    /// What the policy decides on.
    pub request: keygate_policy::Request<'h>,
    /// The client type as a header's value, for the response.
    pub client_type: Option<&'h HeaderValue>,
}

/// What the client requested, as the gateway says.
struct Requested<'h> {
    method: &'h str,
    target: &'h [u8],
    host: Option<&'h str>,
}

impl<'h> Request<'h> {
    /// Returns the client request, as the policy interprets it.
    ///
    /// # Errors
    /// See [`Malformed`]; a malformed request is denied.
    pub fn describe(
        &self,
        gateway: Gateway,
        names: &HeaderNames,
    ) -> Result<Described<'h>, Malformed> {
        let headers = self.headers;
        let Requested {
            method,
            target,
            host,
        } = self.requested(gateway)?;
        let name = &names.client_type;
        let client_type = match self.client_type {
            ClientTypeSource::Gateway => single(headers, name)?,
            ClientTypeSource::Resolver(caller) => caller.map(|it| it.client_type),
        };
        // An empty one counts as absent, since nginx cannot send an empty header.
        let client_type = client_type.filter(|value| !value.is_empty());
        let request = keygate_policy::Request {
            method,
            target,
            host,
            is_cors_preflight: method == Method::OPTIONS.as_str()
                && headers.contains_key(header::ORIGIN)
                && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD),
            facts: Facts {
                client_type: client_type.map(|value| as_text(value, name)).transpose()?,
                is_backoffice: switch(headers, &names.backoffice)?,
                user: None,
            },
        };
        Ok(Described {
            request,
            client_type,
        })
    }

    fn requested(&self, gateway: Gateway) -> Result<Requested<'h>, Malformed> {
        let headers = self.headers;
        match (gateway, self.target) {
            (Gateway::Nginx, None) => Ok(Requested {
                method: text(headers, &ORIGINAL.method)?.unwrap_or(self.method.as_str()),
                target: single(headers, &ORIGINAL.target)?
                    .ok_or(Malformed::NoTarget)?
                    .as_bytes(),
                host: host(headers, &ORIGINAL.host)?,
            }),
            // Mia-Platform's Envoy, where nobody has set `gateway`.
            (Gateway::Nginx, Some(target)) => {
                let host = host(headers, &header::HOST)?;
                self.reject_contradictions(target, host)?;
                Ok(self.in_path(target, host))
            }
            (Gateway::Envoy, Some(target)) => {
                Ok(self.in_path(target, host(headers, &header::HOST)?))
            }
            (Gateway::Envoy, None) => Err(Malformed::NoTargetInPath),
            (Gateway::Traefik | Gateway::Caddy | Gateway::Haproxy, _) => {
                let missing = |name: &HeaderName| Malformed::Missing(name.clone(), gateway);
                Ok(Requested {
                    method: text(headers, &FORWARDED.method)?
                        .ok_or_else(|| missing(&FORWARDED.method))?,
                    target: single(headers, &FORWARDED.target)?
                        .ok_or_else(|| missing(&FORWARDED.target))?
                        .as_bytes(),
                    host: host(headers, &FORWARDED.host)?,
                })
            }
        }
    }

    fn in_path(&self, target: &'h str, host: Option<&'h str>) -> Requested<'h> {
        Requested {
            method: self.method.as_str(),
            target: target.as_bytes(),
            host,
        }
    }

    /// Rejects a request that has its target in the path and states something else in a header.
    ///
    /// The gateway may state method, target and host in headers too (Istio's
    /// `includeAdditionalHeadersInCheck`). Other values there are a caller's, and must not decide.
    fn reject_contradictions(&self, target: &str, host: Option<&str>) -> Result<(), Malformed> {
        let own = [
            (&ORIGINAL.target, Some(target)),
            (&ORIGINAL.method, Some(self.method.as_str())),
            (&ORIGINAL.host, host),
        ];
        for (name, value) in own {
            let stated = single(self.headers, name)?;
            if stated.is_some_and(|stated| Some(stated.as_bytes()) != value.map(str::as_bytes)) {
                return Err(Malformed::Contradicted(name.clone()));
            }
        }
        Ok(())
    }

    /// Returns the id of the caller's key, which the gateway forwards from the resolver.
    pub(crate) fn key_id(&self) -> Result<Option<&'h str>, Malformed> {
        match self.client_type {
            ClientTypeSource::Gateway => text(self.headers, &KEY_ID),
            ClientTypeSource::Resolver(caller) => Ok(caller.and_then(|it| it.key_id.to_str().ok())),
        }
    }
}

/// Returns the value as text; an empty one counts as absent, since nginx cannot send an empty header.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Malformed> {
    let Some(value) = single(headers, name)? else {
        return Ok(None);
    };
    let text = as_text(value, name)?;
    Ok((!text.is_empty()).then_some(text))
}

fn as_text<'h>(value: &'h HeaderValue, name: &HeaderName) -> Result<&'h str, Malformed> {
    value.to_str().map_err(|_| Malformed::NotText(name.clone()))
}

/// Returns the host, which may have a port.
///
/// Hosts that differ must not match no pattern of the policy, while a backend reads one of them.
fn host<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Malformed> {
    let host = text(headers, name)?;
    // Delimiters of lists and of other parts of a URI.
    let is_delimiter =
        |byte| matches!(byte, b',' | b' ' | b'/' | b'\\' | b'@' | b'?' | b'#' | b'"');
    match host.filter(|host| host.bytes().any(is_delimiter)) {
        None => Ok(host),
        Some(_) => Err(Malformed::NotOneHost(name.clone())),
    }
}

/// Mia-Platform's Envoy sends `0` for off; any unclear value is rejected, since either meaning could
/// be the laxer one.
fn switch(headers: &HeaderMap, name: &HeaderName) -> Result<bool, Malformed> {
    match text(headers, name)? {
        Some("1" | "true") => Ok(true),
        None | Some("0" | "false") => Ok(false),
        Some(_) => Err(Malformed::NotASwitch(name.clone())),
    }
}

#[cfg(test)]
mod tests;
