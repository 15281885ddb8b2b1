//! Looks users up: keeps the keys of issuers fresh, and calls userinfo services.
//!
//! [`keys`] holds the keys of one issuer and fetches newer ones in the background; [`tokens`] verifies a
//! token with them. [`userinfo`] calls a userinfo service. [`Sources`] tries all that the settings name,
//! in order. What a response or a token means is the crate `keygate-users`'s.
//!
//! *Invariant: a lookup waits for nothing without a limit*, and a request that needs no user waits for
//! nothing at all, since nobody calls this crate for it. No log line and no error holds a credential.

pub mod client;
pub mod keys;
pub mod sources;
pub mod tokens;
pub mod userinfo;

pub use client::{Client, FetchError};
pub use keys::{Keys, Timing};
pub use sources::Sources;
pub use tokens::{Rejection, Tokens};
pub use userinfo::UserinfoClient;
