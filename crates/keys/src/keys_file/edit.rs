//! Edits the text of a keys file in place: unchanged parts keep their comments, order and spelling.
//!
//! An edit consists of splices at the spans that the YAML parser reports. Not every effect on a file
//! in an unusual style can be foreseen, so [`Edit::finish`] parses the result: if it differs from the
//! intended entries, the edit is abandoned.

mod layout;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, ops::Range, path::Path};

use jiff::Timestamp;
use keygate_documents::{diagnostic::nearest, source::SourceError};
use zeroize::Zeroizing;

use super::{Entry, contents};
use crate::{Digest, Key, KeyId, KeyTable, table::TableError};
use layout::{EntryLayout, Layout};

/// The text of a new keys file.
pub const NEW_FILE: &str = "version: 1\nkeys: []\n";

/// The error for an edit that is not made. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is invalid before the edit.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no such key.
    #[error("no key has the id `{id}`{}", did_you_mean(meant))]
    NoSuchKey {
        /// The requested id.
        id: String,
        /// The keys that it may stand for.
        meant: Vec<KeyId>,
    },
    /// The keys would collide, or one could never be valid.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The list is not written as lines that begin with a dash.
    #[error(
        "keys can be added and deleted only if each key begins with `- ` on a new line, which is not \
         the case in this file: edit the file by hand"
    )]
    NotAList,
    /// The result would differ from the intended change.
    #[error("the formatting of the file cannot be edited automatically: edit the file by hand")]
    GivenUp,
}

fn did_you_mean(meant: &[KeyId]) -> String {
    let ids: Vec<_> = meant.iter().map(|id| format!("`{id}`")).collect();
    match ids.as_slice() {
        [] => String::new(),
        ids => format!(": did you mean {}?", ids.join(" or ")),
    }
}

/// An edit in progress.
pub struct Edit<'t> {
    path: &'t Path,
    text: &'t str,
    layout: Layout,
    /// The entries after the edit, in the order of `layout`; new entries follow.
    entries: Vec<Entry>,
    removed: BTreeSet<usize>,
    splices: Vec<Splice>,
}

/// A replacement of a span of the text.
struct Splice {
    range: Range<usize>,
    text: Zeroizing<String>,
}

/// The order of the fields in a new entry.
const ORDER: [&str; 9] = [
    "id",
    "clientType",
    "digest",
    "key",
    "active",
    "description",
    "createdAt",
    "notBefore",
    "expiresAt",
];

impl<'t> Edit<'t> {
    /// Starts an edit of this text, which must be a valid keys file.
    ///
    /// # Errors
    /// The text is not a valid keys file.
    pub fn begin(path: &'t Path, text: &'t str) -> Result<Self, EditError> {
        Ok(Self {
            entries: contents(path, text)?.entries,
            layout: Layout::of(text).ok_or(EditError::GivenUp)?,
            path,
            text,
            removed: BTreeSet::new(),
            splices: Vec::new(),
        })
    }

    /// Returns the entries after the edits so far.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.remaining().map(|(_, entry)| entry)
    }

    fn remaining(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(index, _)| !self.removed.contains(index))
    }

    /// Returns the entry with this id.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn entry(&self, id: &str) -> Result<&Entry, EditError> {
        self.find(id).map(|(_, entry)| entry)
    }

    fn find(&self, id: &str) -> Result<(usize, &Entry), EditError> {
        let is_it = |(_, entry): &(usize, &Entry)| entry.key.id.as_str() == id;
        self.remaining()
            .find(is_it)
            .ok_or_else(|| EditError::NoSuchKey {
                id: id.to_owned(),
                meant: self.meant(id),
            })
    }

    /// The keys that somebody may mean by an id that no key has: one with a similar id, or all whose id
    /// starts with it or whose client type it is.
    fn meant(&self, id: &str) -> Vec<KeyId> {
        let ids = self.entries().map(|entry| entry.key.id.as_str());
        let similar = nearest(id, ids);
        let is_meant = |key: &&Key| {
            if let Some(similar) = similar {
                return key.id.as_str() == similar;
            }
            let rest = key.id.as_str().strip_prefix(id);
            key.client_type.as_str() == id || rest.is_some_and(|rest| rest.starts_with('-'))
        };
        let keys = self.entries().map(|entry| &entry.key);
        keys.filter(is_meant).map(|key| key.id.clone()).collect()
    }

    /// Enables or disables a key.
    ///
    /// # Errors
    /// There is no such key.
    pub fn set_active(&mut self, id: &str, active: bool) -> Result<(), EditError> {
        let value = active.to_string();
        self.change(id, "active", &value, |entry| entry.key.active = active)
    }

    /// Sets the expiry of a key.
    ///
    /// # Errors
    /// There is no such key.
    pub fn set_expiry(&mut self, id: &str, end: Timestamp) -> Result<(), EditError> {
        let value = end.to_string();
        self.change(id, "expiresAt", &value, |entry| {
            entry.key.expires_at = Some(end);
        })
    }

    /// Sets the description of a key.
    ///
    /// # Errors
    /// There is no such key.
    pub fn set_description(&mut self, id: &str, text: &str) -> Result<(), EditError> {
        self.change(id, "description", &scalar(text), |entry| {
            entry.description = Some(text.to_owned());
        })
    }

    fn change(
        &mut self,
        id: &str,
        field: &str,
        value: &str,
        apply: impl FnOnce(&mut Entry),
    ) -> Result<(), EditError> {
        let (index, _) = self.find(id)?;
        let layout = self.layout.entries.get(index).ok_or(EditError::GivenUp)?;
        let splice = set_field(self.text, layout, field, value).ok_or(EditError::GivenUp)?;
        self.splices.push(splice);
        if let Some(entry) = self.entries.get_mut(index) {
            apply(entry);
        }
        Ok(())
    }

    /// Replaces every plaintext key by its digest, and returns their number.
    ///
    /// # Errors
    /// An entry is written in a style that cannot be edited.
    pub fn hash_keys(&mut self, digest: impl Fn(&[u8]) -> Digest) -> Result<usize, EditError> {
        let mut hashed = 0;
        for (entry, layout) in self.entries.iter_mut().zip(&self.layout.entries) {
            let Some(clear) = entry.clear.take() else {
                continue;
            };
            entry.key.digest = digest(clear.as_bytes());
            let field = layout.field("key").ok_or(EditError::GivenUp)?;
            let value = entry.key.digest.to_string();
            let renamed = [(&field.name_at, "digest"), (&field.value_at, &value)];
            self.splices
                .extend(renamed.map(|(at, text)| replace(self.text, at, text)));
            hashed += 1;
        }
        Ok(hashed)
    }

    /// Removes a key and the comments inside its entry.
    ///
    /// # Errors
    /// There is no such key.
    pub fn remove(&mut self, id: &str) -> Result<Entry, EditError> {
        let (index, entry) = self.find(id)?;
        let entry = entry.clone();
        self.removed.insert(index);
        Ok(entry)
    }

    /// Appends a key.
    pub fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Returns the edited text.
    ///
    /// # Errors
    /// The result would not be a valid keys file, or would differ from the intended change.
    pub fn finish(mut self) -> Result<Zeroizing<String>, EditError> {
        let mut splices = std::mem::take(&mut self.splices);
        splices.append(&mut self.removals()?);
        splices.append(&mut self.additions()?);
        // The sort is stable: splices at one offset stay in the order of the calls.
        splices.sort_by_key(|splice| splice.range.start);
        let text = apply(self.text, &splices).ok_or(EditError::GivenUp)?;

        let expected: Vec<_> = self.entries().cloned().collect();
        KeyTable::check(expected.iter().map(|entry| &entry.key))?;
        match contents(self.path, &text) {
            Ok(result) if result.entries == expected => Ok(text),
            Ok(_) | Err(_) => Err(EditError::GivenUp),
        }
    }

    fn removals(&self) -> Result<Vec<Splice>, EditError> {
        let mut splices = Vec::new();
        for index in &self.removed {
            let layout = self.layout.entries.get(*index).ok_or(EditError::GivenUp)?;
            let item = layout.item(self.text).ok_or(EditError::NotAList)?;
            splices.push(Splice {
                range: item.with_line_end(self.text),
                text: String::new().into(),
            });
        }
        if !splices.is_empty() && self.entries().next().is_none() {
            let after = self.layout.after_keys;
            splices.push(insertion(after, " []".to_owned()));
        }
        Ok(splices)
    }

    fn additions(&self) -> Result<Vec<Splice>, EditError> {
        let new = self
            .entries
            .get(self.layout.entries.len()..)
            .unwrap_or_default();
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let mut splices = Vec::new();
        let (after, indent) = if let Some(last) = self.layout.entries.last() {
            let item = last.item(self.text).ok_or(EditError::NotAList)?;
            (item.lines.end, item.indent)
        } else {
            let brackets = layout::empty_brackets(self.text, self.layout.list_at)
                .ok_or(EditError::NotAList)?;
            let after = layout::line_end(self.text, brackets.end);
            splices.push(Splice {
                range: layout::with_blanks_before(self.text, brackets),
                text: String::new().into(),
            });
            (after, 2)
        };
        let newline = layout::newline(self.text);
        let written: String = new
            .iter()
            .map(|entry| item_of(entry, indent, newline))
            .collect();
        splices.push(insertion(after, written));
        Ok(splices)
    }
}

fn insertion(at: usize, text: String) -> Splice {
    Splice {
        range: at..at,
        text: text.into(),
    }
}

/// Replaces a word, and keeps its quotes.
fn replace(text: &str, at: &Range<usize>, word: &str) -> Splice {
    let quote = text.get(at.clone()).and_then(|old| old.chars().next());
    let text = match quote.filter(|it| matches!(it, '"' | '\'')) {
        Some(quote) => format!("{quote}{word}{quote}"),
        None => word.to_owned(),
    };
    Splice {
        range: at.clone(),
        text: text.into(),
    }
}

/// Sets a field of an entry; a new one is inserted by the order of the fields.
fn set_field(text: &str, entry: &EntryLayout, name: &str, value: &str) -> Option<Splice> {
    if let Some(field) = entry.field(name) {
        if field.value_at.is_empty() {
            let colon = layout::after_colon(text, field.name_at.end)?;
            return Some(insertion(colon, format!(" {value}")));
        }
        return Some(Splice {
            range: field.value_at.clone(),
            text: value.to_owned().into(),
        });
    }
    // A description may have many lines, and its end is hard to find.
    let before = ORDER.iter().take_while(|other| **other != name);
    let after = before
        .filter(|other| **other != "description")
        .filter_map(|other| entry.field(other))
        .last()?;
    Some(if entry.is_flow(text) {
        let quoted = text.get(after.name_at.clone())?.starts_with('"');
        let written = match (quoted, value) {
            (true, "true" | "false") => format!(", \"{name}\": {value}"),
            (true, _) => format!(", \"{name}\": \"{value}\""),
            (false, _) => format!(", {name}: {value}"),
        };
        insertion(after.value_at.end, written)
    } else {
        let indent = layout::column(text, entry.fields.first()?.name_at.start);
        let newline = layout::newline(text);
        let line = format!("{newline}{:indent$}{name}: {value}", "");
        insertion(layout::line_end(text, after.value_at.end), line)
    })
}

/// Returns a new entry's text, which follows a line ending.
fn item_of(entry: &Entry, indent: usize, newline: &str) -> String {
    let Entry {
        key,
        description,
        created_at,
        ..
    } = entry;
    let moment = |moment: &Option<Timestamp>| moment.as_ref().map(Timestamp::to_string);
    let fields = [
        ("id", Some(scalar(key.id.as_str()))),
        ("clientType", Some(scalar(key.client_type.as_str()))),
        ("digest", Some(key.digest.to_string())),
        ("active", (!key.active).then(|| "false".to_owned())),
        ("description", description.as_deref().map(scalar)),
        ("createdAt", moment(created_at)),
        ("notBefore", moment(&key.not_before)),
        ("expiresAt", moment(&key.expires_at)),
    ];
    let written = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let lines = written.enumerate().map(|(n, (name, value))| {
        let dash = if n == 0 { "- " } else { "  " };
        format!("{newline}{:indent$}{dash}{name}: {value}", "")
    });
    lines.collect()
}

/// Returns a YAML scalar: plain only if YAML 1.1 and 1.2 both parse it as this text.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let odd = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text.chars().all(word)
        && !odd.contains(&text.to_ascii_lowercase().as_str());
    if bare {
        text.to_owned()
    } else {
        // A JSON string is a double-quoted YAML scalar (YAML 1.2, section 1.3).
        serde_json::Value::from(text).to_string()
    }
}

/// Returns `None` if splices overlap.
fn apply(text: &str, splices: &[Splice]) -> Option<Zeroizing<String>> {
    let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut result = Zeroizing::new(String::with_capacity(text.len() + added));
    let mut done = 0;
    for Splice { range, text: new } in splices {
        result.push_str(text.get(done..range.start)?);
        result.push_str(new);
        done = range.end;
    }
    result.push_str(text.get(done..)?);
    Some(result)
}
