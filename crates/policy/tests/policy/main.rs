//! The policy model through its public API: text in, decisions out.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod allocations;
mod always_true;
mod client_types;
mod decisions;
mod examples;
mod generate;
mod hosts;
mod interpretations;
mod matching;
mod messages;
mod needs;
mod other_routers;
mod reference;
