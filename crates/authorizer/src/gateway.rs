//! What a gateway says about a request, read from the headers of its question.

use http::{HeaderName, HeaderValue, Method, header};
use keygate_expression::Facts;
use keygate_http1::{Doubled, Head, Headers, Value};
use keygate_policy::Request;

const ORIGINAL_URI: HeaderName = HeaderName::from_static("original-request-uri");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("original-request-method");
const ORIGINAL_HOST: HeaderName = HeaderName::from_static("original-request-host");

/// The names of those headers that a setting can change.
#[derive(Debug, Clone)]
pub struct HeaderNames {
    /// The client type that the resolver found.
    pub client_type: HeaderName,
    /// Whether the request comes by the back-office gateway.
    pub backoffice: HeaderName,
}

/// `client-type` and `isbackoffice`.
impl Default for HeaderNames {
    fn default() -> Self {
        Self {
            client_type: HeaderName::from_static("client-type"),
            backoffice: HeaderName::from_static("isbackoffice"),
        }
    }
}

/// Where the client type of a request is known from.
#[derive(Debug, Clone, Copy)]
pub enum ClientTypeFrom<'h> {
    /// The gateway tells it in its header: the resolver is another process.
    Gateway,
    /// It was resolved in this process; a header of that name is not believed.
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

/// Why a question cannot be read: the gateway is set up wrongly, or somebody else is asking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header that decides stands there twice: no telling which one the gateway wrote.
    #[error("the header `{0}` is there more than once")]
    Doubled(HeaderName),
    /// The value is not visible ASCII.
    #[error("the header `{0}` has a value that is not visible ASCII")]
    NotText(HeaderName),
    /// The question names no request target.
    #[error("neither `original-request-uri` nor a path below `/auth` tells the request target")]
    NoTarget,
    /// The back-office header is neither on nor off.
    #[error("the header `{0}` is not one of `1`, `true`, `0`, `false` or empty")]
    NotASwitch(HeaderName),
}

/// Reads the question.
///
/// `prefix` is the path that the question came to, such as `/auth`. Without
/// `original-request-uri` what stands after it is the request target: Envoy's `ext_authz` puts its
/// `path_prefix` before the original path and keeps method and host.
///
/// # Errors
/// See [`Malformed`]; a question that cannot be read is denied.
pub fn read<'h>(
    head: &Head<'h>,
    prefix: &str,
    client_type: ClientTypeFrom<'h>,
    names: &HeaderNames,
) -> Result<Request<'h>, Malformed> {
    let headers = head.headers;
    let (target, host) = match single(headers, &ORIGINAL_URI)? {
        Some(target) => (target.as_bytes(), text(headers, &ORIGINAL_HOST)?),
        None => (
            below(head, prefix).ok_or(Malformed::NoTarget)?,
            text(headers, &header::HOST)?,
        ),
    };
    let method = text(headers, &ORIGINAL_METHOD)?.unwrap_or(head.method);
    let client_type = match client_type {
        ClientTypeFrom::Gateway => text(headers, &names.client_type)?,
        ClientTypeFrom::Resolver(caller) => caller.and_then(|it| it.client_type.to_str().ok()),
    };
    Ok(Request {
        method,
        target,
        host,
        is_cors_preflight: method == Method::OPTIONS.as_str()
            && headers.first(&header::ORIGIN).is_some()
            && headers
                .first(&header::ACCESS_CONTROL_REQUEST_METHOD)
                .is_some(),
        facts: Facts {
            client_type,
            is_backoffice: switch(headers, &names.backoffice)?,
            user: None,
        },
    })
}

/// The part of the request target below `prefix`, with its query.
fn below<'h>(head: &Head<'h>, prefix: &str) -> Option<&'h [u8]> {
    let below = head.behind(prefix)?;
    below.starts_with('/').then_some(below.as_bytes())
}

fn single<'h>(headers: Headers<'h>, name: &HeaderName) -> Result<Option<Value<'h>>, Malformed> {
    let doubled = |Doubled| Malformed::Doubled(name.clone());
    headers.single(name).map_err(doubled)
}

/// The value as text; an empty one is the same as none, since nginx cannot send an empty header.
fn text<'h>(headers: Headers<'h>, name: &HeaderName) -> Result<Option<&'h str>, Malformed> {
    let Some(value) = single(headers, name)? else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok_or_else(|| Malformed::NotText(name.clone()))?;
    Ok((!text.is_empty()).then_some(text))
}

/// Mia-Platform's Envoy sends `0` for off; anything unclear is refused, since either way could be
/// the laxer one.
fn switch(headers: Headers<'_>, name: &HeaderName) -> Result<bool, Malformed> {
    match text(headers, name)? {
        Some("1" | "true") => Ok(true),
        None | Some("0" | "false") => Ok(false),
        Some(_) => Err(Malformed::NotASwitch(name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asking::ask;

    fn read_it(target: &str, lines: &[(&str, &str)]) -> Result<String, Malformed> {
        let names = HeaderNames::default();
        ask(target, lines, |head| {
            read(head, "/auth", ClientTypeFrom::Gateway, &names).map(|request| {
                format!(
                    "{} {} host={:?} type={:?} backoffice={}",
                    request.method,
                    String::from_utf8_lossy(request.target),
                    request.host,
                    request.facts.client_type,
                    request.facts.is_backoffice
                )
            })
        })
    }

    #[test]
    fn nginx_tells_the_request_in_headers() {
        let lines = &[
            ("original-request-uri", "/orders/1?q=2"),
            ("original-request-method", "POST"),
            ("original-request-host", "api.example.com"),
            ("host", "keygate_authorizer"),
            ("client-type", "A"),
            ("isbackoffice", "1"),
        ];
        assert_eq!(
            read_it("/auth", lines).unwrap(),
            "POST /orders/1?q=2 host=Some(\"api.example.com\") type=Some(\"A\") backoffice=true"
        );
    }

    #[test]
    fn envoy_tells_the_request_in_the_path() {
        let lines = &[("host", "api.example.com"), ("isbackoffice", "0")];
        assert_eq!(
            read_it("/auth/orders/1?q=2", lines).unwrap(),
            "GET /orders/1?q=2 host=Some(\"api.example.com\") type=None backoffice=false"
        );
        assert_eq!(
            read_it("/auth//orders", lines).unwrap(),
            "GET //orders host=Some(\"api.example.com\") type=None backoffice=false"
        );
    }

    #[test]
    fn a_question_that_could_be_read_in_two_ways_is_not_read() {
        let uri = ("original-request-uri", "/");
        let refused = |lines: &[_]| read_it("/auth", lines).unwrap_err().to_string();
        assert_eq!(
            refused(&[]),
            "neither `original-request-uri` nor a path below `/auth` tells the request target"
        );
        for name in [
            "original-request-uri",
            "client-type",
            "original-request-method",
        ] {
            assert_eq!(
                refused(&[uri, (name, "/"), (name, "/")]),
                format!("the header `{name}` is there more than once")
            );
        }
        assert_eq!(
            refused(&[uri, ("isbackoffice", "yes")]),
            "the header `isbackoffice` is not one of `1`, `true`, `0`, `false` or empty"
        );
        assert_eq!(
            refused(&[uri, ("client-type", "\u{e8}")]),
            "the header `client-type` has a value that is not visible ASCII"
        );
    }

    #[test]
    fn a_client_type_header_is_not_believed_where_the_key_was_resolved_here() {
        let lines = &[
            ("original-request-uri", "/"),
            ("client-type", "A"),
            ("client-type", "B"),
        ];
        let (from, names) = (ClientTypeFrom::Resolver(None), HeaderNames::default());
        ask("/check", lines, |head| {
            let request = read(head, "/check", from, &names).unwrap();
            assert_eq!(request.facts.client_type, None);
        });
    }
}
