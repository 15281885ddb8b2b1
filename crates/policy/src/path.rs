//! Request targets and the canonical path that every decision uses.
//!
//! An authorizer can be bypassed if it and the backend interpret a path differently. So there is one
//! canonical path, nginx's ([`canonical`]); spellings that servers are known to interpret differently
//! have a class ([`Ambiguity`]) and are either rejected or compared: a request is allowed only if it
//! would be allowed under every known interpretation ([`interpretations`]).

mod ambiguity;
mod canonical;
pub mod interpretations;
mod other_router;
mod pattern;
mod segments;

pub use ambiguity::{Ambiguities, Ambiguity, Treatment};
pub use canonical::{CanonicalPath, TargetError};
pub use pattern::{Pattern, PatternError, Segment, TrailingSlash};
pub use segments::Segments;
