//! What a guarded location sends to backends other than what Keygate decided on: another
//! protocol, host or method, and the key itself.

use super::{
    Directive, Expected, Finding,
    scope::variables,
    server::{Location, PASSES},
    warning,
};

/// Directives whose values go to backends, callers or logs.
const SHOWN: [&str; 6] = [
    "add_header",
    "grpc_pass",
    "grpc_set_header",
    "log_format",
    "proxy_pass",
    "proxy_set_header",
];

/// What keygate-authorize.conf sets, beside the headers that may hold a key.
const HEADERS: [&str; 8] = [
    "client-type",
    "x-keygate-key-id",
    "miauserid",
    "miausergroups",
    "miauserproperties",
    "isbackoffice",
    "x-keygate-token",
    "client_type",
];

/// Returns the findings about the protocol, host and method that a backend gets.
pub(super) fn findings(location: &Location<'_>) -> Vec<Finding> {
    let set = location.scope.effective("proxy_set_header");
    let mut findings: Vec<_> = set.iter().filter_map(|it| protocol(it, location)).collect();
    findings.extend(set.iter().filter_map(|it| host(it)));
    findings.extend(
        location
            .scope
            .one_effective("proxy_method")
            .and_then(method),
    );
    findings
}

impl Location<'_> {
    /// Reports headers that the include does not replace, or that are set twice.
    pub(super) fn headers(&self, pass: &Directive, expected: &Expected) -> Vec<Finding> {
        let sets = PASSES.iter().find(|(name, _)| *name == pass.name);
        let Some(sets) = sets.and_then(|(_, sets)| *sets) else {
            let message = format!(
                "`{}` does not send the headers that Keygate's include sets",
                pass.name
            );
            return vec![warning(pass, message).help(
                "the backend gets the API key and the `client-type` that the caller sent: use \
                 `proxy_pass`, or replace these headers here",
            )];
        };
        let set = self.scope.effective(sets);
        let of_settings: Vec<_> = expected.headers_of_backends().collect();
        let cookie = (!expected.key_cookies.is_empty()).then_some("cookie");
        let others = of_settings.iter().copied().chain(cookie);
        let others = others.filter(|it| !HEADERS.contains(it));
        let headers: Vec<_> = HEADERS.into_iter().chain(others).collect();
        let is_lost = |header: &&&str| !self.scope.replaces_by(sets, header);
        let lost: Vec<_> = headers.iter().filter(is_lost).collect();
        if !lost.is_empty() {
            let names: Vec<_> = lost.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "`{}` passes {} to the backend as sent by the caller",
                self.directive.title(),
                names.join(", ")
            );
            let at = set.first().copied().unwrap_or(pass);
            let help = if sets == "grpc_set_header" && lost.len() == headers.len() {
                "`grpc_pass` ignores `proxy_set_header`: include `keygate-grpc.conf` in this block \
                 as well"
            } else if lost.iter().all(|name| of_settings.contains(name)) {
                "these names come from the settings: regenerate the includes with `keygate \
                 nginx-includes --config FILE --out DIR`"
            } else {
                "a block with its own `proxy_set_header` does not inherit any: include \
                 `keygate-authorize.conf` in this block"
            };
            return vec![warning(at, message).help(help)];
        }
        // nginx does not send a header with an empty value.
        let count_values = |header: &str| {
            let same = set.iter().filter(|it| {
                it.argument(0).eq_ignore_ascii_case(header) && !it.argument(1).is_empty()
            });
            same.count()
        };
        let repeated = headers.iter().filter(|header| count_values(header) > 1);
        repeated
            .filter_map(|header| {
                let again = set
                    .iter()
                    .rfind(|it| it.argument(0).eq_ignore_ascii_case(header))?;
                let message = format!("`{header}` is set twice, so the backend gets both values");
                Some(warning(again, message).help(
                    "remove this line: Keygate's include sets the \
                                                   header",
                ))
            })
            .collect()
    }
}

/// Reports directives that make subrequests, in which nginx skips `auth_request`.
pub(super) fn subrequests(directive: &Directive) -> Option<Finding> {
    let makes_requests = match directive.name.as_str() {
        "add_before_body" | "add_after_body" => !directive.argument(0).is_empty(),
        "ssi" => directive.argument(0) == "on",
        _ => false,
    };
    makes_requests.then(|| {
        let message = format!(
            "`{}` makes subrequests without authorization by Keygate",
            directive.title()
        );
        warning(directive, message).help(
            "nginx skips `auth_request` in subrequests, so the response might include content that \
             the caller is not allowed to read: remove it, or include only locations that need no \
             authorization",
        )
    })
}

/// Reports an upgrade to any protocol that the caller requests, such as cleartext HTTP/2.
fn protocol(set: &Directive, location: &Location<'_>) -> Option<Finding> {
    if !set.argument(0).eq_ignore_ascii_case("upgrade") {
        return None;
    }
    let is_callers = variables(set.argument(1))
        .any(|name| name == "http_upgrade" || is_map_that_passes_upgrade(location, &name));
    is_callers.then(|| {
        let message = format!(
            "`{}` passes on every protocol that the caller requests",
            set.argument(0)
        );
        warning(set, message).help(
            "after an upgrade to `h2c`, a caller can send requests that bypass nginx and Keygate: \
             use `map $http_upgrade $upgrade { default ''; ~*^websocket$ websocket; }` and \
             `proxy_set_header upgrade $upgrade`",
        )
    })
}

/// Returns whether a map passes the caller's own `upgrade` header.
fn is_map_that_passes_upgrade(location: &Location<'_>, variable: &str) -> bool {
    location.scope.everything("map").any(|map| {
        map.argument(1)
            .trim_start_matches('$')
            .eq_ignore_ascii_case(variable)
            && map
                .children()
                .iter()
                .any(|entry| variables(entry.argument(0)).any(|name| name == "http_upgrade"))
    })
}

/// Reports the `host` header as the caller wrote it: for an absolute URL, Keygate decides on its host.
fn host(set: &Directive) -> Option<Finding> {
    let name = set.argument(0);
    let is_host = ["host", "x-forwarded-host"]
        .iter()
        .any(|it| name.eq_ignore_ascii_case(it));
    let is_callers = variables(set.argument(1)).any(|name| name == "http_host");
    (is_host && is_callers).then(|| {
        let message = format!("`{name}` is sent exactly as the caller wrote it");
        warning(set, message).help(
            "use `$host`: for `GET http://a.example/ HTTP/1.1` with `Host: b.example`, nginx and \
             Keygate use `a.example`",
        )
    })
}

/// Reports another method than the one that Keygate decides on.
fn method(directive: &Directive) -> Option<Finding> {
    if directive.argument(0) == "$request_method" {
        return None;
    }
    let message = "`proxy_method` sends a method other than the one that Keygate checks";
    Some(warning(directive, message).help("remove it"))
}

impl Expected {
    /// Reports the caller's key in what goes to a backend, a caller or a log.
    pub(super) fn shown_key(&self, directive: &Directive) -> Option<Finding> {
        if !SHOWN.contains(&directive.name.as_str()) {
            return None;
        }
        // Except for `proxy_pass` and `grpc_pass`, the first argument is a name.
        let skipped = usize::from(!directive.name.ends_with("_pass"));
        let values = directive.arguments.iter().skip(skipped);
        let variable = values
            .flat_map(|value| variables(value))
            .find(|name| self.is_key(name))?;
        // The rule for headers reports the `cookie` header itself.
        let is_own_header = directive.name.ends_with("_set_header")
            && variable == format!("http_{}", variable_of(directive.argument(0)));
        if is_own_header {
            return None;
        }
        let message = format!(
            "`${variable}` in `{}` contains the caller's key",
            directive.name
        );
        Some(warning(directive, message).help(
            "`$keygate_key_id` identifies the key without revealing it; `$keygate_backend_cookie` \
             contains the other cookies",
        ))
    }

    fn is_key(&self, variable: &str) -> bool {
        let is_header = |name: &String| variable == format!("http_{}", variable_of(name));
        let is_cookie = |name: &String| variable == format!("cookie_{}", name.to_ascii_lowercase());
        self.key_headers.iter().any(is_header)
            || self.key_cookies.iter().any(is_cookie)
            || (variable == "http_cookie" && !self.key_cookies.is_empty())
    }
}

/// Returns a header's name as nginx writes it in variables.
fn variable_of(header: &str) -> String {
    header.to_ascii_lowercase().replace('-', "_")
}
