//! The resolver: decides on a request from any transport.

use std::{sync::Arc, time::Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use keygate_headers::{ExpectedNames, Gateway, HandOff, hand_off::HandedOff};
use keygate_keys::KeyTable;

use crate::{
    Credential, CredentialNames, Decision, FailedKeys, Identity, Refusal, Request, Resolution,
    ResolutionObserver, ResolutionReason, ResolutionRecord, WithoutKey, failed_keys::FailedAttempt,
};

/// The resolver: the active keys, and the names of their headers.
#[derive(Debug)]
pub struct Resolver {
    keys: ArcSwap<KeyTable>,
    names: CredentialNames,
    gateway: Gateway,
    rejected_key_status: RejectedKeyStatus,
    failed_keys: FailedKeys,
    expected: ExpectedNames,
    hand_off: ArcSwapOption<HandOff>,
    observer: Option<Arc<dyn ResolutionObserver>>,
}

/// The status of the response to a request with an invalid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RejectedKeyStatus {
    /// 401, by RFC 9110.
    #[default]
    Unauthorized,
    /// 403, as Mia-Platform's Envoy gateway responds.
    Forbidden,
}

impl Resolver {
    /// Returns a resolver with these active keys.
    #[must_use]
    pub fn new(
        keys: KeyTable,
        names: CredentialNames,
        rejected_key_status: RejectedKeyStatus,
    ) -> Self {
        Self {
            keys: ArcSwap::from_pointee(keys),
            names,
            gateway: Gateway::default(),
            rejected_key_status,
            failed_keys: FailedKeys::default(),
            expected: ExpectedNames::default(),
            hand_off: ArcSwapOption::empty(),
            observer: None,
        }
    }

    /// Sets the gateway, which decides which headers are its own; nginx by default.
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

    /// Sets the counter and limit of failed attempts.
    #[must_use]
    pub fn with_failed_keys(mut self, failed_keys: FailedKeys) -> Self {
        self.failed_keys = failed_keys;
        self
    }

    /// Denies requests of nginx includes that were written for other names.
    #[must_use]
    pub fn expecting(mut self, names: ExpectedNames) -> Self {
        self.expected = names;
        self
    }

    /// Sets the observer of all resolutions.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn ResolutionObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Replaces the active keys atomically: each request uses one of the two tables.
    ///
    /// The times of last use are copied before the replacement, so that they never seem lost, and again
    /// after it, for uses in between.
    pub fn replace_keys(&self, keys: KeyTable) {
        let keys = Arc::new(keys);
        keys.copy_uses(&self.keys.load());
        let former = self.keys.swap(Arc::clone(&keys));
        keys.copy_uses(&former);
    }

    /// Replaces the secret that signs client types for the authorizer; without one, nothing is signed.
    pub fn replace_hand_off(&self, secret: HandOff) {
        self.hand_off.store(Some(Arc::new(secret)));
    }

    /// Returns the signature of the client type for the authorizer, if there is a secret and a valid key.
    ///
    /// An authorizer in the same process needs none.
    #[must_use]
    pub fn hand_off(&self, decision: &Decision) -> Option<HeaderValue> {
        let identity = decision.identity.as_ref()?;
        let secret = self.hand_off.load();
        let caller = HandedOff {
            client_type: identity.client_type.as_bytes(),
            key_id: identity.key_id.as_bytes(),
        };
        Some(secret.as_ref()?.sign(caller, Timestamp::now().as_second()))
    }

    /// Returns what the backend of an allowed request gets in place of headers that may carry a key.
    ///
    /// It is nothing behind nginx, whose includes remove the key.
    #[must_use]
    pub fn without_key(
        &self,
        gateway: Gateway,
        target: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<WithoutKey> {
        let gateway = match (gateway, target) {
            // Envoy, if nobody has set `gateway`: nginx's target is not in the path.
            (Gateway::Nginx, Some(_)) => Gateway::Envoy,
            _ => gateway,
        };
        gateway
            .copies_headers()
            .then(|| WithoutKey::of(gateway, headers, &self.names))
    }

    /// Returns the active keys.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyTable> {
        self.keys.load_full()
    }

    /// Decides on one request and reports it to the observer.
    ///
    /// A success without a next step ends nginx's `auth_request` as allowed. So a request with several
    /// different next steps is denied.
    #[must_use]
    pub fn resolve(&self, request: &Request<'_>) -> Decision {
        let (started, now) = (Instant::now(), Timestamp::now());
        let headers = request.headers;
        let gateway = request.gateway.unwrap_or(self.gateway);
        if self.expected.sender(gateway, headers).is_err() {
            let refusal = Resolution::Refused(Refusal::OtherNames);
            return self.conclude(started, request, refusal, None);
        }
        let Ok(next_step) = request.next_step(gateway) else {
            let refusal = Resolution::Refused(Refusal::SeveralNextSteps);
            return self.conclude(started, request, refusal, None);
        };
        let keys = self.keys.load();
        let credential = Credential::read(headers, &self.names);
        let resolution = match credential {
            Credential::One(_) if self.failed_keys.is_over(headers, now) => {
                Resolution::Refused(Refusal::TooManyFailures)
            }
            _ => Resolution::of(credential, request.presence, &keys, now),
        };
        let attempt = self
            .failed_keys
            .notice(headers, credential, &resolution, now);
        let decision = self.conclude(started, request, resolution, attempt);
        Decision {
            next_step: next_step
                .filter(|_| decision.status == StatusCode::OK)
                .cloned(),
            ..decision
        }
    }

    fn conclude(
        &self,
        started: Instant,
        request: &Request<'_>,
        resolution: Resolution<'_>,
        attempt: Option<FailedAttempt>,
    ) -> Decision {
        let reason = resolution.reason();
        let status = self.status(reason);
        if let Some(observer) = &self.observer {
            let headers = request.headers;
            observer.resolved(&ResolutionRecord {
                started,
                request,
                gateway: request.gateway.unwrap_or(self.gateway),
                resolution,
                status,
                address: match resolution {
                    Resolution::Refused(_) => self.failed_keys.address(headers),
                    Resolution::Known(_) | Resolution::Anonymous => None,
                },
                attempt,
            });
        }
        Decision {
            status,
            reason,
            identity: match resolution {
                Resolution::Known(key) => Some(Identity::of(key)),
                Resolution::Anonymous | Resolution::Refused(_) => None,
            },
            next_step: None,
        }
    }

    fn status(&self, reason: ResolutionReason) -> StatusCode {
        match (reason, self.rejected_key_status) {
            (ResolutionReason::Ok | ResolutionReason::NoKey, _) => StatusCode::OK,
            (ResolutionReason::MalformedRequest, _)
            | (ResolutionReason::UnknownKey, RejectedKeyStatus::Forbidden) => StatusCode::FORBIDDEN,
            (
                ResolutionReason::MissingKey
                | ResolutionReason::AmbiguousKey
                | ResolutionReason::UnknownKey,
                _,
            ) => StatusCode::UNAUTHORIZED,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use axum::body::Body;
    use http::HeaderName;
    use tower::ServiceExt;

    use super::*;
    use keygate_keys::{Digest, Key};

    use crate::{Presence, request::tests::headers, router};

    fn decide(resolver: &Resolver, presence: Presence, lines: &[(&str, &str)]) -> ResolutionReason {
        let headers = &headers(lines);
        let gateway = None;
        let request = Request {
            method: &http::Method::GET,
            target: None,
            presence,
            headers,
            gateway,
        };
        resolver.resolve(&request).reason
    }

    fn key(id: &str, client_type: &str) -> Key {
        Key {
            id: id.parse().unwrap(),
            client_type: client_type.parse().unwrap(),
            digest: Digest::sha256(id.as_bytes()),
            active: true,
            not_before: None,
            expires_at: None,
        }
    }

    fn resolver(rejected_key_status: RejectedKeyStatus) -> Arc<Resolver> {
        let past = Some(Timestamp::UNIX_EPOCH);
        let future = Some(Timestamp::MAX);
        let keys = vec![
            key("good", "A"),
            Key {
                active: false,
                ..key("off", "A")
            },
            Key {
                expires_at: past,
                ..key("old", "A")
            },
            Key {
                not_before: future,
                ..key("new", "A")
            },
        ];
        let table = KeyTable::new(keys, None).unwrap();
        Arc::new(Resolver::new(
            table,
            CredentialNames::default(),
            rejected_key_status,
        ))
    }

    /// The response of the service over HTTP.
    fn respond(
        status: RejectedKeyStatus,
        path: &str,
        lines: &[(&str, &str)],
    ) -> http::Response<()> {
        respond_with(&resolver(status), path, lines)
    }

    fn respond_with(
        resolver: &Arc<Resolver>,
        path: &str,
        lines: &[(&str, &str)],
    ) -> http::Response<()> {
        let mut request = http::Request::get(path).body(Body::empty()).unwrap();
        *request.headers_mut() = headers(lines);
        let responding = pin!(router(Arc::clone(resolver)).oneshot(request));
        match responding.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => response.unwrap().map(drop),
            Poll::Pending => panic!("a decision waits for nothing"),
        }
    }

    fn header<'r>(response: &'r http::Response<()>, name: &str) -> Option<&'r str> {
        response.headers().get(name).map(|it| it.to_str().unwrap())
    }

    #[rstest]
    #[case("/resolve", &[], 200, "no-key")]
    #[case("/require", &[], 401, "missing-key")]
    #[case("/resolve/orders/1", &[], 200, "no-key")]
    #[case("/require/orders/1", &[("secret", "good")], 200, "ok")]
    #[case("/resolve", &[("client-key", "good")], 200, "ok")]
    #[case("/resolve", &[("cookie", "a=b; mia_client_key=good")], 200, "ok")]
    #[case("/resolve", &[("client-key", "good"), ("secret", "bad")], 401, "ambiguous-key")]
    #[case("/resolve", &[("client-key", "bad")], 401, "unknown-key")]
    #[case("/resolve", &[("client-key", "")], 401, "unknown-key")]
    #[case("/resolve", &[("client-key", "off")], 401, "unknown-key")]
    #[case("/resolve", &[("client-key", "old")], 401, "unknown-key")]
    #[case("/resolve", &[("client-key", "new")], 401, "unknown-key")]
    fn a_decision_has_its_status_and_headers(
        #[case] path: &str,
        #[case] lines: &[(&str, &str)],
        #[case] status: u16,
        #[case] reason: &str,
    ) {
        let response = respond(RejectedKeyStatus::Unauthorized, path, lines);
        let header = |name| header(&response, name);
        assert_eq!(response.status(), status);
        assert_eq!(header("x-keygate-reason"), Some(reason));
        assert_eq!(header("www-authenticate").is_some(), status == 401);
        assert_eq!(header("client-type"), (reason == "ok").then_some("A"));
        assert_eq!(
            header("x-keygate-key-id"),
            (reason == "ok").then_some("good")
        );
    }

    #[test]
    fn a_valid_key_is_signed_where_there_is_a_secret() {
        let resolver = resolver(RejectedKeyStatus::Unauthorized);
        let respond = |lines: &[_]| respond_with(&resolver, "/resolve", lines);
        let (good, bad) = (("client-key", "good"), ("client-key", "bad"));
        let name = "x-keygate-handoff";
        assert_eq!(header(&respond(&[good]), name), None);

        let secret = HandOff::parse("0123456789abcdef0123456789abcdef").unwrap();
        resolver.replace_hand_off(secret.clone());
        let response = respond(&[good, (name, "of the caller")]);
        let caller = HandedOff {
            client_type: b"A",
            key_id: b"good",
        };
        let now = Timestamp::now().as_second();
        assert_eq!(secret.verify(response.headers(), caller, now), Ok(()));
        assert_eq!(header(&respond(&[]), name), None);
        assert_eq!(header(&respond(&[bad]), name), None);
    }

    #[test]
    fn only_a_rejected_key_can_be_403() {
        let forbidden = RejectedKeyStatus::Forbidden;
        let rejected = respond(forbidden, "/resolve", &[("client-key", "bad")]);
        assert_eq!(rejected.status(), 403);
        assert_eq!(header(&rejected, "www-authenticate"), None);
        assert_eq!(respond(forbidden, "/require", &[]).status(), 401);
    }

    #[test]
    fn only_a_success_continues_to_the_next_step() {
        let next = ("x-keygate-next", "@keygate_authorizer");
        let step = |lines: &[_]| {
            let response = respond(RejectedKeyStatus::Unauthorized, "/resolve", lines);
            let next = header(&response, "x-accel-redirect").map(str::to_owned);
            (response.status().as_u16(), next)
        };
        let (good, bad) = (("client-key", "good"), ("client-key", "bad"));
        assert_eq!(step(&[next, good]), (200, Some(next.1.to_owned())));
        assert_eq!(step(&[next, next, good]), (200, Some(next.1.to_owned())));
        assert_eq!(step(&[next, bad]), (401, None));
        let other = ("x-keygate-next", "@elsewhere");
        assert_eq!(step(&[next, other, good]), (403, None));
    }

    #[rstest]
    #[case("/")]
    #[case("/resolver")]
    #[case("/Resolve")]
    #[case("//resolve")]
    #[case("/-/healthz")]
    #[case("/metrics")]
    fn unknown_paths_get_404(#[case] path: &str) {
        let response = respond(
            RejectedKeyStatus::Unauthorized,
            path,
            &[("client-key", "good")],
        );
        assert_eq!(response.status(), 404);
    }

    #[rstest]
    #[case("/resolve")]
    #[case("/resolve?a=1")]
    #[case("/resolve/")]
    #[case("/resolve//a/%zz?b")]
    fn a_path_and_everything_below_it_are_served(#[case] path: &str) {
        let response = respond(RejectedKeyStatus::Unauthorized, path, &[]);
        assert_eq!(response.status(), 200);
    }

    #[test]
    fn an_address_over_the_failed_key_limit_is_rejected() {
        let failed_keys = FailedKeys::by(HeaderName::from_static("x-address"))
            .limited(std::num::NonZeroU32::new(2));
        let resolver = Arc::into_inner(resolver(RejectedKeyStatus::Unauthorized))
            .unwrap()
            .with_failed_keys(failed_keys);
        let resolve = |address: &'static str, key: &'static str| {
            let lines = [("x-address", address), ("client-key", key)];
            decide(&resolver, Presence::Optional, &lines)
        };
        // A known key is not a failed attempt.
        for _ in 0..5 {
            assert_eq!(resolve("192.0.2.1", "off"), ResolutionReason::UnknownKey);
            assert_eq!(resolve("192.0.2.1", "good"), ResolutionReason::Ok);
        }
        // A second round, because the minute, and with it the count, may restart in between.
        let rejected = (0..2).any(|_| {
            resolve("192.0.2.1", "bad");
            resolve("192.0.2.1", "");
            resolve("192.0.2.1", "good") == ResolutionReason::UnknownKey
        });
        assert!(rejected);
        assert_eq!(resolve("192.0.2.2", "good"), ResolutionReason::Ok);
    }

    #[test]
    fn new_keys_replace_the_old_ones_completely() {
        let resolver = resolver(RejectedKeyStatus::Unauthorized);
        let resolve = || decide(&resolver, Presence::Required, &[("client-key", "good")]);
        assert_eq!(resolve(), ResolutionReason::Ok);
        resolver.replace_keys(KeyTable::new(vec![key("other", "B")], None).unwrap());
        assert_eq!(resolve(), ResolutionReason::UnknownKey);
    }
}
