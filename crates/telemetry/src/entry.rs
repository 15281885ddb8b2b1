//! One decision as it is written: owned, bounded, and without anything that may be secret.

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

/// What is longer is cut: a caller chooses the path, and with some gateways the request id.
const LONGEST_TEXT: usize = 1024;

/// Which question was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Whose is the key?
    Resolve,
    /// May they do that?
    Authorize,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 2] = [Self::Resolve, Self::Authorize];

    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Authorize => "authorize",
        }
    }
}

/// One decision.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it was made.
    pub time: Timestamp,
    /// Which question was decided.
    pub step: Step,
    /// Whether the caller may go on.
    pub allowed: bool,
    /// The HTTP status that says so to the gateway.
    pub status: u16,
    /// Why, as the caller was told.
    pub reason: &'static str,
    /// Why precisely, as the caller was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Where a request with a rejected key came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What tells guesses at one key from guesses at many; nothing of the key can be told from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The gateway's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The caller's client type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_type: Option<String>,
    /// The id of the caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Who is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The host, where the gateway tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The canonical path; bytes outside visible ASCII are escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path as the caller sent it, where it has no single reading. Never the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_path: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What a shadow would have answered, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowEntry>,
    /// How long it took.
    pub duration_micros: u64,
}

/// What a shadow would have answered.
#[derive(Debug, Clone, Serialize)]
pub struct ShadowEntry {
    /// `would-allow` or `would-deny`.
    pub verdict: &'static str,
    /// Why.
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

    /// What became of a credential.
    #[must_use]
    pub fn of_resolution(record: &keygate_resolver::Record<'_>, took: Duration) -> Self {
        let reason = record.resolution.reason();
        let status = record.status.as_u16();
        let key = record.resolution.key();
        Self {
            cause: match &record.resolution {
                Resolution::Refused(refusal) => Some(refusal.to_string()),
                Resolution::Known(_) | Resolution::Anonymous => None,
            },
            address: record.address,
            tag: record.guess.map(|guess| guess.tag.to_string()),
            request_id: request_id(record.headers),
            client_type: key.map(|key| key.client_type().as_str().to_owned()),
            key_id: key.map(|key| key.id().to_owned()),
            ..Self::new(Step::Resolve, status, reason.as_str(), took)
        }
    }

    /// What became of a request.
    #[must_use]
    pub fn of_decision(record: &keygate_authorizer::Record<'_>, took: Duration) -> Self {
        let facts = record.request.map(|request| &request.facts);
        let raw_path = record.request.and_then(|request| match record.path {
            Some(_) => None,
            None => path_of(request.target),
        });
        let caller_is_known = facts.is_some_and(Facts::caller_is_known);
        let status = record.reason.status(caller_is_known).code();
        Self {
            cause: record.cause.map(ToString::to_string),
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

    /// Writes the one line of this decision.
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
        // The level of an event is a constant.
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

/// The path of a request target. The query may hold anything, and so may the user name before the
/// host of an absolute one: neither is looked at.
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
