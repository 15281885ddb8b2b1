//! The policy model as its users see it: text in, decisions out.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod decisions;
mod generate;
mod matching;
mod reference;
