//! The files that a policy is written in.

pub mod yaml;
