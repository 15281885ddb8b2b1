//! Tokens and key sets, as a caller of this crate sees them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod hostile_tokens;
mod identity_tokens;
mod key_sets;
mod signer;
mod valid_tokens;
