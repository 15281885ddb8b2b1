//! Records what a process does: its decisions, metrics, traces and logs, and the state of its files.
//!
//! The services report each decision to [`decisions::Decisions`] through their observers; [`metrics`]
//! and the pages of the admin listener read it through [`operations::Operations`]. `role`, `entry`,
//! `limit` and `histogram` depend on no other file here.
//!
//! *Invariant: recording never waits, and no secret is recorded.*

pub mod decisions;
pub mod entry;
pub mod health;
pub mod histogram;
pub mod limit;
pub mod logs;
pub mod look_ups;
pub mod metrics;
pub mod operations;
pub mod role;
pub mod traces;
