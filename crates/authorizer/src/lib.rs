//! The authorization service: evaluates the group expression of the endpoint that a request is for.
//!
//! This crate turns what a gateway says in headers into the facts of a decision, and the decision
//! into headers again. The rules themselves are `keygate-policy`'s; key material is unknown here.
//!
//! A request's way is one line: headers → [`gateway::read`] → [`keygate_policy::Policy::decide`] →
//! [`Answer`] → headers.

pub mod answer;
pub mod gateway;
pub mod router;

pub use answer::{Answer, AnswerWith};
pub use gateway::{ClientTypeFrom, HeaderNames, Malformed};
pub use router::{Authorizer, router};
