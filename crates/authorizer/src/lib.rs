//! The authorization service: evaluates the group expression of the endpoint that a request is for.
//!
//! This crate turns what a gateway says in headers into the facts of a decision, and the decision
//! into headers again. The rules themselves are `keygate-policy`'s; key material is unknown here.
//!
//! A request's way is one line: headers → [`gateway::read`] → [`keygate_policy::Policy::decide`] →
//! [`Answer`] → headers.

pub mod answer;
pub mod endpoint;
pub mod gateway;
pub mod observer;
pub mod router;
pub mod shadow;

pub use answer::{Answer, AnswerWith};
pub use endpoint::{Counters, Endpoint};
pub use gateway::{Caller, ClientTypeFrom, HeaderNames, Malformed};
pub use observer::{Observer, Record};
pub use router::{Authorizer, router};
pub use shadow::{Shadow, Verdict};
