//! The client-type resolver: turns the API key of a request into a client type.
//!
//! This crate finds the credentials of a request and looks them up. It reads no file and no clock; a
//! [`KeyTable`](keygate_keys::KeyTable) is made elsewhere and swapped in whole, the time is passed in.
//! The authorization service never links it.
//!
//! A request's way is one line: headers → [`Credential`] → [`find`](keygate_keys::KeyTable::find) → [`Resolution`] →
//! headers.

#[cfg(test)]
mod asking;
pub mod credential;
pub mod guessing;
pub mod observer;
pub mod resolution;
pub mod service;

pub use credential::{Credential, CredentialNames};
pub use guessing::{Guess, Guessing};
pub use observer::{Observer, Record};
pub use resolution::{Presence, Reason, Refusal, Resolution};
pub use service::Resolver;
