//! JSON Pointers (RFC 6901): where in a document a value is.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use serde_json::Value;

/// A JSON Pointer that names a member: `/realm_access/roles`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer {
    text: String,
    /// Its last segment, without escapes.
    name: String,
}

/// The error for a text that is not a JSON Pointer to a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a JSON Pointer: begin it with `/`, as in `/realm_access/roles`; within a name, \
     write `~1` for `/` and `~0` for `~`"
)]
pub struct InvalidPointer(String);

impl Pointer {
    /// The pointer to a member of the document; its name has no `/` and no `~`.
    pub(crate) fn member(name: &str) -> Self {
        Self {
            text: format!("/{name}"),
            name: name.to_owned(),
        }
    }

    /// Returns the value in this document.
    #[must_use]
    pub fn find<'d>(&self, document: &'d Value) -> Option<&'d Value> {
        document.pointer(&self.text)
    }

    /// Returns the last segment, without escapes: `roles` of `/realm_access/roles`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let invalid = || InvalidPointer(text.to_owned());
        let segments = text.strip_prefix('/').ok_or_else(invalid)?;
        let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
        if !segments.split('~').skip(1).all(is_escaped) {
            return Err(invalid());
        }
        let last = segments.rsplit('/').next().unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            // In this order, as RFC 6901, section 4 requires: `~01` is `~1`, not `/`.
            name: last.replace("~1", "/").replace("~0", "~"),
        })
    }
}

impl TryFrom<String> for Pointer {
    type Error = InvalidPointer;

    fn try_from(text: String) -> Result<Self, InvalidPointer> {
        text.parse()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::member("/sub", "sub", Some("ada"))]
    #[case::nested("/realm_access/roles/0", "0", Some("admin"))]
    #[case::colon("/cognito:groups", "cognito:groups", Some("c"))]
    #[case::url("/https:~1~1ns~1roles", "https://ns/roles", Some("u"))]
    #[case::tilde("/a~01", "a~1", Some("t"))]
    #[case::empty_name("/", "", Some("e"))]
    #[case::absent("/no", "no", None)]
    fn a_pointer_finds_its_value(
        #[case] text: &str,
        #[case] name: &str,
        #[case] value: Option<&str>,
    ) {
        let document = json!({
            "sub": "ada", "realm_access": {"roles": ["admin"]}, "cognito:groups": "c",
            "https://ns/roles": "u", "a~1": "t", "": "e",
        });
        let pointer: Pointer = text.parse().unwrap();
        assert_eq!(pointer.name(), name);
        assert_eq!(pointer.find(&document).and_then(Value::as_str), value);
    }

    #[rstest]
    #[case("")]
    #[case("sub")]
    #[case("realm_access.roles")]
    #[case("/a~")]
    #[case("/a~2")]
    fn other_texts_are_rejected(#[case] text: &str) {
        assert_eq!(
            text.parse::<Pointer>(),
            Err(InvalidPointer(text.to_owned()))
        );
    }
}
