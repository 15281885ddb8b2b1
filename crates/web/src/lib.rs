//! The pages of the operations listener: probes, metrics and what operators look at.
//!
//! [`router::router`] serves what [`keygate_telemetry::operations::Operations`] records; [`hosts`] rejects
//! requests that a browser sends for a name that is not this listener's.
//!
//! *Invariant: pages only read.* They change nothing in the process, show neither keys nor digests, and
//! are never part of a gateway's request.

pub mod debug_keys;
pub mod debug_page;
pub mod hosts;
pub mod router;
