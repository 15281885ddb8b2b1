//! The client-type resolver: turns the API key of a request into a client type.
//!
//! This crate finds the credentials of a request and looks them up. It reads no file and no clock: a
//! [`KeyTable`](keygate_keys::KeyTable) is loaded elsewhere and replaced atomically, and the time is
//! passed in. The authorizer never links it.
//!
//! A request takes these steps: [`Request`] → [`Credential`] → [`find`](keygate_keys::KeyTable::find) → [`Resolution`] →
//! [`Decision`] → response headers. [`Resolver::resolve`] takes them on any transport; [`router()`] is
//! the transport for HTTP gateways.

pub mod credential;
pub mod failed_keys;
pub mod observer;
pub mod request;
pub mod resolution;
pub mod response;
pub mod router;
pub mod service;
mod without_key;

pub use credential::{Credential, CredentialNames};
pub use failed_keys::{FailedAttempt, FailedKeys};
pub use observer::{ResolutionObserver, ResolutionRecord};
pub use request::{Presence, Request};
pub use resolution::{Refusal, Resolution, ResolutionReason};
pub use response::{Decision, Identity};
pub use router::router;
pub use service::{RejectedKeyStatus, Resolver};
pub use without_key::WithoutKey;
