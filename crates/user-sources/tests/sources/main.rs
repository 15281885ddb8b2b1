//! Users are looked up at real servers, which rotate their keys, fail, hang and lie.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod client;
mod issuer;
mod keys;
mod order;
mod server;
mod userinfo;
