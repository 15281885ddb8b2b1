//! The resolver as a service: what gateways ask it, and what they are told.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use jiff::Timestamp;
use keygate_http1::{Head, Headers, Response};
use keygate_keys::{KeyRef, KeyTable};

use crate::{
    Credential, CredentialNames, Guessing, Observer, Presence, Reason, Record, Refusal, Resolution,
    guessing::Guess,
};

const CLIENT_TYPE: HeaderName = HeaderName::from_static("client-type");
const KEY_ID: HeaderName = HeaderName::from_static("x-keygate-key-id");
const REASON: HeaderName = HeaderName::from_static("x-keygate-reason");
const NEXT: HeaderName = HeaderName::from_static("x-keygate-next");
const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// RFC 9110, section 11.6.1 asks for a challenge on every 401; no registered scheme describes a
/// key in a header of its own.
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("ApiKey realm=\"keygate\"");

/// The resolver: the keys in force, and how requests carry them.
#[derive(Debug)]
pub struct Resolver {
    keys: ArcSwap<KeyTable>,
    names: CredentialNames,
    rejected_key_status: RejectedKeyStatus,
    guessing: Guessing,
    observer: Option<Arc<dyn Observer>>,
}

/// The status of the answer to a key that is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RejectedKeyStatus {
    /// 401, as RFC 9110 means it.
    #[default]
    Unauthorized,
    /// 403, as Mia-Platform's Envoy gateway answers.
    Forbidden,
}

/// What a gateway is told about one request's credential.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200, 401 or 403.
    pub status: StatusCode,
    /// Why.
    pub reason: Reason,
    /// Whose the key is, where it is good.
    pub identity: Option<Identity>,
}

/// Whose a good key is, ready for response headers.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The client type.
    pub client_type: HeaderValue,
    /// The key's name.
    pub key_id: HeaderValue,
}

impl Resolver {
    /// A resolver with these keys in force.
    #[must_use]
    pub fn new(
        keys: KeyTable,
        names: CredentialNames,
        rejected_key_status: RejectedKeyStatus,
    ) -> Self {
        Self {
            keys: ArcSwap::from_pointee(keys),
            names,
            rejected_key_status,
            guessing: Guessing::default(),
            observer: None,
        }
    }

    /// The same, with another way to deal with guesses.
    #[must_use]
    pub fn guarded_by(mut self, guessing: Guessing) -> Self {
        self.guessing = guessing;
        self
    }

    /// The same, telling somebody of every resolution.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Puts other keys in force, whole: a request sees the old ones or the new ones.
    ///
    /// When a key was last used is taken over before the swap, so that nobody sees it forgotten,
    /// and once more after it, for the uses in between.
    pub fn replace_keys(&self, keys: KeyTable) {
        let keys = Arc::new(keys);
        keys.take_over_uses(&self.keys.load());
        let former = self.keys.swap(Arc::clone(&keys));
        keys.take_over_uses(&former);
    }

    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyTable> {
        self.keys.load_full()
    }

    /// Resolves the credential that stands in `headers` and tells the observer.
    #[must_use]
    pub fn answer(&self, headers: Headers<'_>, presence: Presence) -> Answer {
        let (started, now) = (Instant::now(), Timestamp::now());
        let keys = self.keys.load();
        let credential = Credential::read(headers, &self.names);
        let resolution = match credential {
            Credential::One(_) if self.guessing.is_over(headers, now) => {
                Resolution::Refused(Refusal::TooManyFailures)
            }
            _ => Resolution::of(credential, presence, &keys, now),
        };
        let guess = self.guessing.notice(headers, credential, &resolution, now);
        self.conclude(started, headers, resolution, guess)
    }

    fn conclude(
        &self,
        started: Instant,
        headers: Headers<'_>,
        resolution: Resolution<'_>,
        guess: Option<Guess>,
    ) -> Answer {
        if let Some(observer) = &self.observer {
            observer.resolved(&Record {
                started,
                headers,
                resolution,
                status: self.status(resolution.reason()),
                guess,
            });
        }
        Answer {
            status: self.status(resolution.reason()),
            reason: resolution.reason(),
            identity: match resolution {
                Resolution::Known(key) => Some(Identity::of(key)),
                Resolution::Anonymous | Resolution::Refused(_) => None,
            },
        }
    }

    fn status(&self, reason: Reason) -> StatusCode {
        match (reason, self.rejected_key_status) {
            (Reason::Ok | Reason::NoKey, _) => StatusCode::OK,
            (Reason::MalformedRequest, _) | (Reason::UnknownKey, RejectedKeyStatus::Forbidden) => {
                StatusCode::FORBIDDEN
            }
            (Reason::MissingKey | Reason::AmbiguousKey | Reason::UnknownKey, _) => {
                StatusCode::UNAUTHORIZED
            }
        }
    }
}

impl Identity {
    /// Both values share their bytes with the key table: a copy counts a reference.
    fn of(key: KeyRef<'_>) -> Self {
        Self {
            client_type: key.client_type().header().clone(),
            key_id: key.id_header(),
        }
    }
}

impl Answer {
    /// The answer as a gateway gets it: headers alone.
    pub fn begin<'o>(&self, out: &'o mut Vec<u8>) -> Response<'o> {
        let mut response = Response::begin(out, self.status);
        response.header(&REASON, &HeaderValue::from_static(self.reason.as_str()));
        if self.status == StatusCode::UNAUTHORIZED {
            response.header(&WWW_AUTHENTICATE, &CHALLENGE);
        }
        if let Some(identity) = &self.identity {
            response.header(&CLIENT_TYPE, &identity.client_type);
            response.header(&KEY_ID, &identity.key_id);
        }
        response
    }
}

impl Resolver {
    /// What is asked: by `/resolve` and `/require` and everything below them, by any method.
    #[must_use]
    pub fn is_asked(head: &Head<'_>) -> Option<Presence> {
        if head.behind("/resolve").is_some() {
            Some(Presence::Optional)
        } else {
            head.behind("/require").map(|_| Presence::Required)
        }
    }

    /// Answers, and on success sends nginx on to the step that it names.
    ///
    /// A success without that redirect ends nginx's `auth_request` as allowed. So where it is not
    /// clear what the next step is, there is no success.
    pub fn respond<'o>(
        &self,
        headers: Headers<'_>,
        presence: Presence,
        out: &'o mut Vec<u8>,
    ) -> Response<'o> {
        let (answer, next) = if let Ok(next) = headers.single(&NEXT) {
            (self.answer(headers, presence), next)
        } else {
            let refusal = Resolution::Refused(Refusal::SeveralNextSteps);
            (self.conclude(Instant::now(), headers, refusal, None), None)
        };
        let mut response = answer.begin(out);
        if let Some(next) = next.filter(|_| answer.status == StatusCode::OK) {
            response.header(&ACCEL_REDIRECT, next);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::asking;
    use keygate_keys::{Digest, Key};

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

    /// The lines of an answer; none where the path is nobody's.
    struct Told(String);

    impl Told {
        fn status(&self) -> &str {
            self.0.get(9..12).unwrap_or_default()
        }

        fn header(&self, name: &str) -> Option<&str> {
            let mut lines = self.0.lines().filter_map(|line| line.split_once(": "));
            lines.find(|line| line.0 == name).map(|line| line.1)
        }
    }

    fn ask(status: RejectedKeyStatus, path: &str, lines: &[(&str, &str)]) -> Told {
        let mut out = Vec::new();
        asking::ask(path, lines, |head| {
            if let Some(presence) = Resolver::is_asked(head) {
                resolver(status)
                    .respond(head.headers, presence, &mut out)
                    .end();
            }
        });
        Told(String::from_utf8(out).unwrap())
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
    fn the_answer_to(
        #[case] path: &str,
        #[case] lines: &[(&str, &str)],
        #[case] status: u16,
        #[case] reason: &str,
    ) {
        let answer = ask(RejectedKeyStatus::Unauthorized, path, lines);
        let header = |name| answer.header(name);
        assert_eq!(answer.status(), status.to_string());
        assert_eq!(header("x-keygate-reason"), Some(reason));
        assert_eq!(header("content-length"), Some("0"));
        assert_eq!(header("www-authenticate").is_some(), status == 401);
        assert_eq!(header("client-type"), (reason == "ok").then_some("A"));
        assert_eq!(
            header("x-keygate-key-id"),
            (reason == "ok").then_some("good")
        );
    }

    #[test]
    fn a_rejected_key_may_be_403_and_nothing_else_is() {
        let forbidden = RejectedKeyStatus::Forbidden;
        let rejected = ask(forbidden, "/resolve", &[("client-key", "bad")]);
        assert_eq!(rejected.status(), "403");
        assert_eq!(rejected.header("www-authenticate"), None);
        assert_eq!(ask(forbidden, "/require", &[]).status(), "401");
    }

    #[test]
    fn only_a_success_goes_on_to_the_next_step() {
        let status = RejectedKeyStatus::Unauthorized;
        let next = ("x-keygate-next", "@keygate_authorizer");
        let step = |answer: &Told| answer.header("x-accel-redirect").map(str::to_owned);
        let allowed = ask(status, "/resolve", &[next, ("client-key", "good")]);
        assert_eq!(step(&allowed).as_deref(), Some("@keygate_authorizer"));
        let refused = ask(status, "/resolve", &[next, ("client-key", "bad")]);
        assert_eq!(step(&refused), None);
        let doubled = ask(status, "/resolve", &[next, next, ("client-key", "good")]);
        assert_eq!(doubled.status(), "403");
        assert_eq!(
            doubled.header("x-keygate-reason"),
            Some("malformed-request")
        );
        assert_eq!(step(&doubled), None);
    }

    #[rstest]
    #[case("/")]
    #[case("/resolver")]
    #[case("/-/healthz")]
    #[case("/metrics")]
    fn no_other_path_is_a_question(#[case] path: &str) {
        let presence = asking::ask(path, &[("client-key", "good")], Resolver::is_asked);
        assert_eq!(presence, None);
    }

    #[test]
    fn who_guesses_too_often_is_refused_whatever_comes_next() {
        let guessing = Guessing::by(HeaderName::from_static("x-address"))
            .limited(std::num::NonZeroU32::new(2));
        let resolver = Arc::into_inner(resolver(RejectedKeyStatus::Unauthorized))
            .unwrap()
            .guarded_by(guessing);
        let ask = |address: &'static str, key: &'static str| {
            let lines = [("x-address", address), ("client-key", key)];
            let answer = |head: &Head<'_>| resolver.answer(head.headers, Presence::Optional);
            asking::ask("/", &lines, answer).reason
        };
        // A key that is known is no guess.
        for _ in 0..5 {
            assert_eq!(ask("192.0.2.1", "off"), Reason::UnknownKey);
            assert_eq!(ask("192.0.2.1", "good"), Reason::Ok);
        }
        // The minute may end in between: then the count begins anew.
        let refused = (0..2).any(|_| {
            ask("192.0.2.1", "bad");
            ask("192.0.2.1", "");
            ask("192.0.2.1", "good") == Reason::UnknownKey
        });
        assert!(refused);
        assert_eq!(ask("192.0.2.2", "good"), Reason::Ok);
    }

    #[test]
    fn other_keys_take_the_place_of_the_old_ones_whole() {
        let resolver = resolver(RejectedKeyStatus::Unauthorized);
        let ask = || {
            let answer = |head: &Head<'_>| resolver.answer(head.headers, Presence::Required);
            asking::ask("/", &[("client-key", "good")], answer).reason
        };
        assert_eq!(ask(), Reason::Ok);
        resolver.replace_keys(KeyTable::new(vec![key("other", "B")], None).unwrap());
        assert_eq!(ask(), Reason::UnknownKey);
    }
}
