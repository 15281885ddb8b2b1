//! YAML as plain data into serde types, with errors reported as [`Diagnostic`]s.
//!
//! Tags, anchors, aliases, merge keys, directives and fields without a value are rejected in every
//! file. YAML libraries drop most of these silently, and `!isBackoffice && …` would be read as what
//! follows the tag.

use std::ops::Range;

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location, options::MergeKeyPolicy};

pub use crate::diagnostic::Content;
use crate::{
    diagnostic::{Diagnostic, nearest, offset_of},
    mismatch,
    nodes::{Feature, Node, Nodes, Role, SyntaxError},
    quote, syntax,
};

/// Parses one YAML document.
///
/// # Errors
/// The text is empty, is not YAML, is not plain data, has more than one document, or does not fit
/// `T`; an unknown field comes with the nearest known one.
pub fn from_str<T: DeserializeOwned>(text: &str, content: Content) -> Result<T, Diagnostic> {
    if is_empty(text) {
        return Err(Diagnostic::error("the file is empty").help("start it with `version: 1`"));
    }
    check_line_breaks(text)?;
    check_plain(text, content)?;
    // The files come from the operator and may be large: a million keys are twenty million nodes. The
    // limits on nesting and aliases stay, because those make a small file expensive.
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        merge_keys: MergeKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_nodes: 200_000_000, max_events: 500_000_000, max_total_scalar_bytes: 4 << 30,
            max_anchors: 0, max_aliases: 0,
        },
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| diagnostic(&error, text, content))
}

/// Returns whether a text contains only blank lines and comments.
#[must_use]
pub fn is_empty(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    text.lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// Returns the location of a [`serde_saphyr::Spanned`] value, in bytes of the text.
#[must_use]
pub fn span(location: Location, text: &str) -> Range<usize> {
    let span = location.span();
    let by_column = || {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        offset_of(text, number(location.line()), number(location.column()))
    };
    let start = match span.byte_offset() {
        Some(offset) => usize::try_from(offset).unwrap_or(text.len()),
        None => by_column(),
    };
    let length = span
        .byte_len()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    start..start.saturating_add(length)
}

/// Line breaks of Unicode and older YAML that YAML 1.2 treats as part of the line.
const UNREAD_LINE_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Rejects line breaks that editors show and YAML ignores, except in quotes.
///
/// After one of them, the field that an editor shows on the next line is part of a comment.
fn check_line_breaks(text: &str) -> Result<(), Diagnostic> {
    if !text.contains(UNREAD_LINE_BREAKS) {
        return Ok(());
    }
    let is_quoted = |at: &Range<usize>| {
        let scalar = text.get(at.clone());
        scalar.is_some_and(|scalar| scalar.starts_with(['"', '\'']))
    };
    let nodes = Nodes::of(text).map_while(Result::ok).map(|node| node.at);
    let quoted: Vec<_> = nodes.filter(is_quoted).collect();
    let unread = text
        .match_indices(UNREAD_LINE_BREAKS)
        .find(|(at, _)| !quoted.iter().any(|scalar| scalar.contains(at)));
    let Some((at, character)) = unread else {
        return Ok(());
    };
    let code = character.chars().next().map_or(0, u32::from);
    Err(Diagnostic::error(format!(
        "editors show U+{code:04X} as a line break, but YAML does not treat it as one"
    ))
    .at(at..at + character.len())
    .help("use a normal line break, or put the value in quotes"))
}

/// Rejects everything that is not plain data.
fn check_plain(text: &str, content: Content) -> Result<(), Diagnostic> {
    for node in Nodes::of(text) {
        match node {
            Ok(Node { feature: None, .. }) => {}
            Ok(node) => return Err(not_plain(&node, text, content)),
            Err(SyntaxError { kind, at }) => {
                return Err(syntax::diagnostic(&kind, at, text, content));
            }
        }
    }
    Ok(())
}

fn not_plain(node: &Node<'_>, text: &str, content: Content) -> Diagnostic {
    let Some((feature, at)) = &node.feature else {
        return Diagnostic::error("not plain data");
    };
    let written = text.get(at.clone()).unwrap_or_default();
    let reads = match content {
        Content::Public => format!("YAML reads `{written}`"),
        Content::Secret => "YAML reads this".to_owned(),
    };
    let quoted = || quote::help(text, at.start, content, node.is_in_flow);
    let (message, help) = match feature {
        Feature::Tag if written.starts_with("!!") || written.starts_with("!<") => {
            let help = "remove the tag, or put the value in quotes if it begins with `!`";
            (
                format!("{reads} as a tag, which is not supported"),
                help.to_owned(),
            )
        }
        Feature::Tag => (format!("{reads} as a tag and would discard it"), quoted()),
        Feature::Anchor => (
            format!("{reads} as an anchor and would discard it"),
            quoted(),
        ),
        Feature::Alias => (
            format!("{reads} as an alias, which is not supported"),
            quoted(),
        ),
        Feature::MergeKey => (
            format!("{reads} as a merge key, which is not supported"),
            "write out the fields instead".to_owned(),
        ),
        Feature::NoValue => {
            let (what, help) = match node.role {
                Role::Item => (
                    "this list item",
                    "write it after the `-`, or remove the line",
                ),
                _ => (
                    "this field",
                    "write the value after the colon, or remove the field; write an empty list as \
                     `[]`",
                ),
            };
            (format!("{what} has no value"), help.to_owned())
        }
    };
    Diagnostic::error(message).at(at.clone()).help(help)
}

fn diagnostic(error: &Error, text: &str, content: Content) -> Diagnostic {
    let error = error.without_snippet();
    let public = content == Content::Public;
    let at = match error.location() {
        Some(location) if location != Location::UNKNOWN => Some(span(location, text)),
        _ => None,
    };
    let diagnostic = match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let meant = nearest(field, expected.iter().copied());
            let message = if public || meant.is_some() {
                format!("unknown field `{field}`")
            } else {
                "unknown field".to_owned()
            };
            Diagnostic::error(message).help(did_you_mean(meant, expected))
        }
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            let meant = nearest(variant, expected.iter().copied());
            let message = if public || meant.is_some() {
                format!("`{variant}` is not a valid value for this field")
            } else {
                "not a valid value for this field".to_owned()
            };
            Diagnostic::error(message).help(did_you_mean(meant, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::error(format!("the field `{field}` is missing"))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } if public => {
            Diagnostic::error(format!("the field `{key}` is repeated"))
                .help("remove one of the two")
        }
        Error::DuplicateMappingKey { .. } => {
            Diagnostic::error("a field is repeated").help("remove one of the two")
        }
        Error::MultipleDocuments { .. } => Diagnostic::error("a second YAML document begins here")
            .help(
                "a file can contain only one document: remove the line `---` and everything \
                   after it",
            ),
        Error::Message { msg, .. } if public => Diagnostic::error(msg.clone()),
        Error::Message { msg, .. } => Diagnostic::error(msg.clone()).redacted(),
        other => mismatch::diagnostic(other, at.clone().map(|at| at.start), text, content),
    };
    match at {
        Some(at) => diagnostic.at(at),
        None => diagnostic,
    }
}

/// Returns a string that YAML parses back: plain if safe in a block mapping, else in quotes.
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

fn did_you_mean(meant: Option<&str>, expected: &[&str]) -> String {
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("expected one of: {}", expected.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Sample {
        #[expect(dead_code, reason = "only the errors are of interest")]
        client_type: String,
        #[expect(dead_code, reason = "only the errors are of interest")]
        #[serde(default)]
        active: bool,
    }

    fn error(text: &str, content: Content) -> String {
        let diagnostic = from_str::<Sample>(text, content).expect_err(text);
        diagnostic.render_without_source("f", text)
    }

    #[test]
    fn a_large_file_is_read() {
        let text = "- 1\n".repeat(300_000);
        let numbers: Vec<u64> = from_str(&text, Content::Public).unwrap();
        assert_eq!(numbers.len(), 300_000);
    }

    #[test]
    fn errors_name_their_location_and_the_fix() {
        let cases = [
            "",
            "# only a comment\n",
            "clienttype: A\n",
            "clientType: A\nfoo: 1\n",
            "active: true\n",
            "clientType: A\nactive: yes\n",
            "clientType: A\nactive: 7\n",
            "clientType: A\nclientType: B\n",
            "clientType: [A\n",
            "clientType: A\n---\nclientType: B\n",
            "clientType: {a: b}\n",
            "clientType:\n",
            "clientType: ~\n",
            "- clientType\n",
            "clientType: A\n\tactive: true\n",
            "clientType: A\nactive:\n\t- true\n",
            "clientType: \"A\n",
            "clientType: \"A\" B\n",
            "clientType: [A] B\n",
            "clientType: a: b\n",
            "clientType: %a\n",
            "clientType: A\n active: true\n",
            "clientType: \"\\q\"\n",
            "clientType: !a && b\n",
            "clientType: ! a # c\n",
            "{clientType: !a, active: true}\n",
            "clientType: !!str 5\n",
            "clientType: !a[\"b\"]\n",
            "clientType: &a b\n",
            "clientType: *.example.com\n",
            "<<: {clientType: A}\n",
            "%YAML 1.1\n---\nclientType: A\n",
            "clientType: A\n]\n",
            "\u{feff}clientType: A\nactive: no\n",
        ];
        let all: Vec<_> = cases
            .iter()
            .map(|text| error(text, Content::Public))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
        let secret: Vec<_> = cases
            .iter()
            .map(|text| error(text, Content::Secret))
            .collect();
        insta::assert_snapshot!("errors_of_a_secret_text", secret.join("\n"));
    }

    #[test]
    fn line_separators_that_yaml_ignores_are_rejected() {
        for separator in ['\u{85}', '\u{2028}', '\u{2029}'] {
            for text in [
                format!("clientType: A # comment{separator}active: false\n"),
                format!("clientType: A{separator}  B\n"),
                format!("clientType: |\n  A{separator}active: false\n"),
                format!("# {separator}\nclientType: A\n"),
                format!("clientType: A\n# \"{separator}\"\n"),
                format!("clientType: A\n{separator}\n"),
            ] {
                let shown = error(&text, Content::Secret);
                assert!(shown.contains("a line break"), "{text:?} gave {shown}");
            }
            for text in [
                format!("clientType: \"A{separator}\"\n"),
                format!("clientType: 'A{separator}'\n"),
            ] {
                assert!(
                    from_str::<Sample>(&text, Content::Public).is_ok(),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn errors_never_contain_a_secret_text() {
        for text in [
            "kg_SECRET: A\n",
            "clientType: {kg_SECRET: b}\n",
            "clientType: A\nactive: kg_SECRET\n",
            "kg_SECRET\n",
            "kg_SECRET: [\n",
            "clientType: *kg_SECRET\n",
            "kg_SECRET: 1\nkg_SECRET: 2\n",
        ] {
            let shown = error(text, Content::Secret);
            assert!(!shown.contains("SECRET"), "{text:?} gave {shown}");
        }
    }

    proptest! {
        #[test]
        fn a_written_scalar_parses_back(text in "\\PC*|[a-z:#'\"\\\\\\n\\t &*!|>%@{}\\[\\],-]{0,12}|null|~|yes") {
            #[derive(serde::Deserialize)]
            struct Document {
                field: String,
            }
            let file = format!("field: {}\n", scalar(&text));
            let document: Document = from_str(&file, Content::Public).unwrap();
            proptest::prop_assert_eq!(document.field, text);
        }
    }
}
