//! The keys file, `keys.yaml`: read into a key table, and changed in place.
//!
//! - `reading`: text → entries, with every mistake told by its place; `json`: JSON, at speed;
//! - [`edit`]: text → text with a change, where everything else stays as it was written;
//! - [`store`]: the file on the disk: one writer at a time, the old file or the new one, never half.

pub mod edit;
mod json;
mod reading;
pub mod store;

use std::path::Path;

use crate::{ClientType, Key, KeyTable, Pepper, key::Validity, stack};
use jiff::Timestamp;
use keygate_documents::source::SourceError;
use zeroize::Zeroizing;

/// The version of the format that this program reads.
const VERSION: u64 = 1;

/// A key is switched on unless the file says otherwise.
fn yes() -> bool {
    true
}

/// One entry of a keys file: the key, and what the file says about it to people.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the resolver needs to know.
    pub key: Key,
    /// The key itself, where the file holds it in clear.
    pub clear: Option<Zeroizing<String>>,
    /// Whose it is.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// What a keys file holds, for the resolver.
#[derive(Debug)]
pub struct Loaded {
    /// The keys.
    pub table: KeyTable,
    /// What is probably not meant, ready to be shown.
    pub warnings: Vec<String>,
}

/// What a keys file holds, for people.
pub struct Contents {
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// What is probably not meant, ready to be shown.
    pub warnings: Vec<String>,
}

/// Reads the text of a keys file into a key table.
///
/// # Errors
/// Every mistake, with its place but never with a line of the file: it holds secrets.
pub fn parse(path: &Path, text: &str, pepper: Option<Pepper>) -> Result<Loaded, SourceError> {
    let loaded = reading::table(&path.display().to_string(), text, pepper);
    stack::wipe();
    loaded
}

/// Reads the text of a keys file as it is written; it may name digests whose pepper is not known.
///
/// # Errors
/// As [`parse`].
pub fn contents(path: &Path, text: &str) -> Result<Contents, SourceError> {
    reading::contents(&path.display().to_string(), text)
}

/// A warning for each key that ends within [`crate::key::SOON`].
pub fn ending_soon<'k>(
    keys: impl Iterator<Item = (&'k str, &'k ClientType, Validity)>,
    now: Timestamp,
) -> impl Iterator<Item = String> {
    let soon = keys.filter(move |(.., validity)| validity.expires_soon(now));
    soon.map(move |(id, client_type, validity)| {
        let left = validity.time_left(now);
        let days = left.map_or(0, |left| left.as_hours() / 24);
        let end = match days {
            0 => "in less than a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        };
        format!(
            "warning: the key `{id}` of client type `{client_type}` ends {end}\n  = help: make the \
             next one: `keygate keys rotate`"
        )
    })
}
