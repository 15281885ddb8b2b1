//! What is recorded of a process: its decisions, metrics, traces and logs, and the state of its files.
//!
//! The services report each decision to [`decisions::Decisions`] through their observers; [`metrics`]
//! and the pages of the operations listener read what is recorded through [`operations::Operations`].
//! The files here look down only: `role`, `entry`, `limit` and `histogram` know nothing of the rest.
//!
//! *Invariant: recording never waits, and no secret is recorded.*

pub mod decisions;
pub mod entry;
pub mod health;
pub mod histogram;
pub mod limit;
pub mod logs;
pub mod metrics;
pub mod operations;
pub mod role;
pub mod traces;
