//! nginx: the check of its configuration.

pub mod check;
