//! The authorizer's decision, and the response headers that carry it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use keygate_headers::{API_KEY_CHALLENGE, CLIENT_TYPE, Gateway, REASON, gateway::ENVOY_REMOVES};
use keygate_policy::Reason;
use keygate_users::{Identity, identity, identity_token};

const USER_ID: HeaderName = HeaderName::from_static("mia-userid");
const GROUPS: HeaderName = HeaderName::from_static("mia-groups");
const PROPERTIES: HeaderName = HeaderName::from_static("mia-userproperties");
const ALLOWED: HeaderName = HeaderName::from_static("mia-allowed");
const ENDPOINT: HeaderName = HeaderName::from_static("x-keygate-endpoint");

/// The headers about the caller that backends get, if this service sends them.
const OF_BACKENDS: [HeaderName; 5] = [
    CLIENT_TYPE,
    identity::USER_ID,
    identity::GROUPS,
    identity::PROPERTIES,
    identity_token::HEADER,
];

/// How a response carries a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerWith {
    /// By the status: 401, 403 or 503.
    #[default]
    Status,
    /// By `mia-allowed: 0` on a 200: Mia-Platform's non-strict mode, where the gateway decides.
    Header,
}

/// The decision on one request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// 200, 401, 403 or 503; with [`AnswerWith::Header`] always 200.
    pub status: StatusCode,
    /// Why.
    pub reason: Reason,
    /// The label of the rule that decided.
    pub endpoint: Option<HeaderValue>,
    /// The client type that the decision was made for.
    pub client_type: Option<HeaderValue>,
    /// What the backend of an allowed request learns besides; in a box, since most decisions have none.
    pub(crate) shown: Option<Box<Shown>>,
}

/// What a backend learns of the caller of an allowed request, besides the client type.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The user, if the rule needs one.
    pub(crate) identity: Option<Identity>,
    /// The signed identity, if identities are signed.
    pub(crate) token: Option<HeaderValue>,
}

impl Decision {
    /// Returns the user of an allowed request, if the rule needs one.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.shown.as_ref()?.identity.as_ref()
    }

    /// Returns the signed identity of an allowed request, if identities are signed.
    #[must_use]
    pub fn token(&self) -> Option<&HeaderValue> {
        self.shown.as_ref()?.token.as_ref()
    }

    /// Adds the headers of the response to a gateway; its status is [`Decision::status`].
    ///
    /// A gateway that copies headers also gets the user under the names that backends know, and Envoy the names
    /// of the headers to remove, since the response does not have them.
    pub fn write_for(self, gateway: Gateway, headers: &mut HeaderMap) {
        if let Some(identity) = self.identity().filter(|_| gateway.copies_headers()) {
            identity.write(headers);
        }
        let is_allowed = self.reason == Reason::Ok;
        self.write(headers);
        if gateway == Gateway::Envoy && is_allowed {
            let names = OF_BACKENDS;
            let absent: Vec<_> = names
                .iter()
                .filter(|name| !headers.contains_key(*name))
                .map(HeaderName::as_str)
                .collect();
            if let Ok(names) = HeaderValue::try_from(absent.join(",")) {
                headers.append(ENVOY_REMOVES, names);
            }
        }
    }

    /// Adds the headers of the response; its status is [`Decision::status`].
    pub fn write(self, headers: &mut HeaderMap) {
        let allowed = if self.reason == Reason::Ok { "1" } else { "0" };
        headers.insert(ALLOWED, HeaderValue::from_static(allowed));
        headers.insert(REASON, HeaderValue::from_static(self.reason.as_str()));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, challenge(self.reason));
        }
        if let Some(endpoint) = self.endpoint {
            headers.insert(ENDPOINT, endpoint);
        }
        if let Some(client_type) = self.client_type {
            headers.insert(CLIENT_TYPE, client_type);
        }
        if let Some(shown) = self.shown {
            shown.write(headers);
        }
    }
}

impl Shown {
    fn write(self, headers: &mut HeaderMap) {
        if let Some(token) = self.token {
            headers.insert(identity_token::HEADER, token);
        }
        if let Some(identity) = self.identity {
            headers.insert(USER_ID, identity.id);
            if let Some(groups) = identity.groups {
                headers.insert(GROUPS, groups);
            }
            if let Some(properties) = identity.properties {
                headers.insert(PROPERTIES, properties);
            }
        }
    }
}

/// The challenge of a 401 response (RFC 6750, section 3, for users).
fn challenge(reason: Reason) -> HeaderValue {
    match reason {
        Reason::MissingUser => HeaderValue::from_static("Bearer"),
        Reason::InvalidToken => HeaderValue::from_static("Bearer error=\"invalid_token\""),
        _ => API_KEY_CHALLENGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_removes_what_an_allowed_response_does_not_have() {
        let decision = Decision {
            status: StatusCode::OK,
            reason: Reason::Ok,
            endpoint: None,
            client_type: Some(HeaderValue::from_static("A")),
            shown: None,
        };
        let mut headers = HeaderMap::new();
        decision.clone().write_for(Gateway::Envoy, &mut headers);
        assert_eq!(
            headers[ENVOY_REMOVES],
            "miauserid,miausergroups,miauserproperties,x-keygate-token"
        );
        let denied = Decision {
            status: StatusCode::FORBIDDEN,
            reason: Reason::NoEndpoint,
            ..decision.clone()
        };
        for (gateway, decision) in [(Gateway::Envoy, denied), (Gateway::Caddy, decision)] {
            let mut headers = HeaderMap::new();
            decision.write_for(gateway, &mut headers);
            assert!(!headers.contains_key(ENVOY_REMOVES), "{gateway}");
        }
    }
}
