//! The gateway in front of the services, and what a response to it contains.

use std::{fmt, str::FromStr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};

use crate::{REASON, REQUEST_ID, problem};

/// The headers that Envoy's `ext_authz` over HTTP removes from the client request, between commas.
///
/// Envoy leaves the client's own header where a response has none.
pub const ENVOY_REMOVES: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// The gateway that sends authorization requests.
///
/// It alone decides which headers describe the client request. Those of other gateways are a client's
/// own, and decide nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gateway {
    /// nginx with `auth_request`: `original-request-*`, written by Keygate's includes.
    #[default]
    Nginx,
    /// Envoy with `ext_authz`: the authorization request is the client request, behind a path prefix.
    Envoy,
    /// Traefik with `forwardAuth`: `x-forwarded-*`.
    Traefik,
    /// Caddy with `forward_auth`: `x-forwarded-*`.
    Caddy,
    /// `HAProxy` with Keygate's Lua action: `x-forwarded-*`.
    Haproxy,
}

/// The headers in which a gateway describes the client request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The target, as the client sent it: path and query.
    pub target: HeaderName,
    /// The method.
    pub method: HeaderName,
    /// The host.
    pub host: HeaderName,
}

/// nginx's, which Keygate's includes write.
pub static ORIGINAL: Description = Description {
    target: HeaderName::from_static("original-request-uri"),
    method: HeaderName::from_static("original-request-method"),
    host: HeaderName::from_static("original-request-host"),
};

/// Those of Traefik and Caddy, and of Keygate's configuration for `HAProxy`.
pub static FORWARDED: Description = Description {
    target: HeaderName::from_static("x-forwarded-uri"),
    method: HeaderName::from_static("x-forwarded-method"),
    host: HeaderName::from_static("x-forwarded-host"),
};

/// The error for a name that is no gateway's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of nginx, envoy, traefik, caddy, haproxy")]
pub struct UnknownGateway(String);

impl Gateway {
    /// Every gateway.
    pub const ALL: [Self; 5] = [
        Self::Nginx,
        Self::Envoy,
        Self::Traefik,
        Self::Caddy,
        Self::Haproxy,
    ];

    /// Returns the name in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    /// Returns whether the caller gets the services' own response to a denied request.
    ///
    /// nginx's `auth_request` reads only its status and headers, and closes the connection over a body.
    #[must_use]
    pub const fn passes_on_denials(self) -> bool {
        !matches!(self, Self::Nginx)
    }

    /// Returns whether the gateway sends headers of a response on to the backend under the same names.
    ///
    /// nginx's includes give them other names, and remove the key's cookie by themselves.
    #[must_use]
    pub const fn copies_headers(self) -> bool {
        !matches!(self, Self::Nginx)
    }

    /// Returns the headers that describe the client request; `None` if the authorization request is like it.
    #[must_use]
    pub fn description(self) -> Option<&'static Description> {
        match self {
            Self::Nginx => Some(&ORIGINAL),
            Self::Traefik | Self::Caddy | Self::Haproxy => Some(&FORWARDED),
            Self::Envoy => None,
        }
    }

    /// Removes the headers of a request, whose map becomes the response's.
    ///
    /// The id of the request stays where [`Gateway::response`] shows it to the caller.
    pub fn clear(self, headers: &mut HeaderMap) {
        if !self.passes_on_denials() {
            return headers.clear();
        }
        let id = headers.remove(REQUEST_ID);
        headers.clear();
        headers.extend(id.map(|value| (REQUEST_ID, value)));
    }

    /// Returns the response with these headers, and its body if it has one.
    ///
    /// A denial that the gateway passes on is a [`problem`], without the headers that only gateways need:
    /// they name rules of the policy and the caller's key.
    #[must_use]
    pub fn response<B: Default + From<String>>(
        self,
        status: StatusCode,
        reason: &str,
        headers: HeaderMap,
    ) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if self.passes_on_denials() {
            let id = response.headers_mut().remove(REQUEST_ID);
            if !status.is_success() {
                keep_for_caller(response.headers_mut());
                let id = id.as_ref().and_then(|id| id.to_str().ok());
                *response.body_mut() = problem::document(status, reason, id).into();
            }
        }
        response
    }
}

/// Removes the headers that a caller does not get, and adds those of the body.
fn keep_for_caller(headers: &mut HeaderMap) {
    let challenge = headers.remove(WWW_AUTHENTICATE);
    let reason = headers.remove(REASON);
    headers.clear();
    headers.extend(challenge.map(|value| (WWW_AUTHENTICATE, value)));
    headers.extend(reason.map(|value| (REASON, value)));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Returns the target of the client request that Envoy's `ext_authz` puts behind its `path_prefix`.
#[must_use]
pub fn target_below<'u>(prefix: &str, uri: &'u Uri) -> Option<&'u str> {
    let target = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    target.starts_with('/').then_some(target)
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Gateway {
    type Err = UnknownGateway;

    fn from_str(text: &str) -> Result<Self, UnknownGateway> {
        let named = Self::ALL.into_iter().find(|it| it.as_str() == text);
        named.ok_or_else(|| UnknownGateway(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{CLIENT_TYPE, KEY_ID};

    #[test]
    fn a_gateway_has_the_name_that_it_is_read_from() {
        for gateway in Gateway::ALL {
            assert_eq!(gateway.as_str().parse(), Ok(gateway));
        }
        let error = "Envoy".parse::<Gateway>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`Envoy` is not one of nginx, envoy, traefik, caddy, haproxy"
        );
    }

    #[rstest]
    #[case("/auth", None)]
    #[case("/auth?a", None)]
    #[case("/auth/", Some("/"))]
    #[case("/auth//a?b", Some("//a?b"))]
    #[case("/auth/a%2Fb", Some("/a%2Fb"))]
    fn the_target_follows_the_prefix(#[case] uri: &str, #[case] target: Option<&str>) {
        assert_eq!(target_below("/auth", &uri.parse().unwrap()), target);
    }

    #[rstest]
    #[case::plain("0af7-1", true)]
    #[case::breaking_out("a\"b", false)]
    #[case::empty("", false)]
    fn a_caller_gets_the_id_of_a_denied_request(#[case] id: &'static str, #[case] is_shown: bool) {
        let mut headers = HeaderMap::from_iter([
            (REQUEST_ID, HeaderValue::from_static(id)),
            (KEY_ID, HeaderValue::from_static("of the caller")),
        ]);
        Gateway::Envoy.clear(&mut headers);
        let respond = |status| {
            let response: Response<String> = Gateway::Envoy.response(status, "ok", headers.clone());
            assert!(response.headers().get(REQUEST_ID).is_none());
            assert!(response.headers().get(KEY_ID).is_none());
            response.into_body()
        };
        assert_eq!(respond(StatusCode::OK), "");
        let shown = format!(",\"requestId\":\"{id}\"}}");
        assert_eq!(respond(StatusCode::FORBIDDEN).contains(&shown), is_shown);
    }

    #[test]
    fn nginx_shows_the_id_itself() {
        let mut headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static("1"))]);
        Gateway::Nginx.clear(&mut headers);
        assert!(headers.is_empty());
    }

    #[rstest]
    #[case::allowed(Gateway::Envoy, StatusCode::OK, None, 4)]
    #[case::nginx_makes_its_own(Gateway::Nginx, StatusCode::UNAUTHORIZED, None, 4)]
    #[case::passed_on(
        Gateway::Traefik,
        StatusCode::UNAUTHORIZED,
        Some(
            "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\"detail\":\"missing-key\"}\n"
        ),
        4
    )]
    fn a_denial_that_is_passed_on_shows_only_its_reason(
        #[case] gateway: Gateway,
        #[case] status: StatusCode,
        #[case] body: Option<&str>,
        #[case] headers: usize,
    ) {
        let value = HeaderValue::from_static;
        let sent = HeaderMap::from_iter([
            (CLIENT_TYPE, value("A")),
            (KEY_ID, value("a-1")),
            (REASON, value("missing-key")),
            (WWW_AUTHENTICATE, value("Bearer")),
        ]);
        let response: Response<String> = gateway.response(status, "missing-key", sent);
        assert_eq!(response.status(), status);
        assert_eq!(response.body(), body.unwrap_or_default());
        assert_eq!(response.headers().len(), headers);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response.headers()[REASON], "missing-key");
        assert_eq!(response.headers().contains_key(KEY_ID), body.is_none());
    }
}
