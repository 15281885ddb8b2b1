//! The facts about a caller: the names that a group expression can use.

use std::collections::BTreeSet;

use serde::Serialize;

/// The facts that one group expression is evaluated over.
///
/// Absent facts are never replaced by defaults: without a key the client type is `null`; without a
/// login the groups and permissions are empty and `user` has no properties.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// `clientType`: the client type that the resolver found for the caller's key.
    pub client_type: Option<&'a str>,
    /// `isBackoffice`: the request came through the back-office gateway.
    pub is_backoffice: bool,
    /// `groups`, `permissions` and `user`: the logged-in user, if any.
    pub user: Option<&'a User>,
}

impl Facts<'_> {
    /// Returns whether the caller is identified: by a key, a login or both.
    #[must_use]
    pub const fn caller_is_known(&self) -> bool {
        self.client_type.is_some() || self.user.is_some()
    }
}

/// A logged-in user.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct User {
    /// The user's id at the identity source.
    pub id: String,
    /// `groups` in an expression.
    pub groups: NameSet,
    /// `permissions` in an expression.
    pub permissions: NameSet,
    /// `user` in an expression: the properties from the identity source.
    pub properties: serde_json::Map<String, serde_json::Value>,
}

/// A set of granted names, such as groups.
///
/// `groups.admin` and `"admin" in groups` both look a name up here. JavaScript's `constructor`,
/// `length` or `__proto__` are plain names that are not granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct NameSet(BTreeSet<Box<str>>);

impl NameSet {
    /// Returns whether `name` was granted, compared byte for byte.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Returns the names in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Returns whether no name was granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for NameSet {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}
