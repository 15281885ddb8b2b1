//! Directives that nginx runs before the access phase, and so before the authorization request:
//! `return`, `rewrite`, `if`, `set`, and the keys of limits.

use std::collections::HashSet;

use super::{
    Configuration, Directive, Finding,
    scope::{variables, visit},
    server::is_redirect,
    warning,
};

/// Directives that nginx evaluates before the access phase.
const EARLY: [&str; 4] = ["if", "set", "rewrite", "return"];

/// Reports a directive of a guarded block that responds before the authorization request.
pub(super) fn responds(directive: &Directive) -> Option<Finding> {
    let is_response = match directive.name.as_str() {
        // A status from 400 on denies by itself.
        "return" => !directive
            .argument(0)
            .parse()
            .is_ok_and(|status: u16| (400..600).contains(&status)),
        "rewrite" => is_redirect(directive),
        _ => false,
    };
    is_response.then(|| {
        let message = format!(
            "`{}` responds before the authorization request",
            directive.title()
        );
        warning(directive, message).help(
            "nginx runs it before `auth_request`, so every caller gets this response: remove it, \
             or move it to a location that needs no authorization",
        )
    })
}

/// The variables that the includes set from the authorization response.
const OWN_LATE: [&str; 6] = [
    "keygate_client_type",
    "keygate_key_id",
    "keygate_reason",
    "keygate_user_groups",
    "keygate_user_id",
    "keygate_user_properties",
];

/// Variables that have no value until Keygate has responded.
#[derive(Debug)]
pub(super) struct Late(HashSet<String>);

impl Late {
    /// Returns the variables of `auth_request_set`, and of the maps that use them.
    pub(super) fn of(configuration: &Configuration) -> Self {
        let mut late = Self(OWN_LATE.map(str::to_owned).into());
        let mut maps = Vec::new();
        visit(
            &configuration.directives,
            &mut |directive| match directive.name.as_str() {
                "auth_request_set" => {
                    late.0.insert(bare(directive.argument(0)));
                }
                "map" => maps.push((directive.argument(0), bare(directive.argument(1)))),
                _ => {}
            },
        );
        // A map may use one that comes later in the file.
        loop {
            let known = late.0.len();
            for (source, target) in &maps {
                if late.named_in(source).is_some() {
                    late.0.insert(target.clone());
                }
            }
            if late.0.len() == known {
                return late;
            }
        }
    }

    /// Returns the first of these variables in a text.
    fn named_in(&self, text: &str) -> Option<String> {
        variables(text).find(|name| self.0.contains(name))
    }

    /// Reports a zone with such a key: nginx does not count requests with an empty key.
    pub(super) fn zone(&self, directive: &Directive) -> Option<Finding> {
        let name = directive.name.as_str();
        if !matches!(name, "limit_req_zone" | "limit_conn_zone") {
            return None;
        }
        let variable = self.named_in(directive.argument(0))?;
        let message = format!(
            "`{name}` uses `${variable}`, which is empty when nginx counts, because that happens \
             before the authorization request"
        );
        Some(warning(directive, message).help(
            "nginx does not count requests for which this value is empty: use \
             `$binary_remote_addr`, or the `map` in docs/rate-limits.md for a limit per client",
        ))
    }

    /// Reports a directive of a guarded block that reads such a variable too early.
    pub(super) fn read_early(&self, directive: &Directive) -> Option<Finding> {
        if !EARLY.contains(&directive.name.as_str()) {
            return None;
        }
        let variable = directive
            .arguments
            .iter()
            .find_map(|argument| self.named_in(argument))?;
        let message = format!(
            "`{}` uses `${variable}`, which is empty here because nginx runs this directive before \
             the authorization request",
            directive.title()
        );
        Some(warning(directive, message).help(
            "move the condition to the policy, or use a `map` in a directive that nginx evaluates \
             later, such as `proxy_pass` or `proxy_set_header`",
        ))
    }
}

fn bare(variable: &str) -> String {
    variable.trim_start_matches('$').to_ascii_lowercase()
}
