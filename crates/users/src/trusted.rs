//! A user from headers that a gateway is trusted with.
//!
//! Who may send them is decided before, by [`Peers`](crate::peers::Peers).

use http::{HeaderMap, HeaderName};
use keygate_expression::{NameSet, User};
use keygate_headers::{Repeated, single};
use serde_json::{Map, Value};

use crate::{
    identity::{GROUPS, PROPERTIES, USER_ID},
    json,
    mapping::{Found, InvalidId, Warning, checked_id},
};

/// The names of the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedNames {
    /// The user's id.
    pub id: HeaderName,
    /// The groups, between commas.
    pub groups: HeaderName,
    /// The properties, a JSON object.
    pub properties: HeaderName,
}

/// `miauserid`, `miausergroups`, `miauserproperties`.
impl Default for TrustedNames {
    fn default() -> Self {
        Self {
            id: USER_ID,
            groups: GROUPS,
            properties: PROPERTIES,
        }
    }
}

/// Why the headers cannot be read; the request must be denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedHeaders {
    /// A header has different values.
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// A header is not UTF-8.
    #[error("the header `{0}` is not UTF-8")]
    NotText(HeaderName),
    /// The id is not one.
    #[error("the header `{0}` is rejected: {1}")]
    Id(HeaderName, InvalidId),
}

/// Returns the user that the headers name; without an id, nobody is logged in.
///
/// # Errors
/// The headers contradict each other, or cannot be read.
pub fn find(headers: &HeaderMap, names: &TrustedNames) -> Result<Option<Found>, MalformedHeaders> {
    let Some(id) = text(headers, &names.id)? else {
        return Ok(None);
    };
    checked_id(id).map_err(|error| MalformedHeaders::Id(names.id.clone(), error))?;
    let mut warnings = Vec::new();
    let user = User {
        id: id.to_owned(),
        groups: groups(text(headers, &names.groups)?.unwrap_or_default()),
        permissions: NameSet::default(),
        properties: properties(headers, &names.properties, &mut warnings)?,
    };
    Ok(Some(Found { user, warnings }))
}

/// An empty header is the same as none: some gateways send one for nobody.
fn text<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, MalformedHeaders> {
    let Some(value) = single(headers, name)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| MalformedHeaders::NotText(name.clone()))?
        .trim_ascii();
    Ok((!text.is_empty()).then_some(text))
}

fn groups(text: &str) -> NameSet {
    text.split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .collect()
}

/// Mia-Platform's Envoy writes them with a format string, which does not always give JSON.
fn properties(
    headers: &HeaderMap,
    name: &HeaderName,
    warnings: &mut Vec<Warning>,
) -> Result<Map<String, Value>, MalformedHeaders> {
    let Some(value) = single(headers, name)?.filter(|value| !value.is_empty()) else {
        return Ok(Map::new());
    };
    match json::object(value.as_bytes()) {
        Ok(Value::Object(properties)) => Ok(properties),
        Ok(_) => Ok(Map::new()),
        Err(error) => {
            warnings.push(Warning::Properties(error));
            Ok(Map::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::JsonError;

    fn read(lines: &[(&'static str, &str)]) -> Result<Option<Found>, MalformedHeaders> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        find(&headers, &TrustedNames::default())
    }

    #[test]
    fn trusted_headers_name_a_user() {
        let found = read(&[
            ("miauserid", "ada"),
            ("miausergroups", "admin, editor ,,a b,perché"),
            ("miauserproperties", r#"{"email":"a@x","n":[1]}"#),
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!(found.warnings, []);
        assert_eq!(found.user.id, "ada");
        let groups = ["admin", "editor", "a b", "perché"];
        assert_eq!(found.user.groups, groups.into_iter().collect());
        assert!(found.user.permissions.is_empty());
        assert_eq!(
            Value::Object(found.user.properties),
            json!({"email": "a@x", "n": [1]})
        );
    }

    #[rstest]
    #[case(&[])]
    #[case(&[("miauserid", "")])]
    #[case(&[("miauserid", "  ")])]
    #[case(&[("miausergroups", "admin")])]
    fn nobody_is_logged_in_without_an_id(#[case] lines: &[(&'static str, &str)]) {
        assert_eq!(read(lines), Ok(None));
    }

    #[rstest]
    #[case("{", JsonError::Syntax)]
    #[case("[]", JsonError::NotAnObject)]
    #[case(r#"{"a":1,"a":2}"#, JsonError::RepeatedName)]
    fn invalid_properties_are_left_out(#[case] properties: &str, #[case] error: JsonError) {
        let found = read(&[("miauserid", "ada"), ("miauserproperties", properties)]);
        let found = found.unwrap().unwrap();
        assert_eq!(found.user.properties, Map::new());
        assert_eq!(found.warnings, [Warning::Properties(error)]);
    }

    #[rstest]
    #[case("miauserid")]
    #[case("miausergroups")]
    #[case("miauserproperties")]
    fn a_repeated_header_denies(#[case] name: &'static str) {
        let lines = [("miauserid", "a"), (name, "a"), (name, "b")];
        let repeated = MalformedHeaders::Repeated(Repeated(HeaderName::from_static(name)));
        assert_eq!(read(&lines), Err(repeated));
    }

    #[test]
    fn an_id_that_is_not_text_denies() {
        let mut headers = HeaderMap::new();
        headers.insert("miauserid", HeaderValue::from_bytes(&[0xff]).unwrap());
        let names = TrustedNames::default();
        assert_eq!(
            find(&headers, &names),
            Err(MalformedHeaders::NotText(names.id.clone()))
        );
    }
}
