//! What a gateway knows about the caller: the names that a group expression may speak of.

use std::collections::BTreeSet;

use serde::Serialize;

/// The facts that one group expression is evaluated over.
///
/// Absent parts are absent, never guessed: no key is a `null` client type, nobody logged in is an
/// empty set of groups and permissions and a `user` without properties.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// `clientType`: the client type that the resolver found for the caller's key.
    pub client_type: Option<&'a str>,
    /// `isBackoffice`: the request comes by the back-office gateway.
    pub is_backoffice: bool,
    /// `groups`, `permissions` and `user`: who is logged in, if anybody is.
    pub user: Option<&'a User>,
}

impl Facts<'_> {
    /// Whether it is known who calls: by a key, a login or both.
    #[must_use]
    pub const fn caller_is_known(&self) -> bool {
        self.client_type.is_some() || self.user.is_some()
    }
}

/// Somebody who is logged in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct User {
    /// The user's id, as the identity source names them.
    pub id: String,
    /// `groups` in an expression.
    pub groups: NameSet,
    /// `permissions` in an expression.
    pub permissions: NameSet,
    /// `user` in an expression: the properties that the identity source gave.
    pub properties: serde_json::Map<String, serde_json::Value>,
}

/// A set of granted names, such as groups.
///
/// It answers both `groups.admin` and `"admin" in groups`, and holds granted names only:
/// JavaScript's `constructor`, `length` or `__proto__` are plain names that nobody has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct NameSet(BTreeSet<Box<str>>);

impl NameSet {
    /// Whether `name` was granted, compared byte for byte.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// The names in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether nothing was granted.
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
