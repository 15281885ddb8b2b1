//! The identity headers that backends get: `miauserid`, `miausergroups`, `miauserproperties`.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use keygate_expression::{NameSet, User};
use serde_json::{Map, Value};

use crate::mapping::is_safe;

/// The user's id, for backends.
pub const USER_ID: HeaderName = HeaderName::from_static("miauserid");

/// The groups, for backends.
pub const GROUPS: HeaderName = HeaderName::from_static("miausergroups");

/// The properties, for backends.
pub const PROPERTIES: HeaderName = HeaderName::from_static("miauserproperties");

/// The default of the setting `identity-header-limit`, in bytes.
pub const DEFAULT_LIMIT: usize = 4096;

/// The header values that identify the user to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id.
    pub id: HeaderValue,
    /// The groups, between commas; absent where there are none.
    pub groups: Option<HeaderValue>,
    /// The properties, JSON in ASCII; absent where there are none.
    pub properties: Option<HeaderValue>,
    /// How many groups were dropped, since backends would read another name.
    pub dropped_groups: usize,
}

/// Why a user fits into no headers; the request is denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A value is longer than the limit (`identity-too-large`).
    #[error(
        "the identity header `{name}` would be {length} bytes long, but `identity-header-limit` is \
         {limit}"
    )]
    TooLarge {
        /// The header.
        name: HeaderName,
        /// The length of its value.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A value has characters that no header may have; sources of users give no such id.
    #[error("the identity header `{0}` would contain characters that are not allowed in a header")]
    NotAHeader(HeaderName),
    /// The cryptography failed, which worked when the key was read.
    #[error("the identity token cannot be signed")]
    NotSigned,
}

impl Identity {
    /// Returns the headers for this user, each of at most `limit` bytes.
    ///
    /// # Errors
    /// A value is too long, or no header value.
    pub fn of(user: &User, limit: usize) -> Result<Self, Unfit> {
        let (groups, dropped_groups) = joined(&user.groups);
        let properties = ascii_json(&user.properties);
        if !is_safe(&user.id) || user.id.is_empty() {
            return Err(Unfit::NotAHeader(USER_ID));
        }
        Ok(Self {
            id: value(&USER_ID, &user.id, limit)?,
            groups: optional(&GROUPS, &groups, limit)?,
            properties: optional(&PROPERTIES, &properties, limit)?,
            dropped_groups,
        })
    }

    /// Adds the headers for backends.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(USER_ID, self.id.clone());
        if let Some(groups) = &self.groups {
            headers.insert(GROUPS, groups.clone());
        }
        if let Some(properties) = &self.properties {
            headers.insert(PROPERTIES, properties.clone());
        }
    }
}

fn optional(name: &HeaderName, text: &str, limit: usize) -> Result<Option<HeaderValue>, Unfit> {
    if text.is_empty() {
        return Ok(None);
    }
    value(name, text, limit).map(Some)
}

fn value(name: &HeaderName, text: &str, limit: usize) -> Result<HeaderValue, Unfit> {
    if text.len() > limit {
        return Err(Unfit::TooLarge {
            name: name.clone(),
            length: text.len(),
            limit,
        });
    }
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Unfit::NotAHeader(name.clone()))
}

/// A group `a,admin` must not become two groups, nor ` admin` another one.
fn joined(groups: &NameSet) -> (String, usize) {
    let all = groups.iter().count();
    let fitting: Vec<_> = groups
        .iter()
        .filter(|group| !group.is_empty() && !group.contains(',') && is_safe(group))
        .collect();
    let dropped = all.saturating_sub(fitting.len());
    (fitting.join(","), dropped)
}

/// JSON without a byte that a header may not have: backends read other bytes as Latin-1, or as `!`.
fn ascii_json(properties: &Map<String, Value>) -> String {
    if properties.is_empty() {
        return String::new();
    }
    let json = serde_json::to_string(properties).unwrap_or_default();
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        // Characters outside of strings are visible ASCII; inside, an escape means the same.
        if matches!(character, ' '..='~') {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn user(groups: &[&str], properties: Value) -> User {
        let Value::Object(properties) = properties else {
            panic!("not an object");
        };
        User {
            id: "ada".to_owned(),
            groups: groups.iter().copied().collect(),
            properties,
            ..User::default()
        }
    }

    #[test]
    fn a_user_becomes_header_values() {
        let properties = json!({"name": "Zoë 😀\u{7f}", "n": 1.5});
        let identity = Identity::of(&user(&["b", "a x"], properties), DEFAULT_LIMIT).unwrap();
        assert_eq!(identity.id, "ada");
        assert_eq!(identity.groups.unwrap(), "a x,b");
        assert_eq!(
            identity.properties.unwrap(),
            r#"{"n":1.5,"name":"Zo\u00eb \ud83d\ude00\u007f"}"#
        );
        assert_eq!(identity.dropped_groups, 0);
    }

    #[test]
    fn empty_parts_are_absent() {
        let identity = Identity::of(&user(&[], json!({})), DEFAULT_LIMIT).unwrap();
        assert_eq!((identity.groups, identity.properties), (None, None));
    }

    #[rstest]
    #[case("a,admin")]
    #[case(" admin")]
    #[case("admin\u{a0}")]
    #[case("a\r\nclient-type: A")]
    #[case("a\u{85}")]
    #[case("")]
    fn groups_that_could_be_read_otherwise_are_dropped(#[case] group: &str) {
        let identity = Identity::of(&user(&["editor", group], json!({})), DEFAULT_LIMIT).unwrap();
        assert_eq!(identity.groups.unwrap(), "editor");
        assert_eq!(identity.dropped_groups, 1);
    }

    #[test]
    fn each_value_is_bounded() {
        let at_limit = "g".repeat(8);
        assert!(Identity::of(&user(&[&at_limit], json!({})), 8).is_ok());
        let over = |user: &User| match Identity::of(user, 8) {
            Err(Unfit::TooLarge { name, length, .. }) => (name, length),
            other => panic!("{other:?}"),
        };
        assert_eq!(over(&user(&["12345", "678"], json!({}))), (GROUPS, 9));
        assert_eq!(over(&user(&[], json!({"a": "bc"}))), (PROPERTIES, 10));
        let long_id = User {
            id: "123456789".to_owned(),
            ..User::default()
        };
        assert_eq!(over(&long_id), (USER_ID, 9));
    }

    proptest! {
        #[test]
        fn any_user_fits_into_safe_headers(id in ".{0,9}", groups in proptest::collection::vec(".{0,9}", 0..4), name in ".*", text in ".*") {
            let user = User {
                id,
                groups: groups.into_iter().collect(),
                properties: [(name, Value::from(text))].into_iter().collect(),
                ..User::default()
            };
            let Ok(identity) = Identity::of(&user, usize::MAX) else {
                prop_assert!(!is_safe(&user.id) || user.id.is_empty());
                return Ok(());
            };
            let properties = identity.properties.unwrap();
            let properties: Map<String, Value> = serde_json::from_str(properties.to_str().unwrap()).unwrap();
            prop_assert_eq!(properties, user.properties);
            let sent = identity.groups.map(|groups| groups.as_bytes().to_vec()).unwrap_or_default();
            let sent = String::from_utf8(sent).unwrap();
            for group in sent.split(',').filter(|group| !group.is_empty()) {
                prop_assert!(user.groups.contains(group));
            }
        }
    }
}
