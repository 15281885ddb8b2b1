//! Locations whose backend gets another path than the one that Keygate decided on.

use super::{
    Directive, Finding,
    scope::{is_from_caller, named, variables},
    server::Location,
    warning,
};

/// A path of a policy that matches another rule when it is written in another case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseGap {
    /// A path that a rule matches.
    pub path: String,
    /// The same path in the other case.
    pub other: String,
    /// The rule that matches it then.
    pub decided_by: String,
}

/// Returns the findings about the path that a location sends to its backend.
pub(super) fn findings(location: &Location<'_>, pass: Option<&Directive>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(pass.and_then(|pass| decoded_pass(location, pass)));
    findings.extend(pass.and_then(chosen_by_caller));
    findings.extend(pass.and_then(|pass| joint(location, pass, uri_of(pass.argument(0)))));
    for header in named(location.directive.children(), "proxy_set_header") {
        let decoded = variables(header.argument(1)).find(|name| is_decoded(name));
        findings.extend(decoded.map(|name| {
            let message =
                format!("`${name}` is decoded, so `%0d%0a` in a path ends the header line");
            warning(header, message).help("use `$request_uri`, which is not decoded")
        }));
    }
    findings
}

/// Reports an `alias` of which only the prefix, or only the replacement, ends with a slash.
pub(super) fn alias(location: &Location<'_>) -> Option<Finding> {
    let alias = named(location.directive.children(), "alias").last()?;
    joint(location, alias, Some(alias.argument(0)))
}

/// Reports a case-insensitive location, if the policy distinguishes its paths by case.
pub(super) fn case(location: &Location<'_>, gaps: Option<&[CaseGap]>) -> Option<Finding> {
    let directive = location.directive;
    if directive.name != "location" || directive.argument(0) != "~*" {
        return None;
    }
    let title = directive.title();
    let Some(gaps) = gaps else {
        let message = format!(
            "`{title}` is case-insensitive, but Keygate distinguishes `/orders` from `/ORDERS`"
        );
        return Some(warning(directive, message).help(
            "use `~`, or add `--policy FILE` to report only paths that match another rule when the \
             case changes",
        ));
    };
    let prefix = literal_prefix(directive.argument(1));
    let gap = gaps
        .iter()
        .find(|gap| gap.path.to_ascii_lowercase().starts_with(&prefix))?;
    let message = format!(
        "`{title}` matches `{}` and `{}`, but in the policy the latter matches the rule `{}`",
        gap.path, gap.other, gap.decided_by
    );
    Some(warning(directive, message).help("use `~` instead of `~*`"))
}

fn is_decoded(variable: &str) -> bool {
    matches!(variable, "uri" | "document_uri")
}

/// Reports a `proxy_pass` with a path that nginx has decoded (`%3f` has become `?`).
fn decoded_pass(location: &Location<'_>, pass: &Directive) -> Option<Finding> {
    let pattern = pattern_of(location);
    let decoded = variables(pass.argument(0)).find(|name| {
        is_decoded(name) || pattern.is_some_and(|pattern| is_decoded_capture(pattern, name))
    })?;
    let message = format!(
        "`${decoded}` in `{}` is decoded, so `%3f`, `%23` or `%0d%0a` in the caller's path changes \
         the backend request after Keygate's decision",
        pass.name
    );
    Some(warning(pass, message).help(
        "use `$request_uri`, or a `proxy_pass` without variables; a capture is safe if it \
         cannot match such characters, e.g. `([a-z0-9-]+)`",
    ))
}

/// Reports a `proxy_pass` to a host or path from a header, a cookie or the query.
fn chosen_by_caller(pass: &Directive) -> Option<Finding> {
    let target = pass.argument(0).split('?').next().unwrap_or_default();
    let chosen = variables(target).find(|name| is_from_caller(name))?;
    let message = format!(
        "`${chosen}` in `{}` lets the caller choose the backend's host or path after Keygate's \
         decision",
        pass.name
    );
    Some(
        warning(pass, message)
            .help("map the expected values, e.g. `map $arg_x $target { default ''; a /a; }`"),
    )
}

/// Returns the regular expression that sets the captures in a location.
fn pattern_of<'c>(location: &Location<'c>) -> Option<&'c str> {
    let rewrite = named(location.directive.children(), "rewrite").last();
    let is_regex = matches!(location.directive.argument(0), "~" | "~*");
    match rewrite {
        Some(rewrite) => Some(rewrite.argument(0)),
        None => is_regex.then(|| location.directive.argument(1)),
    }
}

/// Returns whether a variable is a group of the pattern that may match more than plain characters.
fn is_decoded_capture(pattern: &str, variable: &str) -> bool {
    groups(pattern)
        .iter()
        .enumerate()
        .any(|(index, (name, body))| {
            let is_this = *name == variable || (index + 1).to_string() == variable;
            is_this && !is_plain(body)
        })
}

/// Returns the name, if any, and the body of each capturing group.
fn groups(pattern: &str) -> Vec<(&str, &str)> {
    let (mut groups, mut open) = (Vec::new(), Vec::new());
    let (mut is_escaped, mut in_class) = (false, false);
    for (at, character) in pattern.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let rest = pattern.get(at + 1..).unwrap_or_default();
                let name = ["?<", "?P<", "?'"].iter().find_map(|start| {
                    let rest = rest.strip_prefix(start)?;
                    rest.split(['>', '\'']).next()
                });
                let is_capture = name.is_some() || !rest.starts_with('?');
                let name = name.filter(|name| !name.starts_with(['=', '!']));
                let slot = is_capture.then(|| {
                    groups.push((name.unwrap_or_default(), ""));
                    groups.len() - 1
                });
                open.push((slot, at + 1));
            }
            ')' if !in_class => {
                if let Some((Some(slot), start)) = open.pop()
                    && let Some(group) = groups.get_mut(slot)
                {
                    group.1 = pattern.get(start..at).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    groups
}

/// Returns whether a group can only match letters, digits and a few marks.
fn is_plain(body: &str) -> bool {
    let mut body = body;
    if let Some(named) = body.strip_prefix('?') {
        body = named
            .split_once(['>', '\''])
            .map_or("", |(_, inside)| inside);
    }
    let mut characters = body.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        let is_fine = match character {
            '\\' => matches!(characters.next(), Some('d' | 'w' | '.' | '-' | '/' | '_')),
            '[' | ']' => {
                in_class = character == '[';
                true
            }
            '.' => in_class,
            '(' | ')' | '{' | '}' | ',' | '+' | '*' | '?' | ':' | '|' | '-' | '_' | '/' | '~' => {
                true
            }
            other => other.is_ascii_alphanumeric(),
        };
        if !is_fine {
            return false;
        }
    }
    !body.is_empty()
}

/// Returns the path of a `proxy_pass`, if any.
fn uri_of(target: &str) -> Option<&str> {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let rest = rest.strip_prefix("unix:").map_or(Some(rest), |socket| {
        socket.split_once(':').map(|(_, uri)| uri)
    })?;
    rest.find('/').and_then(|at| rest.get(at..))
}

/// Reports a prefix and its replacement if only one of them ends with a slash.
fn joint(location: &Location<'_>, at: &Directive, replacement: Option<&str>) -> Option<Finding> {
    let directive = location.directive;
    let prefix = match (directive.argument(0), directive.arguments.len()) {
        (prefix, 1) if prefix.starts_with('/') => prefix,
        ("^~", 2) => directive.argument(1),
        _ => return None,
    };
    let replacement = replacement.filter(|it| !it.contains('$'))?;
    if directive.name != "location" || prefix.ends_with('/') == replacement.ends_with('/') {
        return None;
    }
    let (message, help) = if replacement.ends_with('/') {
        (
            format!(
                "`{}` also matches `{prefix}../x`, which `{}` maps to `{replacement}../x`",
                directive.title(),
                at.title(),
            ),
            format!("write `location {prefix}/`"),
        )
    } else {
        (
            format!(
                "`{}` maps `{prefix}x` to `{replacement}x` and loses the slash",
                at.title()
            ),
            format!("end `{replacement}` with a slash"),
        )
    };
    Some(warning(at, message).help(&help))
}

/// Returns the plain text that a pattern starts with, in lower case.
fn literal_prefix(pattern: &str) -> String {
    let Some(rest) = pattern.strip_prefix('^') else {
        return String::new();
    };
    let end = rest
        .find(|it: char| !it.is_ascii_alphanumeric() && !matches!(it, '/' | '-' | '_'))
        .unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{groups, is_plain, uri_of};

    #[rstest]
    #[case(r"^/a/(.*)$", &[("", ".*")])]
    #[case(r"^/(?:a|b)/(\d+)/(?<rest>[^/]+)", &[("", r"\d+"), ("rest", "?<rest>[^/]+")])]
    #[case(r"^/([()]+)\((x)", &[("", "[()]+"), ("", "x")])]
    #[case(r"(?=/a)(?!b)(a(b))", &[("", "a(b)"), ("", "b")])]
    fn groups_are_counted_as_pcre_counts_them(
        #[case] pattern: &str,
        #[case] expected: &[(&str, &str)],
    ) {
        assert_eq!(groups(pattern), expected);
    }

    #[rstest]
    #[case(".*", false)]
    #[case("[^/]+", false)]
    #[case(r"\S+", false)]
    #[case("", false)]
    #[case(r"\d+", true)]
    #[case("[a-zA-Z0-9_-]+", true)]
    #[case("?<id>[0-9]{1,9}", true)]
    #[case("a|b", true)]
    fn a_capture_is_plain_without_marks_of_a_uri(#[case] body: &str, #[case] expected: bool) {
        assert_eq!(is_plain(body), expected);
    }

    #[rstest]
    #[case("http://b", None)]
    #[case("http://b/", Some("/"))]
    #[case("https://b:1/x/", Some("/x/"))]
    #[case("http://unix:/run/b.sock", None)]
    #[case("http://unix:/run/b.sock:/x", Some("/x"))]
    fn the_path_of_a_proxy_pass_is_found(#[case] target: &str, #[case] expected: Option<&str>) {
        assert_eq!(uri_of(target), expected);
    }
}
