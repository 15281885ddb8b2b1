//! What each gateway sends and needs.
//!
//! `names` are the header and cookie names that a gateway and the services must agree on; `nginx`
//! writes the includes for them. *Invariant: no I/O. Text and values in, text and values out.*

mod names;
pub mod nginx;

pub use names::{Choice, Names, NamesError};
