//! What the responses to a probe show.

use std::fmt;

use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use keygate_headers::problem;
use keygate_policy::Reason;
use keygate_resolver::ResolutionReason;
use serde::Serialize;
use serde_json::Value;

/// The most characters of a response that are shown.
const MOST_SHOWN: usize = 100;

/// One request of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Attempt {
    NoKey,
    WrongKey,
    SpoofedIdentity,
    ValidKey,
}

/// The response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Seen {
    /// Keygate's denial, with its reason.
    Denial { status: u16, reason: &'static str },
    /// Keygate does not respond to the gateway.
    Down { status: u16, reason: String },
    /// Another program's response.
    Other { status: u16 },
    /// None.
    Nothing { error: String },
}

/// A request, the response, and what is wrong with it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    attempt: Attempt,
    pub(super) seen: Seen,
    problem: Option<&'static str>,
}

/// All of a probe.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) findings: Vec<Finding>,
}

impl Seen {
    /// Returns what a response shows.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let other = Self::Other {
            status: status.as_u16(),
        };
        let is_problem = headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it.as_bytes().starts_with(problem::MEDIA_TYPE.as_bytes()));
        let document = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let Some(detail) = document
            .get("detail")
            .and_then(Value::as_str)
            .filter(|_| is_problem)
        else {
            return other;
        };
        let is_denial = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let is_known = |reason: &&str| *reason == detail && *reason != Reason::Ok.as_str();
        let of_policy = Reason::ALL.into_iter().map(Reason::as_str);
        let of_keys = ResolutionReason::ALL
            .into_iter()
            .map(ResolutionReason::as_str);
        let known = of_policy.chain(of_keys).find(is_known);
        let status = status.as_u16();
        match known {
            Some(reason) if is_denial => Self::Denial { status, reason },
            // Any server may respond, and a terminal would obey control characters in its text.
            _ if status == 503 => Self::Down {
                status,
                reason: detail
                    .chars()
                    .take(MOST_SHOWN)
                    .flat_map(char::escape_debug)
                    .collect(),
            },
            _ => other,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Denial { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

impl Finding {
    /// Judges a response; `no_key` is the one to the request without a key.
    pub(super) fn new(attempt: Attempt, seen: Seen, no_key: Option<&Seen>) -> Self {
        let problem = match (attempt, &seen) {
            (_, Seen::Nothing { .. }) => Some("there is no response"),
            (_, Seen::Down { .. }) => Some(
                "the gateway denied the request, because Keygate or its source of users does \
                      not respond",
            ),
            (Attempt::ValidKey, Seen::Other { .. }) => None,
            (Attempt::ValidKey, Seen::Denial { .. }) => {
                Some("the key was not accepted, for the reason above")
            }
            (_, Seen::Other { .. }) => Some(
                "Keygate did not deny this request: the gateway does not send authorization \
                 requests for this URL, or the URL does not require a key",
            ),
            (Attempt::NoKey, Seen::Denial { reason, .. }) => {
                (*reason == Reason::MalformedRequest.as_str()).then_some(
                    "Keygate cannot parse the gateway's requests, so it denies all of them: check \
                     the setting `gateway`, and see Keygate's log for the cause",
                )
            }
            (Attempt::WrongKey, Seen::Denial { reason, .. }) => (*reason
                != ResolutionReason::UnknownKey.as_str())
            .then_some(
                "the key does not reach Keygate: `--header` must be one of `key-headers`, and the \
                     gateway must send it to Keygate",
            ),
            (Attempt::SpoofedIdentity, Seen::Denial { reason, .. }) => {
                let is_malformed = *reason == Reason::MalformedRequest.as_str();
                let is_equal = no_key.and_then(Seen::reason) == Some(reason);
                (!is_malformed && !is_equal).then_some(
                    "headers from the caller change the decision: the gateway must remove identity \
                     headers from client requests",
                )
            }
        };
        Self {
            attempt,
            seen,
            problem,
        }
    }
}

impl Report {
    /// Whether every response is as it must be.
    pub(super) fn is_enforced(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.problem.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.is_enforced() {
            write!(f, "Keygate decides on {}", self.url)
        } else {
            write!(f, "Keygate does not decide on {} as expected", self.url)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<17} {}", self.attempt.as_str(), self.seen)?;
        match self.problem {
            Some(problem) => write!(f, "\n  error: {problem}"),
            None => Ok(()),
        }
    }
}

impl Attempt {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no key",
            Self::WrongKey => "wrong key",
            Self::SpoofedIdentity => "spoofed identity",
            Self::ValidKey => "valid key",
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denial { status, reason } => write!(f, "{status} {reason}, from Keygate"),
            Self::Down { status, reason } => write!(f, "{status} {reason}"),
            Self::Other { status } => write!(f, "{status}, from the backend or the gateway"),
            Self::Nothing { error } => f.write_str(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn seen(status: u16, reason: &str) -> Seen {
        let status = StatusCode::from_u16(status).unwrap();
        let media_type = HeaderValue::from_static(problem::MEDIA_TYPE);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
        Seen::of(
            status,
            &headers,
            problem::document(status, reason, None).as_bytes(),
        )
    }

    fn problem_of(attempt: Attempt, seen: Seen) -> Option<&'static str> {
        let no_key = self::seen(401, "missing-key");
        Finding::new(attempt, seen, Some(&no_key)).problem
    }

    #[rstest]
    #[case(Attempt::NoKey, 401, "missing-key", true)]
    #[case(Attempt::NoKey, 403, "expression-false", true)]
    #[case(Attempt::NoKey, 200, "missing-key", false)]
    #[case(Attempt::NoKey, 403, "of another program", false)]
    #[case(Attempt::NoKey, 403, "ok", false)]
    #[case(Attempt::NoKey, 403, "malformed-request", false)]
    #[case(Attempt::NoKey, 503, "authorization-unavailable", false)]
    #[case(Attempt::WrongKey, 401, "unknown-key", true)]
    #[case(Attempt::WrongKey, 403, "unknown-key", true)]
    #[case(Attempt::WrongKey, 401, "missing-key", false)]
    #[case(Attempt::SpoofedIdentity, 401, "missing-key", true)]
    #[case(Attempt::SpoofedIdentity, 403, "malformed-request", true)]
    #[case(Attempt::SpoofedIdentity, 403, "expression-false", false)]
    #[case(Attempt::ValidKey, 401, "unknown-key", false)]
    #[case(Attempt::ValidKey, 503, "authorization-unavailable", false)]
    fn a_denial_must_be_the_one_that_keygate_sends(
        #[case] attempt: Attempt,
        #[case] status: u16,
        #[case] reason: &str,
        #[case] is_right: bool,
    ) {
        let problem = problem_of(attempt, seen(status, reason));
        assert_eq!(problem.is_none(), is_right, "{problem:?}");
    }

    #[rstest]
    #[case(Attempt::NoKey, false)]
    #[case(Attempt::WrongKey, false)]
    #[case(Attempt::SpoofedIdentity, false)]
    #[case(Attempt::ValidKey, true)]
    fn only_a_valid_key_gets_the_response_of_the_backend(
        #[case] attempt: Attempt,
        #[case] is_right: bool,
    ) {
        for (status, body) in [
            (200, ""),
            (404, "{}"),
            (401, "{\"detail\":\"missing-key\"}"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let seen = Seen::of(status, &HeaderMap::new(), body.as_bytes());
            assert_eq!(problem_of(attempt, seen).is_none(), is_right);
        }
    }

    #[test]
    fn a_lying_server_cannot_write_to_the_terminal() {
        let detail = format!("down\\u001b[2J\\nvalid key {}", "x".repeat(1000));
        let document = format!("{{\"detail\":\"{detail}\"}}");
        let media_type = HeaderValue::from_static(problem::MEDIA_TYPE);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let shown = Seen::of(status, &headers, document.as_bytes()).to_string();
        assert!(
            shown.starts_with("503 down\\u{1b}[2J\\nvalid key x"),
            "{shown}"
        );
        assert!(shown.len() < 150, "{shown}");
    }

    #[test]
    fn no_response_is_a_problem() {
        for attempt in [Attempt::NoKey, Attempt::ValidKey] {
            let error = "the request failed".to_owned();
            assert!(problem_of(attempt, Seen::Nothing { error }).is_some());
        }
    }
}
