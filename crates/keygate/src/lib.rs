//! The program `keygate`: everything that waits, opens or listens.
//!
//! The services themselves are `keygate-resolver` and `keygate-authorizer`, the rules are
//! `keygate-policy`. This crate adds settings, files, listeners and the shutdown.

pub mod addresses;
pub mod check;
pub mod cli;
pub mod connection;
pub mod descriptors;
pub mod grpc_connection;
pub mod listener;
pub mod operations_listener;
pub mod policy_file;
pub mod reload;
pub mod role;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod signatures;
pub mod stream;
pub mod users;
