//! The authorizer: decides on a request from any transport.

use std::{sync::Arc, time::Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::StatusCode;
use keygate_headers::{ExpectedNames, Sender};
use keygate_policy::{Policy, Reason, path::CanonicalPath, reason::Status};

use crate::{
    AnswerWith, Counters, Decision, Endpoint, HeaderNames, Malformed, Observer, Record, Request,
    Shadow,
};

/// The authorization service: the active policy and the gateways' header names.
#[derive(Debug)]
pub struct Authorizer {
    policy: ArcSwap<Snapshot>,
    shadow: ArcSwapOption<Policy>,
    without_rule: Counters,
    names: HeaderNames,
    answer_with: AnswerWith,
    expected: ExpectedNames,
    observer: Option<Arc<dyn Observer>>,
}

/// A policy, and the counters of each of its rules.
#[derive(Debug)]
struct Snapshot {
    policy: Policy,
    endpoints: Vec<Endpoint>,
}

impl Snapshot {
    fn new(policy: Policy, former: &[Endpoint]) -> Self {
        let endpoints = Endpoint::for_rules_of(&policy, former);
        Self { policy, endpoints }
    }
}

impl Authorizer {
    /// Returns an authorizer with this active policy.
    #[must_use]
    pub fn new(policy: Policy, names: HeaderNames, answer_with: AnswerWith) -> Self {
        Self {
            policy: ArcSwap::from_pointee(Snapshot::new(policy, &[])),
            shadow: ArcSwapOption::empty(),
            without_rule: Counters::default(),
            names,
            answer_with,
            expected: ExpectedNames::default(),
            observer: None,
        }
    }

    /// Denies requests of nginx includes that were written for other names.
    #[must_use]
    pub fn expecting(mut self, names: ExpectedNames) -> Self {
        self.expected = names;
        self
    }

    /// Sets the observer of all decisions.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Replaces the active policy atomically: each request is decided by one of the two.
    pub fn replace_policy(&self, policy: Policy) {
        let snapshot = Snapshot::new(policy, &self.policy.load().endpoints);
        self.policy.store(Arc::new(snapshot));
    }

    /// Replaces the shadow policy, which is evaluated for every request and never enforced.
    pub fn replace_shadow(&self, policy: Policy) {
        self.shadow.store(Some(Arc::new(policy)));
    }

    /// Calls `look` with the active policy and the shadow policy.
    pub fn look<T>(&self, at: impl FnOnce(&Policy, Option<&Policy>) -> T) -> T {
        let shadow = self.shadow.load();
        at(&self.policy.load().policy, shadow.as_deref())
    }

    /// Returns the active rules, in their order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.policy.load().endpoints.clone()
    }

    /// Returns whether there is a shadow policy.
    #[must_use]
    pub fn has_shadow_policy(&self) -> bool {
        self.shadow.load().is_some()
    }

    /// Returns the counters of requests without a matching rule.
    #[must_use]
    pub fn without_rule(&self) -> &Counters {
        &self.without_rule
    }

    /// Decides on the client request in `request`, and reports the decision to the observer.
    #[must_use]
    pub fn authorize(&self, request: &Request<'_>) -> Decision {
        let record = Record {
            started: Instant::now(),
            headers: request.headers,
            client_type_source: request.client_type,
            reason: Reason::MalformedRequest,
            cause: None,
            request: None,
            path: None,
            endpoint: None,
            shadow: None,
        };
        let sender = self.expected.sender(request.headers);
        // nginx's `auth_request` reads the status and nothing else.
        let answer_with = match sender {
            Ok(Sender::Other) => self.answer_with,
            Ok(Sender::Includes) | Err(_) => AnswerWith::Status,
        };
        let described = match sender {
            Ok(_) => request.describe(&self.names),
            Err(other_names) => Err(Malformed::from(other_names)),
        };
        match described {
            Ok(described) => Decision {
                client_type: request.client_type(&self.names).cloned(),
                ..self.decide(&described, answer_with, record)
            },
            Err(malformed) => {
                self.without_rule.count(Reason::MalformedRequest);
                self.report(&Record {
                    cause: Some(&malformed),
                    ..record
                });
                Decision {
                    status: status(answer_with, Status::Forbidden),
                    reason: Reason::MalformedRequest,
                    endpoint: None,
                    client_type: None,
                }
            }
        }
    }

    fn decide(
        &self,
        request: &keygate_policy::Request<'_>,
        answer_with: AnswerWith,
        record: Record<'_>,
    ) -> Decision {
        let snapshot = self.policy.load();
        let decision = snapshot.policy.decide(request);
        let endpoint = decision
            .rule
            .and_then(|rule| snapshot.endpoints.get(rule.index()));
        let counters = endpoint.map_or(&self.without_rule, Endpoint::counters);
        counters.count(decision.reason);
        let shadow_policy = self.shadow.load();
        let shadow = Shadow::of(request, &decision, shadow_policy.as_deref());
        if let Some(shadow) = &shadow {
            counters.count_shadow(shadow.verdict(decision.reason));
        }
        self.report(&Record {
            reason: decision.reason,
            request: Some(request),
            path: decision.path.as_ref().map(CanonicalPath::as_bytes),
            endpoint: endpoint.map(Endpoint::label),
            shadow,
            ..record
        });
        Decision {
            status: status(answer_with, decision.status),
            reason: decision.reason,
            endpoint: endpoint.and_then(Endpoint::header),
            client_type: None,
        }
    }

    fn report(&self, record: &Record<'_>) {
        if let Some(observer) = &self.observer {
            observer.decided(record);
        }
    }
}

/// The status of a response; always 200 if `mia-allowed` carries the decision.
fn status(answer_with: AnswerWith, status: Status) -> StatusCode {
    match (answer_with, status) {
        (AnswerWith::Header, _) | (AnswerWith::Status, Status::Ok) => StatusCode::OK,
        (AnswerWith::Status, Status::Unauthorized) => StatusCode::UNAUTHORIZED,
        (AnswerWith::Status, Status::Forbidden) => StatusCode::FORBIDDEN,
    }
}
