//! Tokens and key sets, as a caller of this crate sees them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod hostile_tokens;
mod identity_tokens;
mod key_sets;
mod signer;
#[path = "../../../../tests/tokens/mod.rs"]
mod tokens;
mod valid_tokens;
