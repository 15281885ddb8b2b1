//! A decision as a gateway gets it.

use http::{HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use keygate_http1::{Response, Value};
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
pub struct Answer<'h> {
    /// 200, 401 or 403.
    pub status: StatusCode,
    /// Why.
    pub reason: Reason,
    /// The rule that decided.
    pub endpoint: Option<HeaderValue>,
    /// The client type that the decision was made for.
    pub client_type: Option<Value<'h>>,
}

impl Answer<'_> {
    /// The answer as a gateway gets it: headers alone.
    pub fn begin<'o>(&self, with: AnswerWith, out: &'o mut Vec<u8>) -> Response<'o> {
        let allowed = if self.reason == Reason::Ok { "1" } else { "0" };
        let status = match with {
            AnswerWith::Status => self.status,
            AnswerWith::Header => StatusCode::OK,
        };
        let mut response = Response::begin(out, status);
        response.header(&ALLOWED, &HeaderValue::from_static(allowed));
        response.header(&REASON, &HeaderValue::from_static(self.reason.as_str()));
        if status == StatusCode::UNAUTHORIZED {
            response.header(&WWW_AUTHENTICATE, &CHALLENGE);
        }
        if let Some(endpoint) = &self.endpoint {
            response.header(&ENDPOINT, endpoint);
        }
        if let Some(client_type) = self.client_type {
            response.header(&CLIENT_TYPE, client_type);
        }
        response
    }
}
