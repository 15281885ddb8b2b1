//! Checks: the steps that the services take for one check request.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock},
    time::Instant,
};

use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode};
use keygate_authorizer::{Authorizer, Caller, ClientTypeSource, Decision};
use keygate_headers::{Gateway, KEY_ID, REASON};
use keygate_policy::Reason;
use keygate_resolver::{Identity, Presence, Resolver};
use keygate_telemetry::{decisions::Decisions, entry, limit::PerSecond};
use keygate_users::peers::Peer;
use tonic::{Request, Response, Status};

use crate::{
    ClientRequest, Forwarded, Names, Unreadable,
    response::{Metadata, allowed, denied},
};

/// The most log lines per second about check requests that cannot be read.
const REPORTS_PER_SECOND: u16 = 10;

/// The services that a process has.
#[derive(Debug, Clone)]
pub enum Steps {
    /// The resolver: the filter before the authorizer's.
    Resolve(Arc<Resolver>),
    /// The authorizer, after the resolver's filter.
    Authorize(Arc<Authorizer>),
    /// Both in one filter.
    Both(Arc<Resolver>, Arc<Authorizer>),
}

/// Responds to Envoy's check requests.
#[derive(Debug, Clone)]
pub struct Checks {
    steps: Steps,
    names: Names,
    decisions: Option<Arc<Decisions>>,
}

/// The result of a step: what it adds to the request and its metadata, or the denial.
type Step<T> = Result<T, Box<CheckResponse>>;

impl Checks {
    /// Returns checks by these services, with the names of headers and cookies of the settings.
    #[must_use]
    pub fn new(steps: Steps, names: Names) -> Self {
        Self {
            steps,
            names,
            decisions: None,
        }
    }

    /// Sets the record of decisions, which counts check requests that cannot be read.
    #[must_use]
    pub fn counted_by(mut self, decisions: Arc<Decisions>) -> Self {
        self.decisions = Some(decisions);
        self
    }

    /// Decides on one check request.
    ///
    /// # Errors
    /// None: a request that cannot be read is denied.
    pub async fn respond(&self, check: CheckRequest, peer: Option<Peer>) -> CheckResponse {
        match ClientRequest::read(check, &self.names.client_address) {
            Ok(request) => self
                .decide(&request, peer)
                .await
                .unwrap_or_else(|denied| *denied),
            Err(unreadable) => {
                self.report_unreadable(&unreadable);
                malformed()
            }
        }
    }

    /// Responds to a call of the gRPC method `Check`.
    ///
    /// # Errors
    /// None: a panic is a denial too.
    pub async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let peer = request.extensions().get().copied();
        let response = self.respond(request.into_inner(), peer);
        let response = AssertUnwindSafe(response).catch_unwind().await;
        Ok(Response::new(response.unwrap_or_else(|_| panicked())))
    }

    /// Counts and logs why a check request is denied, with the number of lines that were suppressed so far.
    fn report_unreadable(&self, unreadable: &Unreadable) {
        static REPORTS: LazyLock<PerSecond> = LazyLock::new(|| PerSecond::new(REPORTS_PER_SECOND));
        if let Some(decisions) = self
            .decisions
            .as_ref()
            .filter(|_| !unreadable.is_of_caller())
        {
            decisions.count_gateway_error(match self.steps {
                Steps::Resolve(_) => entry::Step::Resolve,
                Steps::Authorize(_) | Steps::Both(..) => entry::Step::Authorize,
            });
        }
        if REPORTS.admits(Instant::now()) {
            tracing::warn!(
                target: "keygate::grpc",
                suppressed = REPORTS.dropped(),
                "denied a malformed check request: {unreadable}"
            );
        }
    }

    async fn decide(&self, request: &ClientRequest, peer: Option<Peer>) -> Step<CheckResponse> {
        let mut forwarded = Forwarded::default();
        let metadata = match &self.steps {
            Steps::Resolve(resolver) => {
                let identity = self.resolve(resolver, request, &mut forwarded)?;
                let reason = if identity.is_some() { "ok" } else { "no-key" };
                known(identity.as_ref()).with("reason", reason.as_bytes())
            }
            Steps::Authorize(authorizer) => {
                let source = ClientTypeSource::Gateway;
                let decision = self
                    .authorize(authorizer, request, source, peer, &mut forwarded)
                    .await?;
                let key_id = request.headers.get(KEY_ID);
                of_decision(&decision, key_id)
            }
            Steps::Both(resolver, authorizer) => {
                let identity = self.resolve(resolver, request, &mut forwarded)?;
                let caller = identity.as_ref().map(|identity| Caller {
                    client_type: &identity.client_type,
                    key_id: &identity.key_id,
                });
                let source = ClientTypeSource::Resolver(caller);
                let decision = self
                    .authorize(authorizer, request, source, peer, &mut forwarded)
                    .await?;
                of_decision(&decision, identity.as_ref().map(|it| &it.key_id))
            }
        };
        Ok(allowed(&forwarded, metadata))
    }

    fn resolve(
        &self,
        resolver: &Resolver,
        request: &ClientRequest,
        forwarded: &mut Forwarded,
    ) -> Step<Option<Identity>> {
        let decision = resolver.resolve(&keygate_resolver::Request {
            presence: Presence::Optional,
            method: &request.method,
            target: Some(&request.target),
            headers: &request.headers,
            gateway: Some(Gateway::Envoy),
        });
        if !decision.status.is_success() {
            let (status, reason) = (decision.status, decision.reason.as_str());
            let metadata = Metadata::default().with("reason", reason.as_bytes());
            let mut headers = request.headers.clone();
            Gateway::Envoy.clear(&mut headers);
            decision.write(&mut headers);
            return Err(denied(status, reason, headers, metadata).into());
        }
        // An authorizer in this process needs no signature.
        let hand_off = match self.steps {
            Steps::Resolve(_) => resolver.hand_off(&decision),
            Steps::Authorize(_) | Steps::Both(..) => None,
        };
        let identity = decision.identity;
        let headers = &request.headers;
        let without_key = resolver
            .without_key(Gateway::Envoy, Some(&request.target), headers)
            .unwrap_or_default();
        let (owner, hand_off) = (identity.as_ref(), hand_off.as_ref());
        forwarded.resolved(headers, &self.names, owner, hand_off, without_key);
        Ok(identity)
    }

    async fn authorize(
        &self,
        authorizer: &Authorizer,
        request: &ClientRequest,
        client_type: ClientTypeSource<'_>,
        peer: Option<Peer>,
        forwarded: &mut Forwarded,
    ) -> Step<Decision> {
        let received = keygate_authorizer::Request {
            method: &request.method,
            target: Some(&request.target),
            headers: &request.headers,
            client_type,
            peer,
            gateway: Some(Gateway::Envoy),
        };
        let decision = authorizer.authorize(&received).await;
        if decision.reason == Reason::Ok {
            forwarded.decided(&request.headers, &self.names, &decision);
            return Ok(decision);
        }
        let key_id = match client_type {
            ClientTypeSource::Gateway => request.headers.get(KEY_ID),
            ClientTypeSource::Resolver(caller) => caller.map(|caller| caller.key_id),
        };
        let metadata = of_decision(&decision, key_id);
        let (status, reason) = (decision.status, decision.reason.as_str());
        let mut headers = request.headers.clone();
        Gateway::Envoy.clear(&mut headers);
        decision.write(&mut headers);
        Err(denied(status, reason, headers, metadata).into())
    }
}

fn known(identity: Option<&Identity>) -> Metadata {
    Metadata::default()
        .with("client_type", identity.map(|it| it.client_type.as_bytes()))
        .with("key_id", identity.map(|it| it.key_id.as_bytes()))
}

fn of_decision(decision: &Decision, key_id: Option<&HeaderValue>) -> Metadata {
    let bytes = HeaderValue::as_bytes;
    Metadata::default()
        .with("client_type", decision.client_type.as_ref().map(bytes))
        .with("key_id", key_id.map(bytes))
        .with("endpoint", decision.endpoint.as_ref().map(bytes))
        .with("reason", decision.reason.as_str().as_bytes())
}

fn malformed() -> CheckResponse {
    without_decision(StatusCode::FORBIDDEN, Reason::MalformedRequest.as_str())
}

fn panicked() -> CheckResponse {
    tracing::error!(
        target: "keygate::grpc",
        "panic while handling a request, which gets status 500: please report this as a bug"
    );
    without_decision(StatusCode::INTERNAL_SERVER_ERROR, "internal-error")
}

fn without_decision(status: StatusCode, reason: &'static str) -> CheckResponse {
    let mut headers = HeaderMap::new();
    headers.insert(REASON, HeaderValue::from_static(reason));
    let metadata = Metadata::default().with("reason", reason.as_bytes());
    denied(status, reason, headers, metadata)
}
