//! The authorizer: decides on a request from any transport.

mod signed;

use std::{sync::Arc, time::Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::StatusCode;
use jiff::Timestamp;
use keygate_headers::{ExpectedNames, Gateway, OtherNames, Sender};
use keygate_policy::{Login, Policy, Reason, path::CanonicalPath, policy::Matched, reason::Status};
use keygate_users::{FindUser, Lookup};

use crate::{
    AnswerWith, Cause, Counters, Decision, DecisionObserver, DecisionRecord, Endpoint, HeaderNames,
    LookUp, Malformed, Request, Shadow, login, request::Described,
};
use signed::{RequiredHandOff, Signer, reason};

/// The authorization service: the active policy and the gateways' header names.
#[derive(Debug)]
pub struct Authorizer {
    policy: ArcSwap<Snapshot>,
    shadow: ArcSwapOption<Policy>,
    without_rule: Counters,
    names: HeaderNames,
    gateway: Gateway,
    answer_with: AnswerWith,
    expected: ExpectedNames,
    users: Option<Users>,
    hand_off: Option<RequiredHandOff>,
    signer: Option<Signer>,
    observer: Option<Arc<dyn DecisionObserver>>,
}

/// A policy, and the counters of each of its rules.
#[derive(Debug)]
struct Snapshot {
    policy: Policy,
    endpoints: Vec<Endpoint>,
}

/// Who looks users up, and how long the headers with their identity may be.
#[derive(Debug)]
struct Users {
    source: Arc<dyn FindUser>,
    identity_limit: usize,
}

/// An authorization request, before its client request is known.
struct Received<'h> {
    started: Instant,
    request: &'h Request<'h>,
    gateway: Gateway,
    sender: Result<Sender, OtherNames>,
}

/// The policies that a request is decided by.
#[derive(Clone, Copy)]
struct Active<'p> {
    snapshot: &'p Snapshot,
    shadow: Option<&'p Policy>,
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
            gateway: Gateway::default(),
            answer_with,
            expected: ExpectedNames::default(),
            users: None,
            hand_off: None,
            signer: None,
            observer: None,
        }
    }

    /// Sets the gateway, which decides which headers describe a request; nginx by default.
    #[must_use]
    pub fn behind(mut self, gateway: Gateway) -> Self {
        self.gateway = gateway;
        self
    }

    /// Returns the gateway.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        self.gateway
    }

    /// Denies requests of nginx includes that were written for other names.
    #[must_use]
    pub fn expecting(mut self, names: ExpectedNames) -> Self {
        self.expected = names;
        self
    }

    /// Sets the source of users; without one, nobody is ever logged in.
    ///
    /// No header with a part of a user's identity is longer than `identity_limit` bytes: a request of a user
    /// whose identity is longer is denied.
    #[must_use]
    pub fn with_users(mut self, source: Arc<dyn FindUser>, identity_limit: usize) -> Self {
        self.users = Some(Users {
            source,
            identity_limit,
        });
        self
    }

    /// Sets the observer of all decisions.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn DecisionObserver>) -> Self {
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

    /// Returns whether there is a source of users.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.users.is_some()
    }

    /// Returns the counters of requests without a matching rule.
    #[must_use]
    pub fn without_rule(&self) -> &Counters {
        &self.without_rule
    }

    /// Decides on the client request in `request`, and reports the decision to the observer.
    ///
    /// It waits for the lookup of a user, and for nothing else: where neither the matching rule nor a
    /// shadow needs one, the decision is ready at once.
    pub async fn authorize(&self, request: &Request<'_>) -> Decision {
        match self.authorize_at_once(request) {
            Some(decision) => decision,
            // Boxed, so that requests without a lookup need no memory for one.
            None => Box::pin(self.authorize_with_user(request)).await,
        }
    }

    /// Decides as [`Authorizer::authorize`] does, without waiting; `None` if a user has to be looked up.
    #[must_use]
    pub fn authorize_at_once(&self, request: &Request<'_>) -> Option<Decision> {
        let received = self.receive(request);
        match self.describe(&received) {
            Ok(described) => self.decide_at_once(&received, &described),
            Err(malformed) => Some(self.reject(&received, &malformed)),
        }
    }

    /// Decides after the lookup of the user: for requests that [`Authorizer::authorize_at_once`] leaves open.
    pub async fn authorize_with_user(&self, request: &Request<'_>) -> Decision {
        let received = self.receive(request);
        match self.describe(&received) {
            Ok(described) => self.decide_with_user(&received, &described).await,
            Err(malformed) => self.reject(&received, &malformed),
        }
    }

    fn receive<'h>(&self, request: &'h Request<'h>) -> Received<'h> {
        let started = Instant::now();
        let gateway = request.gateway.unwrap_or(self.gateway);
        Received {
            started,
            request,
            gateway,
            sender: self.expected.sender(gateway, request.headers),
        }
    }

    /// Returns the client request, if the gateway may say what it says of the caller.
    fn describe<'h>(&self, received: &Received<'h>) -> Result<Described<'h>, Malformed> {
        received.sender?;
        let described = received.request.describe(received.gateway, &self.names)?;
        self.check_caller(received.request, &described.request)?;
        Ok(described)
    }

    /// The status of the response; always 200 if `mia-allowed` carries the decision.
    fn status(&self, received: &Received<'_>, status: Status) -> StatusCode {
        let answer_with = match (received.sender, received.request.gateway) {
            (Ok(Sender::Other), None) => self.answer_with,
            // nginx's `auth_request` only reads the status.
            (Ok(Sender::Includes) | Err(_), _) | (_, Some(_)) => AnswerWith::Status,
        };
        match (answer_with, status) {
            (AnswerWith::Header, _) | (AnswerWith::Status, Status::Ok) => StatusCode::OK,
            (AnswerWith::Status, Status::Unauthorized) => StatusCode::UNAUTHORIZED,
            (AnswerWith::Status, Status::Forbidden) => StatusCode::FORBIDDEN,
            (AnswerWith::Status, Status::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn reject(&self, received: &Received<'_>, malformed: &Malformed) -> Decision {
        self.without_rule.count(Reason::MalformedRequest);
        self.report(&DecisionRecord {
            cause: Some(Cause::Malformed(malformed)),
            ..received.record()
        });
        Decision {
            status: self.status(received, Status::Forbidden),
            reason: Reason::MalformedRequest,
            endpoint: None,
            client_type: None,
            shown: None,
        }
    }

    /// Decides without a user; `None` if one has to be looked up.
    fn decide_at_once(
        &self,
        received: &Received<'_>,
        described: &Described<'_>,
    ) -> Option<Decision> {
        let (snapshot, shadow) = (self.policy.load(), self.shadow.load());
        let active = Active {
            snapshot: &snapshot,
            shadow: shadow.as_deref(),
        };
        let request = &described.request;
        let matched = snapshot.policy.matched(request);
        let needs_user = self.users.is_some() && active.need_user(request, &matched);
        (!needs_user).then(|| self.finish(received, described, active, &matched, None))
    }

    /// Decides after the lookup of the user, by the policy that was active before it.
    async fn decide_with_user(
        &self,
        received: &Received<'_>,
        described: &Described<'_>,
    ) -> Decision {
        let (snapshot, shadow) = (self.policy.load_full(), self.shadow.load_full());
        let active = Active {
            snapshot: &snapshot,
            shadow: shadow.as_deref(),
        };
        let request = &described.request;
        let matched = snapshot.policy.matched(request);
        let look_up = match &self.users {
            Some(users) => Some(users.look_up(received, request).await),
            None => None,
        };
        self.finish(received, described, active, &matched, look_up.as_ref())
    }

    /// Judges a request whose user is known, counts and reports the decision.
    fn finish(
        &self,
        received: &Received<'_>,
        described: &Described<'_>,
        active: Active<'_>,
        matched: &Matched<'_, '_>,
        look_up: Option<&LookUp>,
    ) -> Decision {
        let request = &described.request;
        let login = look_up.map_or(Login::Nobody, |look_up| login::of(&look_up.outcome));
        // Without a lookup nothing is needed, and `needs` would cost time.
        let needs = look_up.map(|_| matched.needs()).unwrap_or_default();
        let (mut decision, user) = match login.for_decision(needs.user) {
            Ok(user) => (matched.judge(user), user),
            Err(reason) => (matched.deny(reason), None),
        };
        let (mut shown, mut unfit) = (None, None);
        if decision.is_allowed() {
            match self.shown(received.request, request, user) {
                Ok(it) => shown = it,
                Err(error) => {
                    decision.deny(reason(&error));
                    unfit = Some(error);
                }
            }
        }
        let endpoint = decision
            .rule
            .and_then(|rule| active.snapshot.endpoints.get(rule.index()));
        let counters = endpoint.map_or(&self.without_rule, Endpoint::counters);
        counters.count(decision.reason);
        let shadow = match active.shadow {
            Some(shadow) => Some(Shadow::of_policy(&shadow.matched(request), login)),
            None => Shadow::of_rule(request, decision.rule, login, needs),
        };
        if let Some(shadow) = &shadow {
            counters.count_shadow(shadow.verdict(decision.reason));
        }
        let path = matched.path_of(&decision).map(CanonicalPath::as_bytes);
        let others = match path {
            Some(path) if decision.reason == Reason::MethodNotAllowed => {
                active.snapshot.policy.rules_for_any_method(request, path)
            }
            _ => Vec::new(),
        };
        let other_methods = (!others.is_empty()).then_some(Cause::OtherMethods(&others));
        self.report(&DecisionRecord {
            reason: decision.reason,
            cause: unfit.as_ref().map(Cause::Identity).or(other_methods),
            request: Some(&request.with_user(user)),
            path,
            endpoint: endpoint.map(Endpoint::label),
            look_up,
            identity: shown.as_ref().and_then(|it| it.identity.as_ref()),
            shadow,
            ..received.record()
        });
        Decision {
            status: self.status(received, decision.status),
            reason: decision.reason,
            endpoint: endpoint.and_then(Endpoint::header),
            client_type: described.client_type.cloned(),
            shown,
        }
    }

    fn report(&self, record: &DecisionRecord<'_>) {
        if let Some(observer) = &self.observer {
            observer.decided(record);
        }
    }
}

impl Users {
    async fn look_up(
        &self,
        received: &Received<'_>,
        request: &keygate_policy::Request<'_>,
    ) -> LookUp {
        let started = Instant::now();
        let outcome = self.source.find(Lookup {
            headers: received.request.headers,
            peer: received.request.peer,
            is_backoffice: request.facts.is_backoffice,
            now: Timestamp::now(),
        });
        LookUp {
            outcome: outcome.await,
            took: started.elapsed(),
        }
    }
}

impl<'h> Received<'h> {
    /// The record of a malformed request, which a decision completes.
    fn record(&self) -> DecisionRecord<'h> {
        DecisionRecord {
            started: self.started,
            headers: self.request.headers,
            client_type_source: self.request.client_type,
            reason: Reason::MalformedRequest,
            cause: None,
            request: None,
            path: None,
            endpoint: None,
            look_up: None,
            identity: None,
            shadow: None,
        }
    }
}

impl Active<'_> {
    /// Whether the decision, or that of a shadow, depends on the user.
    fn need_user(&self, request: &keygate_policy::Request<'_>, matched: &Matched<'_, '_>) -> bool {
        let needs = matched.needs();
        let by_shadow = match self.shadow {
            Some(shadow) => shadow.matched(request).needs().user,
            None => needs.shadow_user,
        };
        needs.user || by_shadow
    }
}
