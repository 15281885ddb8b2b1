//! Locations that respond without authorization by Keygate.

use super::{Directive, Finding, OWN, scope::named, server::Location, warning};

/// Directives that make a location respond by itself, and what it then does.
const CONTENT: [(&str, &str); 15] = [
    ("alias", "serves files"),
    ("autoindex", "lists directories"),
    ("content_by_lua", "runs Lua"),
    ("content_by_lua_block", "runs Lua"),
    ("content_by_lua_file", "runs Lua"),
    ("dav_methods", "writes files"),
    ("empty_gif", "responds"),
    ("flv", "serves files"),
    ("js_content", "runs JavaScript"),
    ("mirror", "sends copies of requests"),
    ("mp4", "serves files"),
    ("perl", "runs Perl"),
    ("root", "serves files"),
    ("stub_status", "shows nginx's counters"),
    ("try_files", "serves files"),
];

/// Reports a location that responds without authorization, and that callers can reach.
pub(super) fn content(location: &Location<'_>) -> Option<Finding> {
    let block = location.directive.children();
    let (directive, what) = block.iter().find_map(|directive| {
        let (_, what) = CONTENT.iter().find(|(name, _)| *name == directive.name)?;
        Some((directive, what))
    })?;
    if location.directive.name != "location" || is_closed(location) || is_error_page(location) {
        return None;
    }
    let message = format!(
        "`{}` {what} without authorization by Keygate",
        location.directive.title()
    );
    Some(warning(directive, message).help(help(location.directive)))
}

/// Reports `auth_request off`, or another service's `auth_request`, inside a guarded block.
pub(super) fn turned_off(location: &Location<'_>) -> Option<Finding> {
    let other = named(location.directive.children(), "auth_request").last()?;
    if other.argument(0).starts_with(OWN) || !location.scope.outer().is_guarded() {
        return None;
    }
    let title = location.directive.title();
    let message = match other.argument(0) {
        "off" => format!("`auth_request off` lets every request to `{title}` pass without Keygate"),
        other => format!("`{title}` sends authorization requests to `{other}` instead of Keygate"),
    };
    Some(warning(other, message).help(help(location.directive)))
}

/// Returns the hint for a location without authorization.
pub(super) fn help(location: &Directive) -> &'static str {
    let is_regex = matches!(location.argument(0), "~" | "~*");
    if is_regex && !location.argument(1).starts_with('^') {
        "include `keygate-authorize.conf` in it; because its regular expression does not start \
         with `^`, it also matches paths that belong to locations with the include"
    } else {
        "include `keygate-authorize.conf` in it"
    }
}

/// Returns whether callers cannot reach it, or always get a denial or redirect.
fn is_closed(location: &Location<'_>) -> bool {
    let block = location.directive.children();
    let denies_all = |it: &&Directive| it.argument(0) == "all";
    location.directive.argument(0).starts_with('@')
        || named(block, "internal").next().is_some()
        || named(block, "return").next().is_some()
        || location.scope.effective("deny").iter().any(denies_all)
}

/// Returns whether it is the page of an `error_page`.
fn is_error_page(location: &Location<'_>) -> bool {
    let page = location.directive.argument(1);
    location.directive.argument(0) == "="
        && location
            .scope
            .everything("error_page")
            .any(|it| it.arguments.last().is_some_and(|target| target == page))
}
