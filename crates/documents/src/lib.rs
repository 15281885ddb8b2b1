//! The text files that people write: YAML as plain data, and errors shown at their location.
//!
//! Policies, keys, settings and nginx files report their errors in the same form,
//! [`diagnostic::Diagnostic`]. Files that hold secrets are read with [`yaml::Content::Secret`]: no
//! message repeats what they contain.
//!
//! *Invariant: pure.* Text goes in, values and diagnostics come out; nothing here opens a file.

pub mod content;
pub mod diagnostic;
mod mismatch;
mod nodes;
mod quote;
pub mod scalar;
mod syntax;
pub mod yaml;
