//! The pages of the admin listener: probes, metrics and the debug pages.
//!
//! [`router::router`] serves what [`keygate_telemetry::operations::Operations`] records; [`hosts`] rejects
//! requests that a browser sends for a name that is not this listener's.
//!
//! *Invariant: pages only read.* They change nothing in the process and show neither keys nor digests;
//! gateways never request them.

pub mod debug_keys;
pub mod debug_page;
mod explain;
pub mod hosts;
mod issuers;
pub mod router;
