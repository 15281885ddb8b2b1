//! The observer of decisions.

use std::{
    fmt,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use keygate_headers::KEY_ID;
use keygate_policy::{Reason, Request, Rule};
use keygate_users::{Identity, Outcome, identity::Unfit};

use crate::{ClientTypeSource, Malformed, Shadow, Verdict};

/// An observer of decisions. It is called on the request's path before the response, so it must be
/// fast.
pub trait DecisionObserver: fmt::Debug + Send + Sync {
    /// Called for every decision.
    fn decided(&self, record: &DecisionRecord<'_>);
}

/// The lookup of a user.
#[derive(Debug)]
pub struct LookUp {
    /// The result.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Why a request is denied, for the log: more than the reason that the caller gets.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Cause<'a> {
    /// The authorization request is malformed.
    #[error(transparent)]
    Malformed(&'a Malformed),
    /// The user's identity does not fit into headers.
    #[error(transparent)]
    Identity(&'a Unfit),
    /// The rules of the path are for other methods.
    #[error("the rules for this path apply to other methods: {}", Labels(.0))]
    OtherMethods(&'a [&'a Rule]),
}

/// The labels of rules; of many, the first ones.
struct Labels<'a>(&'a [&'a Rule]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 4;
        for (number, rule) in self.0.iter().take(MOST).enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}`{}`", rule.label())?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Cause<'_> {
    /// Returns whether the gateway is at fault, not the caller.
    #[must_use]
    pub fn is_of_gateway(&self) -> bool {
        matches!(self, Self::Malformed(malformed) if !malformed.is_of_caller())
    }
}

/// A decision and its inputs, all borrowed.
#[derive(Clone, Copy)]
pub struct DecisionRecord<'a> {
    /// When the authorization request arrived.
    pub started: Instant,
    /// The headers of the authorization request, to correlate records. They hold secrets: never log them
    /// as a whole.
    pub headers: &'a HeaderMap,
    /// The source of the client type.
    pub client_type_source: ClientTypeSource<'a>,
    /// The reason of the decision.
    pub reason: Reason,
    /// What the reason leaves out.
    pub cause: Option<Cause<'a>>,
    /// The client request, unless the authorization request is malformed.
    pub request: Option<&'a Request<'a>>,
    /// The canonical path, if the target has one.
    pub path: Option<&'a [u8]>,
    /// The label of the rule that decided.
    pub endpoint: Option<&'a str>,
    /// The lookup of the user, if one was needed.
    pub look_up: Option<&'a LookUp>,
    /// The identity headers of an allowed request of a user.
    pub identity: Option<&'a Identity>,
    /// The decision of the shadow, if there is one.
    pub shadow: Option<Shadow<'a>>,
}

impl<'a> DecisionRecord<'a> {
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
