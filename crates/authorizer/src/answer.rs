//! A decision as a gateway gets it.

use axum::{body::Body, response::Response};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, WWW_AUTHENTICATE},
};
use keygate_policy::Reason;

const ALLOWED: HeaderName = HeaderName::from_static("mia-allowed");
const CLIENT_TYPE: HeaderName = HeaderName::from_static("client-type");
const REASON: HeaderName = HeaderName::from_static("x-keygate-reason");
const ENDPOINT: HeaderName = HeaderName::from_static("x-keygate-endpoint");

/// RFC 9110, section 11.6.1 asks for a challenge on every 401; no registered scheme describes a
/// key in a header of its own.
const CHALLENGE: HeaderValue = HeaderValue::from_static("ApiKey realm=\"keygate\"");

/// How a denial is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerWith {
    /// By the status: 401 or 403.
    #[default]
    Status,
    /// By `mia-allowed: 0` on a 200: Mia-Platform's non-strict mode, where the gateway decides.
    Header,
}

/// The answer to one question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200, 401 or 403.
    pub status: StatusCode,
    /// Why.
    pub reason: Reason,
    /// The rule that decided.
    pub endpoint: Option<HeaderValue>,
    /// The client type that the decision was made for.
    pub client_type: Option<HeaderValue>,
}

impl Answer {
    /// The answer as a gateway gets it: headers alone, with an empty body.
    #[must_use]
    pub fn into_response(self, with: AnswerWith) -> Response {
        let allowed = self.reason == Reason::Ok;
        let status = match with {
            AnswerWith::Status => self.status,
            AnswerWith::Header => StatusCode::OK,
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        headers.insert(
            ALLOWED,
            HeaderValue::from_static(if allowed { "1" } else { "0" }),
        );
        headers.insert(REASON, HeaderValue::from_static(self.reason.as_str()));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(endpoint) = self.endpoint {
            headers.insert(ENDPOINT, endpoint);
        }
        if let Some(client_type) = self.client_type {
            headers.insert(CLIENT_TYPE, client_type);
        }
        response
    }
}
