//! API keys: their digests, the table that the resolver looks them up in, and the keys file.
//!
//! [`KeyTable`] is an immutable snapshot of every key; [`keys_file`] reads one from a file and changes
//! the file. Another store would be a module beside it that yields the same table.
//!
//! *Invariant: no async and no network, and no `Debug` that shows a secret.* The time is passed in.
//! The authorization service never links this crate, so it cannot name key material.

pub mod digest;
pub mod generated;
pub mod key;
pub mod keys_file;
pub mod pepper;
pub mod plaintext;
mod stack;
pub mod table;

pub use digest::{Digest, Pepper, Scheme};
pub use key::{ClientType, Key, KeyId};
pub use table::{InvalidKey, KeyRef, KeyTable};
