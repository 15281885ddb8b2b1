//! Who is told of every decision.

use std::{fmt, time::Instant};

use http::{HeaderMap, HeaderValue};
use keygate_headers::KEY_ID;
use keygate_policy::{Reason, Request};

use crate::{ClientTypeSource, Malformed, Shadow, Verdict};

/// Somebody who is told of every decision before it is answered, on the way of the request: to be
/// quick is the observer's duty.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request was decided.
    fn decided(&self, record: &Record<'_>);
}

/// One decision and what it was made on; it borrows all of it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// When the question came.
    pub started: Instant,
    /// The headers of the question, for what ties it to other records. They hold secrets: never to
    /// be written as a whole.
    pub headers: &'a HeaderMap,
    /// Where the client type is known from.
    pub client_type_source: ClientTypeSource<'a>,
    /// Why.
    pub reason: Reason,
    /// What is wrong with the question, where it cannot be read.
    pub cause: Option<&'a Malformed>,
    /// The request, where the question can be read.
    pub request: Option<&'a Request<'a>>,
    /// The canonical path, where there is a single one.
    pub path: Option<&'a [u8]>,
    /// The label of the rule that decided.
    pub endpoint: Option<&'a str>,
    /// What a shadow would have answered, where there is one.
    pub shadow: Option<Shadow<'a>>,
}

impl<'a> Record<'a> {
    /// What a shadow would have answered, where that is another outcome.
    #[must_use]
    pub fn difference(&self) -> Option<(Shadow<'a>, Verdict)> {
        let shadow = self.shadow?;
        let verdict = shadow.verdict(self.reason);
        (verdict != Verdict::Same).then_some((shadow, verdict))
    }

    /// The id of the caller's key, as the gateway passes it on from the resolver.
    #[must_use]
    pub fn key_id(&self) -> Option<&'a HeaderValue> {
        match self.client_type_source {
            ClientTypeSource::Gateway => self.headers.get(KEY_ID),
            ClientTypeSource::Resolver(caller) => caller.map(|caller| caller.key_id),
        }
    }
}
