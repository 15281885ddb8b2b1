//! `/debug/keys` on the operations listener: which keys are in force, and when each was last used,
//! so that people dare to delete old ones. Neither keys nor digests are in it.

use jiff::Timestamp;
use keygate_keys::{KeyRef, KeyTable};
use serde::Serialize;

/// The page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'t> {
    /// Uses before this are not known: they are counted from the start of the process on.
    pub used_since: Timestamp,
    /// One for each key, in the order of the source.
    pub keys: Vec<Row<'t>>,
}

/// What is known of one key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row<'t> {
    /// Its name.
    pub id: &'t str,
    /// What it makes its bearer.
    pub client_type: &'t str,
    /// What it is worth now.
    pub state: String,
    /// When it was last good for something.
    pub last_use: Option<Timestamp>,
    /// The first moment at which it is good.
    pub not_before: Option<Timestamp>,
    /// The first moment at which it no longer is.
    pub expires_at: Option<Timestamp>,
    /// Whether it is time to make the next one.
    pub expires_soon: bool,
}

impl<'t> Page<'t> {
    /// The keys of a table, which are used since a moment.
    #[must_use]
    pub fn of(keys: &'t KeyTable, used_since: Timestamp) -> Self {
        let now = Timestamp::now();
        Self {
            used_since,
            keys: keys.keys().map(|key| Row::of(key, now)).collect(),
        }
    }
}

impl<'t> Row<'t> {
    fn of(key: KeyRef<'t>, now: Timestamp) -> Self {
        let validity = key.validity();
        Self {
            id: key.id(),
            client_type: key.client_type().as_str(),
            state: validity.state(now).to_string(),
            last_use: key.last_use(),
            not_before: validity.not_before,
            expires_at: validity.expires_at,
            expires_soon: validity.expires_soon(now),
        }
    }
}
