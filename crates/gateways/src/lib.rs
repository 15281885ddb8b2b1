//! What each gateway sends and needs.
//!
//! `names` are the header and cookie names that a gateway and the services must agree on; `nginx` writes
//! the includes for them, and checks nginx configurations. *Invariant: no async and no network; only the
//! check reads files.*

mod names;
pub mod nginx;

pub use names::{Choice, Names, NamesError};
