//! `/debug/keys` on the admin listener: the active keys and their last use, so that unused keys can be
//! deleted safely. It contains neither keys nor digests, and at most one page of keys.

use jiff::Timestamp;
use keygate_keys::{KeyRef, KeyTable};
use serde::{Deserialize, Serialize};

/// The default number of keys on a page.
const PAGE: usize = 1000;

/// The most keys on a page.
const LONGEST_PAGE: usize = 10_000;

/// The query for a page of keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pages {
    /// The most keys to return.
    pub limit: Option<usize>,
    /// Return the keys after the key with this id.
    pub after: Option<String>,
}

/// The error for a page that does not exist.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page would have no keys, or too many.
    #[error("`limit` is {0}: write a number from 1 to {LONGEST_PAGE}")]
    Limit(usize),
    /// The key has been deleted, or never existed.
    #[error("no key has the id `{0}`: start again without `after`")]
    After(String),
}

/// A page of keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'t> {
    /// The start of the process; earlier uses are unknown.
    pub used_since: Timestamp,
    /// The number of all keys.
    pub total: usize,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<&'t str>,
    /// The keys of the page, in the order of the source.
    pub keys: Vec<Row<'t>>,
}

/// The state of a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row<'t> {
    /// The id of the key.
    pub id: &'t str,
    /// The client type of the key.
    pub client_type: &'t str,
    /// The current state.
    pub state: String,
    /// When it was last used successfully.
    pub last_use: Option<Timestamp>,
    /// The first moment at which it is valid.
    pub not_before: Option<Timestamp>,
    /// The first moment at which it is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// Whether it is time to rotate it.
    pub expires_soon: bool,
}

impl<'t> Page<'t> {
    /// Returns a page of the keys of a table whose uses are counted since a moment.
    ///
    /// # Errors
    /// There is no such page.
    pub fn of(
        keys: &'t KeyTable,
        used_since: Timestamp,
        Pages { limit, after }: &Pages,
    ) -> Result<Self, PageError> {
        let limit = limit.unwrap_or(PAGE);
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(PageError::Limit(limit));
        }
        let first = match after {
            None => 0,
            Some(id) => {
                let at = keys.keys().position(|key| key.id() == id);
                at.ok_or_else(|| PageError::After(id.clone()))? + 1
            }
        };
        let total = keys.keys().count();
        let rows = Row::some(keys, first, limit);
        let is_last = first + rows.len() >= total;
        Ok(Self {
            used_since,
            total,
            next: rows.last().filter(|_| !is_last).map(|row| row.id),
            keys: rows,
        })
    }
}

impl<'t> Row<'t> {
    /// Returns some keys of a table.
    #[must_use]
    pub fn some(keys: &'t KeyTable, first: usize, most: usize) -> Vec<Self> {
        let now = Timestamp::now();
        let keys = keys.keys().skip(first).take(most);
        keys.map(|key| Self::of(key, now)).collect()
    }

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
