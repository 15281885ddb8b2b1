//! The gateway in front of the services, and what a response to it contains.

use std::{fmt, str::FromStr};

use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};

use crate::{REASON, problem};

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
        if self.passes_on_denials() && !status.is_success() {
            keep_for_caller(response.headers_mut());
            *response.body_mut() = problem::document(status, reason).into();
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
