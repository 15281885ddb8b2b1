//! A policy as the text of a `policy.yaml`, for importers.

use std::fmt::Write as _;

use crate::policy::{Draft, Method};

/// The file that says what these endpoints ask for.
pub(super) fn policy_yaml(endpoints: &[Draft]) -> String {
    let mut text = head(endpoints.is_empty());
    for endpoint in endpoints {
        let demands = &endpoint.demands;
        let methods = endpoint.methods.as_ref().map(|methods| {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            format!("[{}]", names.join(", "))
        });
        let backoffice_expression = demands.backoffice_expression.as_ref();
        let fields = [
            ("methods", methods),
            ("apiKeyRequired", Some(demands.api_key_required.to_string())),
            (
                "authenticationRequired",
                Some(demands.authentication_required.to_string()),
            ),
            (
                "backofficeAuthenticationRequired",
                Some(demands.backoffice_authentication_required)
                    .filter(|required| *required != demands.authentication_required)
                    .map(|required| required.to_string()),
            ),
            (
                "groupExpression",
                Some(scalar(demands.group_expression.source())),
            ),
            (
                "backofficeExpression",
                backoffice_expression.map(|expression| scalar(expression.source())),
            ),
        ];
        write_entry(&mut text, "  ", &endpoint.base.to_string(), &fields);
    }
    text
}

/// What comes before the endpoints.
pub(super) fn head(is_empty: bool) -> String {
    let endpoints = if is_empty { " []" } else { "" };
    format!("version: 1\nendpoints:{endpoints}\n")
}

/// One endpoint or route: a list item; a field without a value is left out.
pub(super) fn write_entry(
    text: &mut String,
    indent: &str,
    path: &str,
    fields: &[(&str, Option<String>)],
) {
    let _ = writeln!(text, "{indent}- path: {}", scalar(path));
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = writeln!(text, "{indent}  {name}: {value}");
        }
    }
}

/// A string as YAML reads it back: plain where that is safe in a block mapping, else in quotes.
#[must_use]
pub fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.ends_with([' ', ':'])
        && ![": ", " #"].iter().any(|special| text.contains(special))
        && !text.eq_ignore_ascii_case("null");
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        let code = u32::from(character);
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\n' => write!(quoted, "\\n"),
            ' '..='~' => write!(quoted, "{character}"),
            _ if code <= 0xffff => write!(quoted, "\\u{code:04X}"),
            _ => write!(quoted, "\\U{code:08X}"),
        };
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use keygate_documents::yaml::{self, Content};

    proptest! {
        #[test]
        fn yaml_reads_a_scalar_back(text in "\\PC*|[a-z:#'\"\\\\\\n\\t &*!|>%@{}\\[\\],-]{0,12}|null|~|yes") {
            #[derive(serde::Deserialize)]
            struct Document {
                field: String,
            }
            let file = format!("field: {}\n", scalar(&text));
            let document: Document = yaml::from_str(&file, Content::Public).unwrap();
            prop_assert_eq!(document.field, text);
        }
    }
}
