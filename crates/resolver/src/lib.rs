//! The client-type resolver: turns the API key of a request into a client type.
//!
//! This crate finds the credentials of a request and looks them up. It reads no file and no clock; a
//! [`KeyTable`](keygate_keys::KeyTable) is made elsewhere and swapped in whole, the time is passed in.
//! The authorization service never links it.
//!
//! A request's way is one line: [`Request`] → [`Credential`] → [`find`](keygate_keys::KeyTable::find) → [`Resolution`] →
//! [`Decision`] → response headers. [`Resolver::resolve`] goes it on any transport; [`router()`] is the
//! transport for gateways that speak HTTP.

pub mod credential;
pub mod guessing;
pub mod observer;
pub mod request;
pub mod resolution;
pub mod response;
pub mod router;
pub mod service;

pub use credential::{Credential, CredentialNames};
pub use guessing::{Guess, Guessing};
pub use observer::{Observer, Record};
pub use request::{Presence, Request};
pub use resolution::{Reason, Refusal, Resolution};
pub use response::{Decision, Identity};
pub use router::router;
pub use service::{RejectedKeyStatus, Resolver};
