//! The pure core of Keygate: canonical paths, endpoint policies and the decision.
//!
//! Nothing in this crate opens a file or a socket or reads a clock: the services and the program call
//! it with text and bytes, and get values.
//!
//! A request takes these steps: raw target → [`path::CanonicalPath`] → the rule that
//! matches → its [`Expression`](keygate_expression::Expression) over the
//! [`Facts`](keygate_expression::Facts) → a [`Decision`].

pub mod decision;
mod login;
pub mod path;
pub mod policy;
mod policy_yaml;
pub mod reason;
pub mod request;
pub mod written;

pub use decision::Decision;
pub use login::Login;
pub use policy::{Matched, Needs, Policy, Rule};
pub use reason::{Reason, Status};
pub use request::Request;
