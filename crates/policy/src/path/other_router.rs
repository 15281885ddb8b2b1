//! Placeholders and wildcards in the syntax of other routers.
//!
//! As literal text they would match only themselves, so a laxer rule above would decide the requests.
//! A percent-encoded character is literal.

/// The position of a segment in its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position<'t> {
    pub(super) is_last: bool,
    /// The path before the segment, if it is an endpoint's: it needs no wildcard at its end.
    pub(super) endpoint: Option<&'t str>,
}

/// Returns the hint for a segment that looks like another router's placeholder, wildcard or regular
/// expression; `None` for plain text. Braces are handled elsewhere.
pub(super) fn instead_of(segment: &str, position: Position<'_>) -> Option<String> {
    if segment == "..." {
        return Some(rest(position));
    }
    if let Some(inner) = segment.strip_prefix('[') {
        let inner = inner.trim_matches(['[', ']']);
        if inner.starts_with("...") {
            return Some(rest(position));
        }
        if is_name(inner) {
            return Some(format!("write `{{{inner}}}`"));
        }
    }
    if segment.contains(['<', '>']) {
        let inner = segment.trim_matches(['<', '>']);
        return Some(match inner.split_once(':') {
            Some(("path", _)) => rest(position),
            Some((_, name)) => named(name),
            None => named(inner),
        });
    }
    if let Some(name) = segment.strip_prefix([':', '$']) {
        return Some(named(name));
    }
    if is_regular_expression(segment) {
        let instead = "paths are not regular expressions: for a variable segment, write `{name}`";
        return Some(instead.to_owned());
    }
    if has_placeholder_inside(segment) {
        return Some("a placeholder must be a whole segment: write `{name}`".to_owned());
    }
    match segment.find('*') {
        Some(0) if position.is_last && is_name(segment.trim_start_matches('*')) => {
            Some(rest(position))
        }
        Some(0) if position.is_last && segment.bytes().all(|byte| byte == b'*') => {
            Some(rest(position))
        }
        Some(_) => Some("a placeholder must be a whole segment: write `{name}`".to_owned()),
        None => None,
    }
}

/// Returns the hint for braces that are neither `{name}` nor `{*rest}`, if there is one.
pub(super) fn instead_of_braces(segment: &str, position: Position<'_>) -> Option<String> {
    let inner = segment
        .strip_prefix('$')
        .unwrap_or(segment)
        .strip_prefix('{')?
        .trim_matches(['{', '}']);
    let name_start = inner.trim_start_matches('*');
    let name_end = name_start
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(name_start.len());
    let (name, after) = name_start.split_at_checked(name_end)?;
    if !is_name(name) || name == segment {
        return None;
    }
    let takes_more = inner.starts_with('*')
        || ["...", "*", ":.*", ":.+", ":path"]
            .iter()
            .any(|more| after.starts_with(more));
    let is_closed = segment.ends_with('}');
    match (
        takes_more,
        after.starts_with([':', '?', '=', '.', '*', '<']),
    ) {
        (true, _) => Some(rest(position)),
        (false, has_pattern) if has_pattern || (is_closed && segment.contains(['$'])) => {
            Some(format!("{}, which matches any single segment", named(name)))
        }
        (false, _) if segment.starts_with("{{") => Some(named(name)),
        (false, _) => None,
    }
}

/// Percent-encodes the characters of a segment that have a meaning in other routers.
pub(super) fn encoded(segment: &str) -> String {
    let has_meaning = |character: &char| "*:$<>[]^|{}()+?\\".contains(*character);
    let encode = |character: char| match character {
        '.' if segment == "..." => "%2E".to_owned(),
        character if has_meaning(&character) => format!("%{:02X}", u32::from(character)),
        character => character.to_string(),
    };
    segment.chars().map(encode).collect()
}

fn rest(position: Position<'_>) -> String {
    match position.endpoint {
        _ if !position.is_last => "for a variable segment, write `{name}`".to_owned(),
        None => "for the rest of the path, write `{*rest}`; for a variable segment, write \
                 `{name}`"
            .to_owned(),
        Some(path) => {
            let path = if path.is_empty() { "/" } else { path };
            format!("write `{path}`, because an endpoint's path covers everything below it")
        }
    }
}

/// The placeholder of a name, without the regular expression after it.
fn named(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let name = text.get(..end).filter(|name| is_name(name));
    format!("write `{{{}}}`", name.unwrap_or("name"))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Whether the segment contains `:name`, as in `@:user`; the `:` of `v1:cancel` is text.
fn has_placeholder_inside(segment: &str) -> bool {
    segment.match_indices(':').any(|(at, _)| {
        let (before, after) = segment.split_at(at);
        let follows_a_mark = before.ends_with(|c: char| !c.is_alphanumeric() && c != ')');
        let begins_a_name = after
            .trim_start_matches(':')
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        follows_a_mark && begins_a_name
    })
}

fn is_regular_expression(segment: &str) -> bool {
    let classes = ["\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\."];
    segment.contains(['^', '|', '[', ']'])
        || segment.contains(".*")
        || segment.contains(".+")
        || segment.ends_with('$')
        || classes.iter().any(|class| segment.contains(class))
}
