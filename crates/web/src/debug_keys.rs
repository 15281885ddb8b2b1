//! `/debug/keys` on the operations listener: which keys are in force, and when each was last used,
//! so that people dare to delete old ones. Neither keys nor digests are in it, and never more of them than
//! fit into one page.

use jiff::Timestamp;
use keygate_keys::{KeyRef, KeyTable};
use serde::{Deserialize, Serialize};

/// The keys of a page, where the query does not say.
const PAGE: usize = 1000;

/// The keys of a page at most.
const LONGEST_PAGE: usize = 10_000;

/// Which keys to show.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pages {
    /// How many at most.
    pub limit: Option<usize>,
    /// Those after the key with this id.
    pub after: Option<String>,
}

/// Why there is no such page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page would have no keys, or too many.
    #[error("`limit` is {0}: write a number from 1 to {LONGEST_PAGE}")]
    Limit(usize),
    /// There is no such key, any more.
    #[error("there is no key with the id `{0}`: begin without `after`")]
    After(String),
}

/// A page of keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'t> {
    /// Uses before this are not known: they are counted from the start of the process on.
    pub used_since: Timestamp,
    /// How many keys there are.
    pub total: usize,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<&'t str>,
    /// One for each key of the page, in the order of the source.
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
    /// A page of the keys of a table, which are used since a moment.
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
    /// Some keys of a table.
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
