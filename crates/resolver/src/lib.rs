//! The client-type resolver: turns the API key of a request into a client type.
//!
//! This crate holds everything that knows of key material: digests, the key table and the
//! credentials of a request. It reads no file and no clock; a [`KeyTable`] is made elsewhere and
//! swapped in whole, the time is passed in. The authorization service never links it.
//!
//! A request's way is one line: headers → [`Credential`] → [`KeyTable::find`] → [`Resolution`] →
//! headers.

#[cfg(test)]
mod asking;
pub mod credential;
pub mod digest;
pub mod generated;
pub mod guessing;
pub mod key;
pub mod observer;
pub mod resolution;
pub mod service;
pub mod table;

pub use credential::{Credential, CredentialNames};
pub use digest::{Digest, Pepper, Scheme};
pub use guessing::{Guess, Guessing};
pub use key::{ClientType, Key, KeyId};
pub use observer::{Observer, Record};
pub use resolution::{Presence, Reason, Refusal, Resolution};
pub use service::Resolver;
pub use table::{KeyRef, KeyTable};
