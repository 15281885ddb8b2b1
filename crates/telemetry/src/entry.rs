//! The log entry of a decision: owned, bounded, and without secrets.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use keygate_expression::Facts;
use keygate_headers::REQUEST_ID;
use keygate_resolver::Resolution;
use serde::{Deserialize, Serialize};
use tracing::Level;

/// The target of the events of the decision log.
pub const TARGET: &str = "keygate::decision";

/// Longer values are cut: the caller chooses the path and, with some gateways, the request id.
const LONGEST_TEXT: usize = 1024;

/// The service that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The resolver: key to client type.
    Resolve,
    /// The authorizer: request to decision.
    Authorize,
}

impl Step {
    /// Both steps, in the order of a request.
    pub const ALL: [Self; 2] = [Self::Resolve, Self::Authorize];

    /// Returns the name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Authorize => "authorize",
        }
    }
}

/// A decision.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When the decision was made.
    pub time: Timestamp,
    /// The service that decided.
    pub step: Step,
    /// Whether it allows the request.
    pub allowed: bool,
    /// The HTTP status of the response to the gateway.
    pub status: u16,
    /// The reason that the caller gets.
    pub reason: &'static str,
    /// The exact cause, which the caller does not get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The client address of a request with a rejected key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// A tag that is equal for equal unknown keys, to distinguish attempts at one key from attempts at
    /// many. Nothing about the key can be derived from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The gateway's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The client type of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_type: Option<String>,
    /// The id of the caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The id of the logged-in user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The request method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The request host, if the gateway sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The canonical path; bytes outside visible ASCII are escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path as the client sent it, of the resolver's decisions and of ambiguous paths. Never includes the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_path: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The decision of a shadow, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowEntry>,
    /// How long the decision took.
    pub duration_micros: u64,
}

/// The decision of a shadow.
#[derive(Debug, Clone, Serialize)]
pub struct ShadowEntry {
    /// `would-allow` or `would-deny`.
    pub verdict: &'static str,
    /// The shadow's reason.
    pub reason: &'static str,
    /// The rule that would have decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

impl Entry {
    fn new(step: Step, status: u16, reason: &'static str, took: Duration) -> Self {
        Self {
            time: Timestamp::now(),
            step,
            allowed: status == 200,
            status,
            reason,
            cause: None,
            address: None,
            tag: None,
            request_id: None,
            client_type: None,
            key_id: None,
            user_id: None,
            method: None,
            host: None,
            path: None,
            raw_path: None,
            endpoint: None,
            shadow: None,
            duration_micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Returns the entry of a resolver's decision.
    #[must_use]
    pub fn of_resolution(record: &keygate_resolver::ResolutionRecord<'_>, took: Duration) -> Self {
        let reason = record.resolution.reason();
        let status = record.status.as_u16();
        let key = record.resolution.key();
        let (method, target) = record.request.requested(record.gateway);
        Self {
            cause: match &record.resolution {
                Resolution::Refused(refusal) => Some(refusal.to_string()),
                Resolution::Known(_) | Resolution::Anonymous => None,
            },
            address: record.address,
            tag: record.attempt.map(|attempt| attempt.tag.to_string()),
            request_id: request_id(record.request.headers),
            client_type: key.map(|key| key.client_type().as_str().to_owned()),
            key_id: key.map(|key| key.id().to_owned()),
            method: Some(escaped(method)),
            raw_path: target.and_then(path_of).map(escaped),
            ..Self::new(Step::Resolve, status, reason.as_str(), took)
        }
    }

    /// Returns the entry of an authorizer's decision.
    #[must_use]
    pub fn of_decision(record: &keygate_authorizer::DecisionRecord<'_>, took: Duration) -> Self {
        let facts = record.request.map(|request| &request.facts);
        let raw_path = record.request.and_then(|request| match record.path {
            Some(_) => None,
            None => path_of(request.target),
        });
        let caller_is_known = facts.is_some_and(Facts::caller_is_known);
        let status = record.reason.status(caller_is_known).code();
        Self {
            cause: record.cause.map(|cause| cause.to_string()).or_else(|| {
                let look_up = record.look_up?;
                look_up.outcome.cause()
            }),
            request_id: request_id(record.headers),
            client_type: facts.and_then(|facts| facts.client_type).map(bounded),
            key_id: record.key_id().and_then(text),
            user_id: facts
                .and_then(|facts| facts.user)
                .map(|user| bounded(&user.id)),
            method: record.request.map(|request| bounded(request.method)),
            host: record.request.and_then(|request| request.host).map(bounded),
            path: record.path.map(escaped),
            raw_path: raw_path.map(escaped),
            endpoint: record.endpoint.map(str::to_owned),
            shadow: record.difference().map(|(shadow, verdict)| ShadowEntry {
                verdict: verdict.as_str(),
                reason: shadow.reason.as_str(),
                endpoint: shadow.endpoint.map(str::to_owned),
            }),
            ..Self::new(Step::Authorize, status, record.reason.as_str(), took)
        }
    }

    /// Writes the log line of this decision.
    pub fn log(&self, level: Level) {
        let shadow = self.shadow.as_ref();
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    step = self.step.as_str(),
                    allowed = self.allowed,
                    status = self.status,
                    reason = self.reason,
                    cause = self.cause,
                    address = self.address.map(tracing::field::display),
                    tag = self.tag,
                    requestId = self.request_id,
                    clientType = self.client_type,
                    keyId = self.key_id,
                    userId = self.user_id,
                    method = self.method,
                    host = self.host,
                    path = self.path,
                    rawPath = self.raw_path,
                    endpoint = self.endpoint,
                    shadowVerdict = shadow.map(|it| it.verdict),
                    shadowReason = shadow.map(|it| it.reason),
                    shadowEndpoint = shadow.and_then(|it| it.endpoint.as_deref()),
                    durationMicros = self.duration_micros,
                )
            };
        }
        // An event's level must be a constant.
        if level == Level::INFO {
            line!(Level::INFO);
        } else {
            line!(Level::DEBUG);
        }
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get(REQUEST_ID).and_then(text)
}

fn text(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    (!text.is_empty()).then(|| bounded(text))
}

/// The path of a request target, without the query and without the user name before the host of an
/// absolute target, which may both contain secrets.
fn path_of(target: &[u8]) -> Option<&[u8]> {
    target
        .split(|byte| *byte == b'?')
        .next()
        .filter(|path| path.starts_with(b"/"))
}

fn escaped(bytes: &[u8]) -> String {
    bytes
        .get(..LONGEST_TEXT)
        .unwrap_or(bytes)
        .escape_ascii()
        .to_string()
}

fn bounded(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_never_part_of_a_path() {
        assert_eq!(path_of(b"/a%2Fb?secret=1"), Some(&b"/a%2Fb"[..]));
        assert_eq!(path_of(b"?secret=1"), None);
        assert_eq!(path_of(b"http://user:secret@host/a"), None);
        assert_eq!(path_of(b""), None);
    }

    #[test]
    fn values_from_callers_are_bounded_and_stay_on_one_line() {
        assert_eq!(escaped(b"/a\nb\xff\""), "/a\\nb\\xff\\\"");
        assert_eq!(bounded(&"\u{e8}".repeat(5000)).chars().count(), 1024);
        assert_eq!(escaped(&[b'a'; 5000]).len(), 1024);
    }
}
