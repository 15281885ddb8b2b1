//! JSON Web Tokens (RFC 7519), signed (RFC 7515): which are accepted, and why others are not.
//!
//! A token goes one way: [`Unverified::parse`] reads it, its issuer is found by name, and
//! [`Issuer::verify`] checks signature, times and audience before the claims become a user.

mod claimed;
mod claims;
mod refusal;
mod token;
mod verify;

pub use claimed::Claimed;
pub use claims::Time;
pub use refusal::{Part, Refusal};
pub use token::{MOST_BYTES, Unverified};
pub use verify::{Algorithms, Audience, InvalidAlgorithms, Issuer, Verified};
