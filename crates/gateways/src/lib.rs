//! What each gateway sends and needs.
//!
//! `nginx` holds what is nginx's: the check of its configuration. *Invariant: no async and no network;
//! only the check reads files.*

pub mod nginx;
