//! What a guarded location passes on, other than what Keygate has decided on: another protocol,
//! host or method, and the key itself.

use super::{Directive, Expected, Finding, Place, variables, warning};

/// Directives whose values go to backends, callers or logs.
const SHOWN: [&str; 4] = ["add_header", "log_format", "proxy_pass", "proxy_set_header"];

/// Everything that a guarded place passes on to its backend.
pub(super) fn findings(place: &Place<'_>) -> Vec<Finding> {
    let set = place.scope.in_force("proxy_set_header");
    let mut findings: Vec<_> = set.iter().filter_map(|it| protocol(it, place)).collect();
    findings.extend(set.iter().filter_map(|it| host(it)));
    findings.extend(place.scope.one_in_force("proxy_method").and_then(method));
    findings
}

/// Requests to other locations that nginx makes for a response.
///
/// `auth_request` is for a caller's own request alone: nginx skips it in these.
pub(super) fn subrequests(directive: &Directive) -> Option<Finding> {
    let makes_requests = match directive.name.as_str() {
        "add_before_body" | "add_after_body" => !directive.argument(0).is_empty(),
        "ssi" => directive.argument(0) == "on",
        _ => false,
    };
    makes_requests.then(|| {
        let message = format!(
            "`{}` makes requests that Keygate is not asked about",
            directive.title()
        );
        warning(directive, message).help(
            "nginx asks about the caller's own request alone, and so includes what callers may not \
             read: leave it out, or include only locations that need no authorization",
        )
    })
}

/// An upgrade to whatever the caller asks for, such as HTTP/2 in clear text.
fn protocol(set: &Directive, place: &Place<'_>) -> Option<Finding> {
    if !set.argument(0).eq_ignore_ascii_case("upgrade") {
        return None;
    }
    let is_callers = variables(set.argument(1))
        .any(|name| name == "http_upgrade" || is_map_that_passes_upgrade(place, &name));
    is_callers.then(|| {
        let message = format!(
            "`{}` passes on every protocol that the caller names",
            set.argument(0)
        );
        warning(set, message).help(
            "after `h2c` a caller sends requests that neither nginx nor Keygate sees: \
             `map $http_upgrade $upgrade { default ''; ~*^websocket$ websocket; }` and \
             `proxy_set_header upgrade $upgrade`",
        )
    })
}

/// Whether a map gives what the caller wrote as `upgrade`.
fn is_map_that_passes_upgrade(place: &Place<'_>, variable: &str) -> bool {
    place.scope.everything("map").any(|map| {
        map.argument(1)
            .trim_start_matches('$')
            .eq_ignore_ascii_case(variable)
            && map
                .children()
                .iter()
                .any(|entry| variables(entry.argument(0)).any(|name| name == "http_upgrade"))
    })
}

/// The host as it was written: of a request with a whole URL, Keygate decides on the URL's.
fn host(set: &Directive) -> Option<Finding> {
    let name = set.argument(0);
    let is_host = ["host", "x-forwarded-host"]
        .iter()
        .any(|it| name.eq_ignore_ascii_case(it));
    let is_callers = variables(set.argument(1)).any(|name| name == "http_host");
    (is_host && is_callers).then(|| {
        let message = format!("`{name}` is sent as the caller wrote it");
        warning(set, message).help(
            "use `$host`: for `GET http://a.example/ HTTP/1.1` with `Host: b.example`, nginx and \
             Keygate decide on `a.example`",
        )
    })
}

/// Another method than the one that Keygate decides on.
fn method(directive: &Directive) -> Option<Finding> {
    if directive.argument(0) == "$request_method" {
        return None;
    }
    let message = "`proxy_method` sends another method than the one that Keygate decides on";
    Some(warning(directive, message).help("leave it out"))
}

impl Expected {
    /// The caller's key in what goes to a backend, a caller or a log.
    pub(super) fn shown_key(&self, directive: &Directive) -> Option<Finding> {
        if !SHOWN.contains(&directive.name.as_str()) {
            return None;
        }
        // The first argument is the name, but for `proxy_pass`.
        let skipped = usize::from(directive.name != "proxy_pass");
        let values = directive.arguments.iter().skip(skipped);
        let variable = values
            .flat_map(|value| variables(value))
            .find(|name| self.is_key(name))?;
        // The header of cookies itself, which the rule for headers reports.
        let is_own_header = directive.name == "proxy_set_header"
            && variable == format!("http_{}", variable_of(directive.argument(0)));
        if is_own_header {
            return None;
        }
        let message = format!(
            "`${variable}` in `{}` is the key of the caller",
            directive.name
        );
        Some(warning(directive, message).help(
            "`$keygate_key_id` names the key without revealing it; `$keygate_backend_cookie` has \
             the other cookies",
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

/// A header's name as nginx writes it in variables.
fn variable_of(header: &str) -> String {
    header.to_ascii_lowercase().replace('-', "_")
}
