//! The authorization service: what gateways ask it, and what they are told.

use std::{sync::Arc, time::Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::StatusCode;
use keygate_http1::{Head, Response, Value};
use keygate_policy::{Decision, Policy, Reason, decision::Status, path::CanonicalPath};

use crate::{
    Answer, AnswerWith, ClientTypeFrom, Counters, Endpoint, HeaderNames, Observer, Record, Shadow,
    gateway,
};

/// The path that it is asked at.
const PATH: &str = "/auth";

/// The authorization service: the policy in force, and how gateways ask.
#[derive(Debug)]
pub struct Authorizer {
    policy: ArcSwap<Snapshot>,
    shadow: ArcSwapOption<Policy>,
    without_rule: Counters,
    names: HeaderNames,
    answer_with: AnswerWith,
    observer: Option<Arc<dyn Observer>>,
}

/// A policy, and beside each of its rules what is kept of it.
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
    /// An authorization service with this policy in force.
    #[must_use]
    pub fn new(policy: Policy, names: HeaderNames, answer_with: AnswerWith) -> Self {
        Self {
            policy: ArcSwap::from_pointee(Snapshot::new(policy, &[])),
            shadow: ArcSwapOption::empty(),
            without_rule: Counters::default(),
            names,
            answer_with,
            observer: None,
        }
    }

    /// The same, telling somebody of every decision.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Puts another policy in force, whole: a request is decided by the old one or the new one.
    pub fn replace_policy(&self, policy: Policy) {
        let snapshot = Snapshot::new(policy, &self.policy.load().endpoints);
        self.policy.store(Arc::new(snapshot));
    }

    /// Puts another policy in force as shadow: it is tried on every request, and never enforced.
    pub fn replace_shadow(&self, policy: Policy) {
        self.shadow.store(Some(Arc::new(policy)));
    }

    /// Looks at the policy in force, and at the one that is tried as shadow.
    pub fn look<T>(&self, at: impl FnOnce(&Policy, Option<&Policy>) -> T) -> T {
        let shadow = self.shadow.load();
        at(&self.policy.load().policy, shadow.as_deref())
    }

    /// The rules in force, in their order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.policy.load().endpoints.clone()
    }

    /// Whether a whole policy is tried as shadow.
    #[must_use]
    pub fn has_shadow_policy(&self) -> bool {
        self.shadow.load().is_some()
    }

    /// How often requests were decided without a rule.
    #[must_use]
    pub fn without_rule(&self) -> &Counters {
        &self.without_rule
    }

    /// Decides the request that the question is about, and tells the observer.
    #[must_use]
    pub fn answer<'h>(
        &self,
        prefix: &str,
        head: &Head<'h>,
        client_type_from: ClientTypeFrom<'h>,
    ) -> Answer<'h> {
        let question = Record {
            started: Instant::now(),
            headers: head.headers,
            client_type_from,
            reason: Reason::MalformedRequest,
            cause: None,
            request: None,
            path: None,
            endpoint: None,
            shadow: None,
        };
        match gateway::read(head, prefix, client_type_from, &self.names) {
            Ok(request) => self.decide(&request, question),
            Err(malformed) => {
                self.without_rule.count(Reason::MalformedRequest);
                self.tell(&Record {
                    cause: Some(&malformed),
                    ..question
                });
                Answer {
                    status: StatusCode::FORBIDDEN,
                    reason: Reason::MalformedRequest,
                    endpoint: None,
                    client_type: None,
                }
            }
        }
    }

    fn decide<'h>(
        &self,
        request: &keygate_policy::Request<'h>,
        question: Record<'h>,
    ) -> Answer<'h> {
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
        self.tell(&Record {
            reason: decision.reason,
            request: Some(request),
            path: decision.path.as_ref().map(CanonicalPath::as_bytes),
            endpoint: endpoint.map(Endpoint::label),
            shadow,
            ..question
        });
        Answer {
            status: status(&decision),
            reason: decision.reason,
            endpoint: endpoint.and_then(Endpoint::header),
            client_type: match question.client_type_from {
                ClientTypeFrom::Gateway => question.headers.first(&self.names.client_type),
                ClientTypeFrom::Resolver(caller) => {
                    caller.map(|caller| Value::from(caller.client_type))
                }
            }
            .filter(|value| !value.is_empty()),
        }
    }

    fn tell(&self, record: &Record<'_>) {
        if let Some(observer) = &self.observer {
            observer.decided(record);
        }
    }

    /// Whether it is asked: by `/auth` and everything below it, by any method.
    #[must_use]
    pub fn is_asked(head: &Head<'_>) -> bool {
        head.behind(PATH).is_some()
    }

    /// Answers what is asked there, by the client type that the gateway tells.
    pub fn respond<'o>(&self, head: &Head<'_>, out: &'o mut Vec<u8>) -> Response<'o> {
        self.respond_at(PATH, head, ClientTypeFrom::Gateway, out)
    }

    /// [`Authorizer::answer`] as the response that the settings ask for.
    pub fn respond_at<'o>(
        &self,
        prefix: &str,
        head: &Head<'_>,
        client_type: ClientTypeFrom<'_>,
        out: &'o mut Vec<u8>,
    ) -> Response<'o> {
        self.answer(prefix, head, client_type)
            .begin(self.answer_with, out)
    }
}

fn status(decision: &Decision<'_, '_>) -> StatusCode {
    match decision.status {
        Status::Ok => StatusCode::OK,
        Status::Unauthorized => StatusCode::UNAUTHORIZED,
        Status::Forbidden => StatusCode::FORBIDDEN,
    }
}
