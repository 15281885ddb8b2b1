//! Errors for values of the wrong kind: what was expected, what was found, how to fix it.

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use crate::{
    diagnostic::{Content, Diagnostic},
    nodes::{Kind, Node, Nodes, Role},
};

/// Returns the error for a value of the wrong kind.
pub(crate) fn diagnostic(
    error: &Error,
    at: Option<usize>,
    text: &str,
    content: Content,
) -> Diagnostic {
    let Some(expected) = Expected::of(error) else {
        return Diagnostic::error(match content {
            Content::Public => UserMessageFormatter.format_message(error).into_owned(),
            Content::Secret => "not a valid value for this field".to_owned(),
        });
    };
    let found = at.and_then(|at| Found::at(text, at));
    let name = found.as_ref().and_then(|found| found.name.as_deref());
    let name = name.filter(|_| content == Content::Public);
    let of_field = name
        .map(|name| format!(" for `{name}`"))
        .unwrap_or_default();
    let what = found.as_ref().map(|found| found.what);
    let items = found.as_ref().and_then(|found| found.items.as_deref());
    let other = what.filter(|what| !expected.is_kind(what));
    let instead = other
        .map(|what| format!(", found {what}"))
        .unwrap_or_default();
    let message = format!("expected {}{of_field}{instead}", expected.what());
    let diagnostic = Diagnostic::error(message);
    if let (Expected::List, Some(name), Some(items)) = (&expected, name, items) {
        return diagnostic.help(format!("write `{name}: [{items}]`"));
    }
    match expected.help(what) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The kind of value that a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    List,
    Mapping,
    Boolean,
    Number(String),
    Text,
    Other(String),
}

impl Expected {
    fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::InvalidBooleanStrict { .. } => Self::Boolean,
            Error::NullIntoString { .. } => Self::Text,
            Error::InvalidScalar { ty, .. } => Self::named(ty),
            Error::Unexpected { expected, .. } => Self::named(expected),
            Error::SerdeInvalidType { expected, .. }
            | Error::SerdeInvalidValue { expected, .. }
            | Error::SerdeInvalidLength { expected, .. } => Self::named(expected),
            _ => return None,
        })
    }

    /// Parses the descriptions that serde and the YAML library use.
    fn named(words: &str) -> Self {
        match words {
            "sequence start" | "a sequence" => Self::List,
            "mapping start" | "a map" => Self::Mapping,
            "string scalar" | "scalar" | "a string" | "string" => Self::Text,
            "boolean" | "a boolean" => Self::Boolean,
            "u8" => Self::Number("a number from 0 to 255".to_owned()),
            "u16" => Self::Number("a number from 0 to 65535".to_owned()),
            "a nonzero u32" => Self::Number("a whole number of at least 1".to_owned()),
            "floating point" | "f32" | "f64" => Self::Number("a number".to_owned()),
            "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => {
                Self::Number("a whole number".to_owned())
            }
            struct_name if struct_name.starts_with("struct ") => Self::Mapping,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether the found value has the expected kind, so that only the value itself is wrong.
    fn is_kind(&self, found: &str) -> bool {
        found == self.what() || (matches!(self, Self::Number(_)) && found == "a number")
    }

    fn what(&self) -> &str {
        match self {
            Self::List => "a list",
            Self::Mapping => "a mapping",
            Self::Boolean => "a boolean",
            Self::Text => "a string",
            Self::Number(words) | Self::Other(words) => words,
        }
    }

    fn help(&self, found: Option<&str>) -> Option<String> {
        let help = match (self, found) {
            (Self::List, _) => {
                "write each item on its own line after `- `; write an empty list as `[]`"
            }
            (Self::Mapping, _) => "write its fields as `name: value`, one per line and indented",
            (Self::Boolean, _) => "write `true` or `false`, without quotes",
            (Self::Number(_), _) => "write it in digits, without quotes or a unit",
            (Self::Text, Some("nothing")) => "write a string, or remove the field",
            (Self::Text, _) => "put the string in quotes",
            (Self::Other(_), _) => return None,
        };
        Some(help.to_owned())
    }
}

/// The value at an offset.
struct Found {
    what: &'static str,
    /// The field that has this value.
    name: Option<String>,
    /// Its text as the items of a list, where it is one plain line.
    items: Option<String>,
}

impl Found {
    fn at(text: &str, at: usize) -> Option<Self> {
        let mut name = None;
        for node in Nodes::of(text) {
            let node = node.ok()?;
            if node.at.start == at && node.role != Role::Name {
                let name = name.filter(|_| node.role == Role::Value);
                return Some(Self {
                    what: what(&node),
                    name,
                    items: items(&node),
                });
            }
            name = match node.kind {
                Kind::Scalar { text, .. } if node.role == Role::Name => Some(text.into_owned()),
                _ => None,
            };
        }
        None
    }
}

/// The items that one text was probably meant to be: `GET, POST` are two.
fn items(node: &Node<'_>) -> Option<String> {
    let Kind::Scalar { text, .. } = &node.kind else {
        return None;
    };
    let is_plain = |c: char| c.is_alphanumeric() || "-_./*".contains(c);
    let items: Vec<_> = text.split([',', ' ']).filter(|it| !it.is_empty()).collect();
    let all_plain = items.iter().all(|item| item.chars().all(is_plain));
    (!items.is_empty() && all_plain && what(node) == "a string").then(|| items.join(", "))
}

fn what(node: &Node<'_>) -> &'static str {
    match &node.kind {
        Kind::List => "a list",
        Kind::Mapping => "a mapping",
        Kind::Alias => "an alias",
        Kind::Scalar { text, is_plain } if *is_plain => match text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => "nothing",
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "a boolean",
            text if text.parse::<f64>().is_ok() => "a number",
            _ => "a string",
        },
        Kind::Scalar { .. } => "a string",
    }
}
