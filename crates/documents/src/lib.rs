//! The text files that people write: YAML as plain data, and errors shown at their location.
//!
//! Policies, keys, settings and nginx files report their errors in the same form,
//! [`diagnostic::Diagnostic`]. Files that hold secrets are read with [`yaml::Content::Secret`]: no
//! message repeats what they contain.
//!
//! *Invariant: no async, no network, and nothing but [`source`] opens a file.* The pure crates may
//! not call that module, which `make lint` checks.

pub mod content;
pub mod diagnostic;
pub mod known_file;
mod mismatch;
mod nodes;
mod quote;
pub mod scalar;
pub mod source;
mod syntax;
pub mod yaml;
