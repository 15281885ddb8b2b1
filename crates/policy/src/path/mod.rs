//! Request targets and the one canonical path that every decision is made on.

use std::borrow::Cow;

/// A path as nginx builds `$uri` from the request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'t>(Cow<'t, [u8]>);

impl CanonicalPath<'_> {
    /// The decoded path; it starts with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
