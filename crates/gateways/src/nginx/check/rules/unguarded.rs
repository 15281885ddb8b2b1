//! Locations beside the guarded ones that respond without Keygate.

use super::{Directive, Finding, OWN, scope::named, server::Location, warning};

/// What makes a location respond by itself, and what it then does.
const CONTENT: [(&str, &str); 15] = [
    ("alias", "serves files"),
    ("autoindex", "lists folders"),
    ("content_by_lua", "responds by Lua"),
    ("content_by_lua_block", "responds by Lua"),
    ("content_by_lua_file", "responds by Lua"),
    ("dav_methods", "writes files"),
    ("empty_gif", "responds"),
    ("flv", "serves files"),
    ("js_content", "responds by JavaScript"),
    ("mirror", "sends copies of requests"),
    ("mp4", "serves files"),
    ("perl", "responds by Perl"),
    ("root", "serves files"),
    ("stub_status", "shows nginx's counters"),
    ("try_files", "serves files"),
];

/// A location that responds without a guard, where nothing else keeps callers out of it.
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
        "`{}` {what} without asking Keygate",
        location.directive.title()
    );
    Some(warning(directive, message).help(help(location.directive)))
}

/// Keygate turned off, or another service asked, inside a block that has it.
pub(super) fn turned_off(location: &Location<'_>) -> Option<Finding> {
    let other = named(location.directive.children(), "auth_request").last()?;
    if other.argument(0).starts_with(OWN) || !location.scope.outer().is_guarded() {
        return None;
    }
    let title = location.directive.title();
    let message = match other.argument(0) {
        "off" => format!("`auth_request off` lets every request to `{title}` pass without Keygate"),
        asked => format!("`{title}` asks `{asked}` in the place of Keygate"),
    };
    Some(warning(other, message).help(help(location.directive)))
}

/// What to do about a location that does not ask.
pub(super) fn help(location: &Directive) -> &'static str {
    let is_regex = matches!(location.argument(0), "~" | "~*");
    if is_regex && !location.argument(1).starts_with('^') {
        "include `keygate-authorize.conf` in it; its regular expression does not start with `^`, \
         so it also takes paths of locations that have the include"
    } else {
        "include `keygate-authorize.conf` in it"
    }
}

/// Whether callers cannot reach it, or get a denial or redirect in any case.
fn is_closed(location: &Location<'_>) -> bool {
    let block = location.directive.children();
    let denies_all = |it: &&Directive| it.argument(0) == "all";
    location.directive.argument(0).starts_with('@')
        || named(block, "internal").next().is_some()
        || named(block, "return").next().is_some()
        || location.scope.effective("deny").iter().any(denies_all)
}

/// Whether it is the one page that an `error_page` leads to.
fn is_error_page(location: &Location<'_>) -> bool {
    let page = location.directive.argument(1);
    location.directive.argument(0) == "="
        && location
            .scope
            .everything("error_page")
            .any(|it| it.arguments.last().is_some_and(|target| target == page))
}
