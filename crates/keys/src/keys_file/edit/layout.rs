//! The spans of the entries and fields in a keys file.

use std::{fmt, ops::Range};

use keygate_documents::yaml::{self, Content};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_saphyr::Spanned;

pub(super) struct Layout {
    /// The offset after the colon of `keys:`.
    pub(super) after_keys: usize,
    /// The offset of the list.
    pub(super) list_at: usize,
    /// In the order of the text.
    pub(super) entries: Vec<EntryLayout>,
}

pub(super) struct EntryLayout {
    /// The offset of the mapping.
    at: usize,
    /// In the order of the text.
    pub(super) fields: Vec<Field>,
}

/// The spans of a field's name and value, including quotes.
pub(super) struct Field {
    name: String,
    pub(super) name_at: Range<usize>,
    pub(super) value_at: Range<usize>,
}

/// An entry that is a list item on lines of its own.
pub(super) struct Item {
    /// The indentation of the dash.
    pub(super) indent: usize,
    /// From the start of the dash's line to the end of the last line, without its line ending.
    pub(super) lines: Range<usize>,
}

impl Layout {
    /// Returns `None` if the text is not a keys file.
    pub(super) fn of(text: &str) -> Option<Self> {
        let Fields::<List>(document) = yaml::from_str(text, Content::Secret).ok()?;
        let (name, list) = document
            .into_iter()
            .find(|(name, _)| name.value == "keys")?;
        let List::Keys(entries) = list.value else {
            return None;
        };
        let entries = entries.into_iter().map(|entry| EntryLayout {
            at: yaml::span(entry.referenced, text).start,
            fields: entry.value.fields(text),
        });
        Some(Self {
            after_keys: after_colon(text, yaml::span(name.referenced, text).end)?,
            list_at: yaml::span(list.referenced, text).start,
            entries: entries.collect(),
        })
    }
}

impl EntryLayout {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether the entry is written with braces.
    pub(super) fn is_flow(&self, text: &str) -> bool {
        text.get(self.at..).is_some_and(|it| it.starts_with('{'))
    }

    /// Returns the item; `None` if the entry and its dash are not on one line.
    ///
    /// Lines that are indented deeper than the dash belong to the item, including comments.
    pub(super) fn item(&self, text: &str) -> Option<Item> {
        let start = self.at - column(text, self.at);
        let lead = text.get(start..self.at)?;
        let indent = lead.len() - lead.trim_start_matches(' ').len();
        if !lead.trim_matches(' ').eq("-") || lead.ends_with('-') {
            return None;
        }
        let mut end = line_end(text, self.at);
        let mut next = after_line(text, end);
        while next < text.len() {
            let line = text.get(next..line_end(text, next))?;
            let content = line.trim_start_matches(' ');
            let depth = line.len() - content.len();
            if depth > indent && !content.is_empty() {
                end = next + line.len();
            } else if !content.is_empty() && !content.starts_with('#') {
                break;
            }
            next = after_line(text, next + line.len());
        }
        Some(Item {
            indent,
            lines: start..end,
        })
    }
}

impl Item {
    /// The span of the lines, including the last line ending.
    pub(super) fn with_line_end(&self, text: &str) -> Range<usize> {
        self.lines.start..after_line(text, self.lines.end)
    }
}

/// Returns the offset after the colon that follows a name.
pub(super) fn after_colon(text: &str, name_end: usize) -> Option<usize> {
    Some(name_end + text.get(name_end..)?.find(':')? + 1)
}

/// Returns the number of bytes before an offset on its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.len() - before.rfind('\n').map_or(0, |newline| newline + 1)
}

/// Returns the end of a line, before its line ending.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// Returns the start of the next line.
fn after_line(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find('\n')
        .map_or(text.len(), |newline| at + newline + 1)
}

/// Returns the line ending of the text.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text.get(..at).is_some_and(|line| line.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

/// Returns the span of `[]`, if the list is written so.
pub(super) fn empty_brackets(text: &str, at: usize) -> Option<Range<usize>> {
    let inside = text.get(at..)?.strip_prefix('[')?;
    let end = inside.find(']')?;
    let blank = inside.get(..end)?.trim().is_empty();
    blank.then_some(at..at + end + 2)
}

/// Extends a span by the spaces before it on its line.
pub(super) fn with_blanks_before(text: &str, span: Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    before.trim_end_matches([' ', '\t']).len()..span.end
}

/// A mapping with the spans of its names and values.
struct Fields<V>(Vec<(Spanned<String>, Spanned<V>)>);

/// A value at the top of the file.
enum List {
    Keys(Vec<Spanned<Fields<IgnoredAny>>>),
    Other,
}

impl Fields<IgnoredAny> {
    fn fields(self, text: &str) -> Vec<Field> {
        let field = |(name, value): (Spanned<String>, Spanned<IgnoredAny>)| Field {
            name_at: yaml::span(name.referenced, text),
            value_at: yaml::span(value.referenced, text),
            name: name.value,
        };
        self.0.into_iter().map(field).collect()
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or a number")
            }

            fn visit_u64<E>(self, _: u64) -> Result<List, E> {
                Ok(List::Other)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<List, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    entries.push(entry);
                }
                Ok(List::Keys(entries))
            }
        }
        from.deserialize_any(AnyValue)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Fields<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Mapping<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Mapping<V> {
            type Value = Fields<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<V>, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Mapping(std::marker::PhantomData))
    }
}
