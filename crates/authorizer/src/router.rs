//! The authorization service's HTTP side: the route that a gateway calls.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use keygate_policy::{Decision, Facts, Policy, Reason, decision::Status};

use crate::{Answer, AnswerWith, ClientTypeFrom, HeaderNames, Malformed, gateway};

/// The authorization service: the policy in force, and how gateways ask.
#[derive(Debug)]
pub struct Authorizer {
    policy: ArcSwap<Snapshot>,
    names: HeaderNames,
    answer_with: AnswerWith,
}

/// A policy with its rules' labels ready for response headers.
#[derive(Debug)]
struct Snapshot {
    policy: Policy,
    labels: Vec<Option<HeaderValue>>,
}

impl Snapshot {
    fn new(policy: Policy) -> Self {
        let label = |rule: &keygate_policy::policy::Rule| HeaderValue::from_str(rule.label()).ok();
        let labels = policy.rules().iter().map(label).collect();
        Self { policy, labels }
    }
}

impl Authorizer {
    /// An authorization service with this policy in force.
    #[must_use]
    pub fn new(policy: Policy, names: HeaderNames, answer_with: AnswerWith) -> Self {
        Self {
            policy: ArcSwap::from_pointee(Snapshot::new(policy)),
            names,
            answer_with,
        }
    }

    /// Puts another policy in force, whole: a request is decided by the old one or the new one.
    pub fn replace_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(Snapshot::new(policy)));
    }

    /// Decides the request that the question is about, and logs the decision.
    #[must_use]
    pub fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        prefix: &str,
        client_type: ClientTypeFrom<'_>,
    ) -> Answer {
        match gateway::read(method, uri, headers, prefix, client_type, &self.names) {
            Ok(request) => {
                let snapshot = self.policy.load();
                let decision = snapshot.policy.decide(&request);
                log(request.method, &request.facts, &decision);
                Answer {
                    status: status(&decision),
                    reason: decision.reason,
                    endpoint: decision
                        .rule
                        .and_then(|rule| snapshot.labels.get(rule.index())?.clone()),
                    client_type: match client_type {
                        ClientTypeFrom::Gateway => headers.get(&self.names.client_type),
                        ClientTypeFrom::Resolver(value) => value,
                    }
                    .filter(|value| !value.is_empty())
                    .cloned(),
                }
            }
            Err(malformed) => {
                log_malformed(&malformed);
                Answer {
                    status: StatusCode::FORBIDDEN,
                    reason: Reason::MalformedRequest,
                    endpoint: None,
                    client_type: None,
                }
            }
        }
    }

    /// [`Authorizer::answer`] as the response that the settings ask for.
    #[must_use]
    pub fn respond(
        &self,
        request: &Request,
        prefix: &str,
        client_type: ClientTypeFrom<'_>,
    ) -> Response {
        self.answer(
            request.method(),
            request.uri(),
            request.headers(),
            prefix,
            client_type,
        )
        .into_response(self.answer_with)
    }
}

/// The routes of the data listener: `/auth` and everything below it, by any method. Anything else
/// is 404, so that a wrong gateway setting is not taken for a decision.
pub fn router(authorizer: Arc<Authorizer>) -> Router {
    Router::new()
        .route("/auth", any(authorize))
        .route("/auth/{*rest}", any(authorize))
        .with_state(authorizer)
}

async fn authorize(State(authorizer): State<Arc<Authorizer>>, request: Request) -> Response {
    authorizer.respond(&request, "/auth", ClientTypeFrom::Gateway)
}

/// One line a decision: denials at `info`, the rest at `debug`. The query is never in it.
fn log(method: &str, facts: &Facts<'_>, decision: &Decision<'_, '_>) {
    let reason = decision.reason.as_str();
    let path = decision
        .path
        .as_ref()
        .map(|path| tracing::field::display(path.as_bytes().escape_ascii()));
    let endpoint = decision.rule.map(keygate_policy::policy::Rule::label);
    let client_type = facts.client_type;
    if decision.is_allowed() {
        tracing::debug!(
            target: "keygate::decision",
            step = "authorize", allowed = true, reason, method, path, endpoint, client_type,
        );
    } else {
        tracing::info!(
            target: "keygate::decision",
            step = "authorize", allowed = false, reason, method, path, endpoint, client_type,
        );
    }
}

fn log_malformed(malformed: &Malformed) {
    tracing::warn!(
        target: "keygate::decision",
        step = "authorize", allowed = false, reason = Reason::MalformedRequest.as_str(),
        cause = %malformed,
    );
}

fn status(decision: &Decision<'_, '_>) -> StatusCode {
    match decision.status {
        Status::Ok => StatusCode::OK,
        Status::Unauthorized => StatusCode::UNAUTHORIZED,
        Status::Forbidden => StatusCode::FORBIDDEN,
    }
}
