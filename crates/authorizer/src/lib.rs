//! The authorization service: evaluates the group expression of the endpoint that a request is for.
//!
//! This crate turns the headers of a gateway into the facts of a decision, and the decision into
//! headers again. The rules themselves are `keygate-policy`'s; key material is unknown here.
//!
//! A request takes these steps: [`Request`] → [`Request::describe`] → [`keygate_policy::Policy::matched`] → the
//! lookup of its user, if the rule needs one → [`Decision`] → response headers. [`Authorizer::authorize`] takes
//! them on any transport; [`router()`] is the transport for gateways that speak HTTP.

pub mod endpoint;
mod login;
pub mod observer;
pub mod request;
pub mod response;
pub mod router;
pub mod service;
pub mod shadow;

pub use endpoint::{Counters, Endpoint};
pub use observer::{Cause, DecisionObserver, DecisionRecord, LookUp};
pub use request::{Caller, ClientTypeSource, HeaderNames, Malformed, Request};
pub use response::{AnswerWith, Decision};
pub use router::router;
pub use service::Authorizer;
pub use shadow::{Shadow, Verdict};
