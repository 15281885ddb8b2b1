//! The keys file, `keys.yaml`: loaded into a key table, and edited in place.
//!
//! - `parse`: text → entries, every error with its location; `json`: the fast parser for JSON;
//! - [`edit`]: text → edited text that keeps everything else;
//! - [`store`]: the file on disk: one writer at a time, and atomic replacement.

pub mod edit;
mod json;
mod parse;
pub mod store;

use std::{collections::HashSet, path::Path};

use crate::{ClientType, Key, KeyTable, Pepper, key::Validity, stack};
use jiff::Timestamp;
use keygate_documents::source::SourceError;
use zeroize::Zeroizing;

/// The supported version of the format.
const VERSION: u64 = 1;

/// Keys are enabled by default.
fn yes() -> bool {
    true
}

/// An entry of a keys file: the key, and the fields for people.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key for the resolver.
    pub key: Key,
    /// The plaintext key, if the file contains it.
    pub clear: Option<Zeroizing<String>>,
    /// The owner or use of the key.
    pub description: Option<String>,
    /// When the key was created.
    pub created_at: Option<Timestamp>,
}

/// The keys of a file, for the resolver.
#[derive(Debug)]
pub struct Loaded {
    /// The keys.
    pub table: KeyTable,
    /// The rendered warnings.
    pub warnings: Vec<String>,
}

/// The entries of a file, for people.
pub struct Contents {
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// The rendered warnings.
    pub warnings: Vec<String>,
}

/// Parses the text of a keys file into a key table.
///
/// # Errors
/// Every error, with its location but without lines of the file, which holds secrets.
pub fn parse(path: &Path, text: &str, pepper: Option<Pepper>) -> Result<Loaded, SourceError> {
    let loaded = parse::table(&path.display().to_string(), text, pepper);
    stack::wipe();
    loaded
}

/// Parses the entries of a keys file; no pepper is needed.
///
/// # Errors
/// As [`parse`].
pub fn contents(path: &Path, text: &str) -> Result<Contents, SourceError> {
    parse::contents(&path.display().to_string(), text)
}

/// Returns a warning for each key that expires within [`crate::key::SOON`] and has no successor.
///
/// A successor is an active key of the same client type that expires later than that.
pub fn expiring_soon<'k>(
    keys: impl Iterator<Item = (&'k str, &'k ClientType, Validity)> + Clone,
    now: Timestamp,
) -> impl Iterator<Item = String> {
    let lasting: HashSet<_> = keys
        .clone()
        .filter(|(.., validity)| validity.outlasts_soon(now))
        .map(|(_, client_type, _)| client_type.as_str())
        .collect();
    let soon = keys.filter(move |(_, client_type, validity)| {
        validity.expires_soon(now) && !lasting.contains(client_type.as_str())
    });
    soon.map(move |(id, client_type, validity)| {
        let left = validity.time_left(now);
        let days = left.map_or(0, |left| left.as_hours() / 24);
        let end = match days {
            0 => "in less than a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        };
        format!(
            "warning: the key `{id}` of client type `{client_type}` expires {end}\n  = help: create its \
            successor with `keygate keys rotate`"
        )
    })
}
