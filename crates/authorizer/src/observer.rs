//! The observer of decisions.

use std::{fmt, time::Instant};

use http::{HeaderMap, HeaderValue};
use keygate_headers::KEY_ID;
use keygate_policy::{Reason, Request};

use crate::{ClientTypeSource, Malformed, Shadow, Verdict};

/// An observer of decisions. It is called on the request's path before the response, so it must be
/// fast.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Called for every decision.
    fn decided(&self, record: &Record<'_>);
}

/// A decision and its inputs, all borrowed.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// When the authorization request arrived.
    pub started: Instant,
    /// The headers of the authorization request, to correlate records. They hold secrets: never log them
    /// as a whole.
    pub headers: &'a HeaderMap,
    /// The source of the client type.
    pub client_type_source: ClientTypeSource<'a>,
    /// The reason of the decision.
    pub reason: Reason,
    /// The error in the authorization request, if it is malformed.
    pub cause: Option<&'a Malformed>,
    /// The client request, unless the authorization request is malformed.
    pub request: Option<&'a Request<'a>>,
    /// The canonical path, if the target has one.
    pub path: Option<&'a [u8]>,
    /// The label of the rule that decided.
    pub endpoint: Option<&'a str>,
    /// The decision of the shadow, if there is one.
    pub shadow: Option<Shadow<'a>>,
}

impl<'a> Record<'a> {
    /// Returns the decision of the shadow if its outcome differs.
    #[must_use]
    pub fn difference(&self) -> Option<(Shadow<'a>, Verdict)> {
        let shadow = self.shadow?;
        let verdict = shadow.verdict(self.reason);
        (verdict != Verdict::Same).then_some((shadow, verdict))
    }

    /// Returns the id of the caller's key, which the gateway forwards from the resolver.
    #[must_use]
    pub fn key_id(&self) -> Option<&'a HeaderValue> {
        match self.client_type_source {
            ClientTypeSource::Gateway => self.headers.get(KEY_ID),
            ClientTypeSource::Resolver(caller) => caller.map(|caller| caller.key_id),
        }
    }
}
