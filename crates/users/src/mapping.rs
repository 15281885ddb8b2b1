//! Where in a JSON document the parts of a user are: its id, groups, permissions and properties.

use keygate_expression::{NameSet, User};
use serde_json::{Map, Value};

use crate::Pointer;

/// Where the parts of a user are, in the claims of a token or in a userinfo response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The id: a string, or a whole number.
    pub id: Pointer,
    /// Groups, from all of these: lists of strings, or one string that is split at blanks.
    pub groups: Vec<Pointer>,
    /// Permissions, likewise.
    pub permissions: Vec<Pointer>,
    /// Properties, each named by the last segment of its pointer.
    pub properties: Vec<Pointer>,
}

/// A user, and what its source said that was ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The user.
    pub user: User,
    /// For the log.
    pub warnings: Vec<Warning>,
}

/// A part of a user that was ignored. The values themselves are never shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Neither a list nor a string stands where groups or permissions are looked for.
    #[error("`{0}` is neither a list of strings nor a string, and is ignored")]
    NotNames(Pointer),
    /// A list of names has other things in it.
    #[error("the list `{0}` contains entries that are not strings, which are ignored")]
    NotAllNames(Pointer),
    /// The header with the properties is not a JSON object.
    #[error("the header with the user's properties is ignored, because {0}")]
    Properties(crate::JsonError),
}

/// Why a document names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidId {
    /// There is no id, or an empty one.
    #[error("there is no user id at the location in the setting `id`")]
    Missing,
    /// It is neither a string nor a whole number.
    #[error("the user id is neither a string nor a whole number")]
    NotText,
    /// It has a control character, or a blank at its beginning or end: it fits into no header.
    #[error("the user id contains a control character, or begins or ends with a blank")]
    Unsafe,
}

impl Mapping {
    /// Returns the user that this document names.
    ///
    /// # Errors
    /// It has no usable id.
    pub fn find(&self, document: &Value) -> Result<Found, InvalidId> {
        let mut warnings = Vec::new();
        let user = User {
            id: self.id_in(document)?,
            groups: names(&self.groups, document, &mut warnings),
            permissions: names(&self.permissions, document, &mut warnings),
            properties: self.properties_in(document),
        };
        Ok(Found { user, warnings })
    }

    fn id_in(&self, document: &Value) -> Result<String, InvalidId> {
        let id = match self.id.find(document) {
            None | Some(Value::Null) => return Err(InvalidId::Missing),
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) if !id.is_f64() => id.to_string(),
            Some(_) => return Err(InvalidId::NotText),
        };
        checked_id(&id)?;
        Ok(id)
    }

    fn properties_in(&self, document: &Value) -> Map<String, Value> {
        let property = |pointer: &Pointer| {
            let value = pointer.find(document).filter(|value| !value.is_null())?;
            Some((pointer.name().to_owned(), value.clone()))
        };
        self.properties.iter().filter_map(property).collect()
    }
}

/// Rejects an id that no header can carry.
pub(crate) fn checked_id(id: &str) -> Result<(), InvalidId> {
    if id.is_empty() {
        Err(InvalidId::Missing)
    } else if is_safe(id) {
        Ok(())
    } else {
        Err(InvalidId::Unsafe)
    }
}

/// Returns whether a header carries this text unchanged, also through servers that trim values.
pub(crate) fn is_safe(text: &str) -> bool {
    text == text.trim() && !text.chars().any(char::is_control)
}

fn names(pointers: &[Pointer], document: &Value, warnings: &mut Vec<Warning>) -> NameSet {
    let mut found: Vec<&str> = Vec::new();
    for pointer in pointers {
        match pointer.find(document) {
            None | Some(Value::Null) => {}
            Some(Value::String(names)) => found.extend(names.split_ascii_whitespace()),
            Some(Value::Array(names)) => {
                let before = found.len();
                found.extend(names.iter().filter_map(Value::as_str));
                if found.len() != before.saturating_add(names.len()) {
                    warnings.push(Warning::NotAllNames(pointer.clone()));
                }
            }
            Some(_) => warnings.push(Warning::NotNames(pointer.clone())),
        }
    }
    found.retain(|name| !name.is_empty());
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn pointers(texts: &[&str]) -> Vec<Pointer> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn mapping() -> Mapping {
        Mapping {
            id: "/sub".parse().unwrap(),
            groups: pointers(&["/groups", "/realm_access/roles"]),
            permissions: pointers(&["/scope"]),
            properties: pointers(&["/email", "/address/city", "/none"]),
        }
    }

    #[test]
    fn the_parts_of_a_user_are_where_the_pointers_say() {
        let found = mapping()
            .find(&json!({
                "sub": "ada", "groups": ["admin", "a b", ""], "scope": "read  write:orders\t",
                "realm_access": {"roles": ["editor", "admin"]},
                "email": "a@x", "address": {"city": "Milano", "zip": 1}, "none": null,
            }))
            .unwrap();
        assert_eq!(found.warnings, []);
        assert_eq!(found.user.id, "ada");
        assert_eq!(
            found.user.groups,
            ["admin", "a b", "editor"].into_iter().collect()
        );
        assert_eq!(
            found.user.permissions,
            ["read", "write:orders"].into_iter().collect()
        );
        assert_eq!(
            Value::Object(found.user.properties),
            json!({"email": "a@x", "city": "Milano"})
        );
    }

    #[rstest]
    #[case(json!({"sub": "1"}), Ok("1"))]
    #[case(json!({"sub": 42}), Ok("42"))]
    #[case(json!({"sub": -1}), Ok("-1"))]
    #[case(json!({}), Err(InvalidId::Missing))]
    #[case(json!({"sub": null}), Err(InvalidId::Missing))]
    #[case(json!({"sub": ""}), Err(InvalidId::Missing))]
    #[case(json!({"sub": 1.5}), Err(InvalidId::NotText))]
    #[case(json!({"sub": true}), Err(InvalidId::NotText))]
    #[case(json!({"sub": ["ada"]}), Err(InvalidId::NotText))]
    #[case(json!({"sub": "a\r\nclient-type: A"}), Err(InvalidId::Unsafe))]
    #[case(json!({"sub": " ada"}), Err(InvalidId::Unsafe))]
    #[case(json!({"sub": " "}), Err(InvalidId::Unsafe))]
    fn nobody_is_known_without_an_id(#[case] document: Value, #[case] id: Result<&str, InvalidId>) {
        let found = mapping().find(&document).map(|found| found.user.id);
        assert_eq!(found, id.map(str::to_owned));
    }

    #[test]
    fn only_ascii_blanks_separate_names() {
        let found = mapping().find(&json!({"sub": "ada", "groups": "a\u{a0}b c"}));
        let groups = found.unwrap().user.groups;
        assert_eq!(groups, ["a\u{a0}b", "c"].into_iter().collect());
    }

    #[rstest]
    #[case(json!(["a", 1, null, ["b"]]), &["a"], Some(Warning::NotAllNames("/groups".parse().unwrap())))]
    #[case(json!({"admin": true}), &[], Some(Warning::NotNames("/groups".parse().unwrap())))]
    #[case(json!(true), &[], Some(Warning::NotNames("/groups".parse().unwrap())))]
    #[case(json!(null), &[], None)]
    #[case(json!(""), &[], None)]
    fn other_values_grant_nothing_and_are_reported(
        #[case] groups: Value,
        #[case] expected: &[&str],
        #[case] warning: Option<Warning>,
    ) {
        let found = mapping()
            .find(&json!({"sub": "ada", "groups": groups}))
            .unwrap();
        assert_eq!(found.user.groups, expected.iter().copied().collect());
        assert_eq!(found.warnings, warning.into_iter().collect::<Vec<_>>());
    }
}
