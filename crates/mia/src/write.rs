//! A policy as the text of a `policy.yaml`, for importers.

use std::fmt::Write as _;

use keygate_documents::yaml::scalar;
use keygate_policy::policy::{Draft, Method};

/// The file that says what these endpoints ask for.
pub(crate) fn policy_yaml(endpoints: &[Draft]) -> String {
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
pub(crate) fn head(is_empty: bool) -> String {
    let endpoints = if is_empty { " []" } else { "" };
    format!("version: 1\nendpoints:{endpoints}\n")
}

/// One endpoint or route: a list item; a field without a value is left out.
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
