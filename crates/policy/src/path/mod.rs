//! Request targets and the one canonical path that every decision is made on.
//!
//! An authorizer is bypassed where it and the backend read one path differently. So there is one
//! canonical path, nginx's ([`canonical`]); what servers are known to read differently is named
//! ([`Ambiguity`]) and either refused or compared: a request passes only if it would pass under
//! every known reading ([`readings`]).

mod ambiguity;
mod canonical;
mod other_router;
mod pattern;
pub mod readings;
mod segments;

pub use ambiguity::{Ambiguities, Ambiguity, Treatment};
pub use canonical::{CanonicalPath, TargetError};
pub use pattern::{Pattern, PatternError, Segment, TrailingSlash};
pub use segments::Segments;
