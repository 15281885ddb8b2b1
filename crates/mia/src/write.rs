//! A policy as the text of a `policy.yaml`, for importers.

use std::fmt::Write as _;

use keygate_documents::yaml::scalar;
use keygate_policy::policy::{Draft, Method};

/// Returns the file with these endpoints.
pub(crate) fn policy_yaml(endpoints: &[Draft]) -> String {
    let mut text = head(endpoints.is_empty());
    for endpoint in endpoints {
        let requirements = &endpoint.requirements;
        let methods = endpoint.methods.as_ref().map(|methods| {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            format!("[{}]", names.join(", "))
        });
        let backoffice_expression = requirements.backoffice_expression.as_ref();
        let fields = [
            ("methods", methods),
            (
                "apiKeyRequired",
                Some(requirements.api_key_required.to_string()),
            ),
            (
                "authenticationRequired",
                Some(requirements.authentication_required.to_string()),
            ),
            (
                "backofficeAuthenticationRequired",
                Some(requirements.backoffice_authentication_required)
                    .filter(|required| *required != requirements.authentication_required)
                    .map(|required| required.to_string()),
            ),
            (
                "groupExpression",
                Some(scalar(requirements.group_expression.source())),
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

/// Returns the text before the endpoints.
pub(crate) fn head(is_empty: bool) -> String {
    let endpoints = if is_empty { " []" } else { "" };
    format!("version: 1\nendpoints:{endpoints}\n")
}

/// Writes an endpoint or a route as a list item, without the fields that have no value.
pub(crate) fn write_entry(
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
