//! The key table: all keys by digest.

mod builder;
mod index;
mod record;

use std::{borrow::Borrow, collections::BTreeSet, fmt, sync::atomic::Ordering};

use bytes::Bytes;
use jiff::Timestamp;

use crate::{
    ClientType, Digest, Key, KeyId, Pepper,
    key::KeyState,
    plaintext::{LONGEST_KEY, WELL_KNOWN},
};
pub use builder::Builder;
use index::Index;
pub use record::KeyRef;
use record::Record;

/// All keys by digest: an immutable snapshot, valid as a whole. Only the times of last use change.
///
/// It is designed for millions of keys: about 90 bytes for each, and a lookup reads one index slot
/// and one record.
#[derive(Debug, Default)]
pub struct KeyTable {
    /// In the order of the source.
    records: Vec<Record>,
    /// The ids, concatenated, each after its length in one byte.
    ids: Bytes,
    /// The distinct client types.
    client_types: Vec<ClientType>,
    /// Indexes of `records`.
    by_digest: Index,
    pepper: Option<Pepper>,
}

/// The error for a list of keys that is not a valid key table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two keys have the same id.
    #[error("two keys have the id `{id}`")]
    SameId {
        /// The repeated id.
        id: KeyId,
        /// The indexes of the two in the list.
        indexes: [usize; 2],
    },
    /// A key is listed twice, so that its client type would be ambiguous.
    #[error("the entries `{}` and `{}` contain the same key", ids[0], ids[1])]
    SameDigest {
        /// The ids of the two.
        ids: [KeyId; 2],
        /// The indexes of the two in the list.
        indexes: [usize; 2],
    },
    /// The key's digest needs a pepper, and none is set.
    #[error("the key `{id}` needs a pepper")]
    NoPepper {
        /// The key's id.
        id: KeyId,
        /// Its index in the list.
        index: usize,
    },
    /// The key is a well-known placeholder, such as `changeme`.
    #[error("the key `{id}` is a well-known placeholder")]
    Placeholder {
        /// The key's id.
        id: KeyId,
        /// Its index in the list.
        index: usize,
    },
    /// There are more keys than indexes.
    #[error("more than {} keys", u32::MAX)]
    TooMany,
    /// The key expires before it becomes valid.
    #[error("the key `{id}` expires before it becomes valid")]
    NeverValid {
        /// The key's id.
        id: KeyId,
        /// Its index in the list.
        index: usize,
    },
}

/// The error for presented bytes that are not a valid key.
#[derive(Debug, Clone, Copy)]
pub enum InvalidKey<'t> {
    /// They are not a known key.
    Unknown,
    /// They cannot be a key: empty, or longer than [`LONGEST_KEY`].
    Malformed,
    /// The key is disabled.
    Inactive(KeyRef<'t>),
    /// The key has expired.
    Expired(KeyRef<'t>),
    /// The key is not valid yet.
    NotYetValid(KeyRef<'t>),
}

impl<'t> InvalidKey<'t> {
    /// Returns the key, if it is known.
    #[must_use]
    pub fn key(self) -> Option<KeyRef<'t>> {
        match self {
            Self::Inactive(key) | Self::Expired(key) | Self::NotYetValid(key) => Some(key),
            Self::Unknown | Self::Malformed => None,
        }
    }
}

/// The exact cause, for the log.
impl fmt::Display for InvalidKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Inactive(_) => "inactive",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not-yet-valid",
        })
    }
}

impl KeyTable {
    /// Returns a table of these keys, in this order.
    ///
    /// # Errors
    /// Two keys collide, or one can never be valid: see [`TableError`].
    pub fn new(keys: Vec<Key>, pepper: Option<Pepper>) -> Result<Self, TableError> {
        filled(keys)?.finish(pepper)
    }

    /// Makes the checks of [`KeyTable::new`] except for the pepper, for commands that edit the file.
    ///
    /// # Errors
    /// Two keys collide, or one can never be valid.
    pub fn check(keys: impl IntoIterator<Item = impl Borrow<Key>>) -> Result<(), TableError> {
        filled(keys)?.indexed().map(drop)
    }

    /// Returns the valid key for these bytes.
    ///
    /// # Errors
    /// They are not a valid key. The cause must not reach the caller.
    pub fn find(&self, presented: &[u8], now: Timestamp) -> Result<KeyRef<'_>, InvalidKey<'_>> {
        if presented.is_empty() || presented.len() > LONGEST_KEY {
            return Err(InvalidKey::Malformed);
        }
        let key = self.key(presented).ok_or(InvalidKey::Unknown)?;
        match key.state(now) {
            KeyState::Valid => {
                key.record.use_at(now);
                Ok(key)
            }
            KeyState::Inactive => Err(InvalidKey::Inactive(key)),
            KeyState::Expired => Err(InvalidKey::Expired(key)),
            KeyState::NotYetValid => Err(InvalidKey::NotYetValid(key)),
        }
    }

    /// Returns all keys, in the order of the source.
    pub fn keys(&self) -> impl Iterator<Item = KeyRef<'_>> + Clone {
        self.records.iter().filter_map(|record| self.view(record))
    }

    /// Returns the distinct client types of the keys.
    #[must_use]
    pub fn client_types(&self) -> BTreeSet<&str> {
        self.client_types.iter().map(ClientType::as_str).collect()
    }

    /// Copies the times of last use from the table that this one replaces.
    ///
    /// Keys are equal if id and digest are: a rotated key starts without a last use.
    pub fn copy_uses(&self, former: &Self) {
        for before in former.keys() {
            let last_use = before.record.last_use.load(Ordering::Relaxed);
            if last_use != 0
                && let Some(key) = self.key_of(&before.record.digest)
                && key.id() == before.id()
            {
                key.record.last_use.fetch_max(last_use, Ordering::Relaxed);
            }
        }
    }

    /// With a pepper, both digests are always computed: the time of a lookup does not reveal the
    /// scheme of a key.
    fn key(&self, presented: &[u8]) -> Option<KeyRef<'_>> {
        let plain = self.key_of(&Digest::sha256(presented));
        let peppered = self
            .pepper
            .as_ref()
            .and_then(|pepper| self.key_of(&Digest::hmac_sha256(presented, pepper)));
        plain.or(peppered)
    }

    fn key_of(&self, digest: &Digest) -> Option<KeyRef<'_>> {
        let is_it = |index| self.record(index).is_some_and(|it| it.digest == *digest);
        let index = self.by_digest.find(digest.prefix(), is_it)?;
        self.key_at(index)
    }

    /// Returns the index of a well-known placeholder, if there is one.
    fn placeholder(&self, digest: impl Fn(&[u8]) -> Digest) -> Option<u32> {
        WELL_KNOWN.iter().find_map(|key| {
            let digest = digest(key.as_bytes());
            let is_it = |index| self.record(index).is_some_and(|it| it.digest == digest);
            self.by_digest.find(digest.prefix(), is_it)
        })
    }

    fn key_at(&self, index: u32) -> Option<KeyRef<'_>> {
        self.record(index).and_then(|record| self.view(record))
    }

    fn record(&self, index: u32) -> Option<&Record> {
        self.records.get(usize::try_from(index).ok()?)
    }

    fn view<'t>(&'t self, record: &'t Record) -> Option<KeyRef<'t>> {
        let client_type = usize::try_from(record.client_type).ok()?;
        Some(KeyRef {
            record,
            client_type: self.client_types.get(client_type)?,
            ids: &self.ids,
        })
    }
}

fn filled(keys: impl IntoIterator<Item = impl Borrow<Key>>) -> Result<Builder, TableError> {
    let mut builder = Builder::default();
    for key in keys {
        builder.add(key.borrow())?;
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, digest: Digest) -> Key {
        Key {
            id: id.parse().unwrap(),
            client_type: "A".parse().unwrap(),
            digest,
            active: true,
            not_before: None,
            expires_at: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_found_under_either_scheme() {
        let pepper = Pepper::new(b"0123456789abcdef".to_vec()).unwrap();
        let keys = vec![
            key("plain", Digest::sha256(b"one")),
            key("peppered", Digest::hmac_sha256(b"two", &pepper)),
        ];
        let table = KeyTable::new(keys, Some(pepper)).unwrap();
        assert_eq!(table.find(b"one", at(0)).unwrap().id(), "plain");
        assert_eq!(table.find(b"two", at(0)).unwrap().id(), "peppered");
        assert!(matches!(
            table.find(b"three", at(0)),
            Err(InvalidKey::Unknown)
        ));
    }

    #[test]
    fn a_table_returns_the_keys_it_was_built_from() {
        let given = [
            ("a", "A", true, None, None),
            (&*"b".repeat(128), "B", false, Some(at(-5)), None),
            ("c", "A", true, None, Some(Timestamp::MAX)),
        ];
        let keys = given.map(|(id, client_type, active, not_before, expires_at)| Key {
            id: id.parse().unwrap(),
            client_type: client_type.parse().unwrap(),
            digest: Digest::sha256(id.as_bytes()),
            active,
            not_before,
            expires_at,
        });
        let table = KeyTable::new(keys.to_vec(), None).unwrap();
        for (key, found) in keys.iter().zip(table.keys()) {
            assert_eq!(found.id(), key.id.as_str());
            assert_eq!(found.id_header(), key.id.header());
            assert_eq!(found.client_type(), &key.client_type);
            assert_eq!(found.validity(), key.validity());
        }
        assert_eq!(table.keys().count(), keys.len());
        assert_eq!(Vec::from_iter(table.client_types()), ["A", "B"]);
    }

    #[test]
    fn every_key_of_many_is_found() {
        let keys = (0..10_000).map(|n: u32| {
            let digest = Digest::sha256(n.to_string().as_bytes());
            key(&format!("key-{n}"), digest)
        });
        let table = KeyTable::new(keys.collect(), None).unwrap();
        for n in 0..10_000 {
            let found = table.find(n.to_string().as_bytes(), at(1)).unwrap();
            assert_eq!(found.id(), format!("key-{n}"));
        }
        assert!(matches!(
            table.find(b"10000", at(1)),
            Err(InvalidKey::Unknown)
        ));
    }

    #[test]
    fn a_reload_keeps_the_last_use_of_unchanged_keys_only() {
        let off = |id: &str| Key {
            active: false,
            ..key(id, Digest::sha256(id.as_bytes()))
        };
        let uses = |table: &KeyTable| -> Vec<_> {
            let seconds = |key: KeyRef<'_>| {
                (
                    key.id().to_owned(),
                    key.last_use().map(Timestamp::as_second),
                )
            };
            table.keys().map(seconds).collect()
        };
        let kept = key("kept", Digest::sha256(b"kept"));
        let rotated = key("rotated", Digest::sha256(b"old"));
        let keys = vec![off("off"), rotated.clone(), kept.clone()];
        let table = KeyTable::new(keys, None).unwrap();
        let _ = table.find(b"off", at(5));
        let _ = table.find(b"old", at(6));
        let _ = table.find(b"kept", at(7));
        let named = |id: &str, last| (id.to_owned(), last);
        assert_eq!(
            uses(&table),
            [
                named("off", None),
                named("rotated", Some(6)),
                named("kept", Some(7))
            ]
        );

        let renamed = key("renamed", rotated.digest);
        let rotated = key("rotated", Digest::sha256(b"new"));
        let next = KeyTable::new(vec![kept, renamed, rotated], None).unwrap();
        next.copy_uses(&table);
        assert_eq!(
            uses(&next),
            [
                named("kept", Some(7)),
                named("renamed", None),
                named("rotated", None)
            ]
        );
    }

    #[test]
    fn values_that_cannot_be_keys_are_not_looked_up() {
        let table = KeyTable::new(vec![key("empty", Digest::sha256(b""))], None).unwrap();
        assert!(matches!(table.find(b"", at(0)), Err(InvalidKey::Malformed)));
        assert!(matches!(
            table.find(&[b'a'; LONGEST_KEY + 1], at(0)),
            Err(InvalidKey::Malformed)
        ));
    }

    #[test]
    fn the_longest_key_is_found() {
        let long = [b'a'; LONGEST_KEY];
        let table = KeyTable::new(vec![key("long", Digest::sha256(&long))], None).unwrap();
        assert_eq!(table.find(&long, at(0)).unwrap().id(), "long");
        assert!(table.find(&[b'a'; LONGEST_KEY - 1], at(0)).is_err());
    }

    #[test]
    fn colliding_keys_and_keys_that_are_never_valid_are_rejected() {
        let one = key("one", Digest::sha256(b"one"));
        let refused = |keys| KeyTable::new(keys, None).unwrap_err();
        assert_eq!(
            refused(vec![one.clone(), key("one", Digest::sha256(b"two"))]),
            TableError::SameId {
                id: one.id.clone(),
                indexes: [0, 1]
            }
        );
        assert_eq!(
            refused(vec![one.clone(), key("two", Digest::sha256(b"one"))]).to_string(),
            "the entries `one` and `two` contain the same key"
        );
        let pepper = Pepper::new(vec![1; 16]).unwrap();
        assert_eq!(
            refused(vec![key("p", Digest::hmac_sha256(b"p", &pepper))]).to_string(),
            "the key `p` needs a pepper"
        );
        let never = Key {
            not_before: Some(at(5)),
            expires_at: Some(at(5)),
            ..one
        };
        assert!(matches!(
            refused(vec![never]),
            TableError::NeverValid { index: 0, .. }
        ));
    }
}
