//! Mia-Platform's files through the public API: text in, decisions and policy files out.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod auth_json;
mod console;
mod other_routers;
