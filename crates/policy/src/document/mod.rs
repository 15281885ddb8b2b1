//! The files that a policy is written in.

pub mod auth_json;
pub mod console;
mod policy_yaml;
mod scalar;
pub mod write;

pub(crate) use scalar::Scalar;
