//! YAML into serde types, with mistakes reported as [`Diagnostic`]s.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location, MessageFormatter, UserMessageFormatter};

use crate::diagnostic::{Diagnostic, nearest};

/// Whether a mistake may repeat what stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The text may be shown.
    Public,
    /// The text holds secrets: messages name only what is expected, and where.
    Secret,
}

/// Reads one YAML document.
///
/// # Errors
/// The text is empty, is not YAML, has more than one document, or does not fit `T`; an unknown
/// field comes with the nearest known one.
pub fn from_str<T: DeserializeOwned>(text: &str, content: Content) -> Result<T, Diagnostic> {
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Err(Diagnostic::error("the file is empty").help("it starts with `version: 1`"));
    }
    // The files are the operator's own, and may be large: a million keys are twenty million nodes.
    // What makes a small file expensive, nesting and aliases, stays limited.
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_nodes: 200_000_000, max_events: 500_000_000, max_total_scalar_bytes: 4 << 30,
        },
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| diagnostic(&error, text, content))
}

/// The place of a [`serde_saphyr::Spanned`] value, in bytes of the text.
#[must_use]
pub fn span(location: Location, text: &str) -> std::ops::Range<usize> {
    let span = location.span();
    let start = match span.byte_offset() {
        Some(offset) => usize::try_from(offset).unwrap_or(text.len()),
        None => text.len(),
    };
    let length = span
        .byte_len()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    start..start.saturating_add(length)
}

fn diagnostic(error: &Error, text: &str, content: Content) -> Diagnostic {
    let error = error.without_snippet();
    let public = content == Content::Public;
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
                format!("`{variant}` is not a value of this field")
            } else {
                "not a value of this field".to_owned()
            };
            Diagnostic::error(message).help(did_you_mean(meant, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::error(format!("the field `{field}` is missing"))
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. }
            if !public =>
        {
            Diagnostic::error(format!("expected {expected}"))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } if public => {
            Diagnostic::error(format!("`{key}` stands here a second time"))
        }
        Error::DuplicateMappingKey { .. } => {
            Diagnostic::error("the same field stands here a second time")
        }
        Error::Message { msg, .. } => Diagnostic::error(msg.clone()),
        other if public => {
            Diagnostic::error(UserMessageFormatter.format_message(other).into_owned())
        }
        _ => Diagnostic::error("not valid YAML for this file"),
    };
    match error.location() {
        Some(location) if location != Location::UNKNOWN => diagnostic.at(span(location, text)),
        _ => diagnostic,
    }
}

/// A string as YAML reads it back: plain where that is safe in a block mapping, else in quotes.
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
        None => format!("known here: {}", expected.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Sample {
        #[expect(dead_code, reason = "only its mistakes are of interest")]
        client_type: String,
        #[expect(dead_code, reason = "only its mistakes are of interest")]
        #[serde(default)]
        active: bool,
    }

    fn mistake(text: &str, content: Content) -> String {
        let diagnostic = from_str::<Sample>(text, content).unwrap_err();
        diagnostic.render_without_source("f", text)
    }

    #[test]
    fn a_large_file_is_read() {
        let text = "- 1\n".repeat(300_000);
        let numbers: Vec<u64> = from_str(&text, Content::Public).unwrap();
        assert_eq!(numbers.len(), 300_000);
    }

    #[test]
    fn mistakes_name_their_place_and_the_mend() {
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
        ];
        let all: Vec<_> = cases
            .iter()
            .map(|text| mistake(text, Content::Public))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_secret_text_is_never_repeated() {
        for text in [
            "kg_SECRET: A\n",
            "clientType: {kg_SECRET: b}\n",
            "clientType: A\nactive: kg_SECRET\n",
            "kg_SECRET\n",
            "kg_SECRET: [\n",
            "clientType: *kg_SECRET\n",
            "kg_SECRET: 1\nkg_SECRET: 2\n",
        ] {
            let shown = mistake(text, Content::Secret);
            assert!(!shown.contains("SECRET"), "{text:?} gave {shown}");
        }
    }

    proptest! {
        #[test]
        fn yaml_reads_a_scalar_back(text in "\\PC*|[a-z:#'\"\\\\\\n\\t &*!|>%@{}\\[\\],-]{0,12}|null|~|yes") {
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
