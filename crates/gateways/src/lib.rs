//! Integration with gateways.
//!
//! `names` are the header and cookie names on which a gateway and the services must agree; `nginx` writes
//! the includes for them, and checks nginx configurations. *Invariant: no async and no network; only the
//! check reads files.*

mod names;
pub mod nginx;

pub use names::{Choice, Names, NamesError, UserHeaders, alike};
