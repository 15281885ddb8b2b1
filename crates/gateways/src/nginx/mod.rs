//! nginx: its configuration language, and the check of a configuration.

pub mod check;
pub mod syntax;
