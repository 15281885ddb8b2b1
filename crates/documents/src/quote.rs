//! Hints to quote a value that YAML would read as something else.

use crate::{content::line_around, diagnostic::Content};

/// Returns the hint to quote the value at an offset; shows a one-line value if it may be shown.
pub(crate) fn help(text: &str, at: usize, content: Content, is_in_flow: bool) -> String {
    let value = value_around(text, at).filter(|_| content == Content::Public && !is_in_flow);
    match value {
        Some(value) => format!("put it in quotes: `{}`", quoted(value)),
        None => "put the value in quotes".to_owned(),
    }
}

/// Returns the text after `name: ` or `- ` on the line of an offset, without a comment.
fn value_around(text: &str, at: usize) -> Option<&str> {
    let line = line_around(text, at).trim_start_matches([' ', '-']);
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let value = match line.split_once(": ") {
        Some((name, value)) if name.chars().all(is_name) => value,
        _ => line,
    };
    let value = value.split(" #").next()?.trim();
    (!value.is_empty()).then_some(value)
}

fn quoted(value: &str) -> String {
    if !value.contains(['"', '\\']) {
        format!("\"{value}\"")
    } else if !value.contains('\'') {
        format!("'{value}'")
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
