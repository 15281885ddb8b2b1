//! The authorization service: evaluates the group expression of the endpoint that a request is for.
//!
//! This crate turns what a gateway says in headers into the facts of a decision, and the decision
//! into headers again. The rules themselves are `keygate-policy`'s; key material is unknown here.
//!
//! A request's way is one line: headers → [`gateway::read`] → [`keygate_policy::Policy::decide`] →
//! [`Answer`] → headers.

pub mod answer;
#[cfg(test)]
mod asking;
pub mod endpoint;
pub mod gateway;
pub mod observer;
pub mod service;
pub mod shadow;

pub use answer::{Answer, AnswerWith};
pub use endpoint::{Counters, Endpoint};
pub use gateway::{Caller, ClientTypeFrom, HeaderNames, Malformed};
pub use observer::{Observer, Record};
pub use service::Authorizer;
pub use shadow::{Shadow, Verdict};
