//! The key table: every known key by its digest.

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

/// Every known key by its digest: an immutable snapshot, valid as a whole. Only the moments of
/// last use move.
///
/// Made for millions of keys: about 90 bytes for each, and a look-up goes to the index and to one
/// record, wherever they are in memory.
#[derive(Debug, Default)]
pub struct KeyTable {
    /// In the order of the source.
    records: Vec<Record>,
    /// The ids, one behind the other, each behind its length in one byte.
    ids: Bytes,
    /// The client types, each once.
    client_types: Vec<ClientType>,
    /// Places in `records`.
    by_digest: Index,
    pepper: Option<Pepper>,
}

/// Why a list of keys is not a key table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two keys have one name.
    #[error("two keys have the id `{id}`")]
    SameId {
        /// The name.
        id: KeyId,
        /// The places of the two in the list.
        places: [usize; 2],
    },
    /// One key stands there twice, so that its client type would be a matter of luck.
    #[error("the keys `{}` and `{}` are the same key", ids[0], ids[1])]
    SameDigest {
        /// The names of the two.
        ids: [KeyId; 2],
        /// The places of the two in the list.
        places: [usize; 2],
    },
    /// The key's digest was made with a pepper, and none is known.
    #[error("the key `{id}` needs a pepper")]
    NoPepper {
        /// The key's name.
        id: KeyId,
        /// Its place in the list.
        place: usize,
    },
    /// The key is one that everybody knows, such as `changeme`.
    #[error("the key `{id}` is a placeholder that everybody knows")]
    Placeholder {
        /// The key's name.
        id: KeyId,
        /// Its place in the list.
        place: usize,
    },
    /// There are more keys than places.
    #[error("more than {} keys", u32::MAX)]
    TooMany,
    /// The key's validity ends before it starts.
    #[error("the key `{id}` expires before it becomes valid")]
    NeverValid {
        /// The key's name.
        id: KeyId,
        /// Its place in the list.
        place: usize,
    },
}

/// Why the bytes that were presented are no valid key.
#[derive(Debug, Clone, Copy)]
pub enum InvalidKey<'t> {
    /// They are no known key.
    Unknown,
    /// They cannot be a key: empty, or longer than [`LONGEST_KEY`].
    Malformed,
    /// The key is switched off.
    Inactive(KeyRef<'t>),
    /// The key has expired.
    Expired(KeyRef<'t>),
    /// The key is not valid yet.
    NotYetValid(KeyRef<'t>),
}

impl<'t> InvalidKey<'t> {
    /// The key that they are, if it is known.
    #[must_use]
    pub fn key(self) -> Option<KeyRef<'t>> {
        match self {
            Self::Inactive(key) | Self::Expired(key) | Self::NotYetValid(key) => Some(key),
            Self::Unknown | Self::Malformed => None,
        }
    }
}

/// The precise cause, for the log.
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
    /// A table of these keys, in this order.
    ///
    /// # Errors
    /// Two keys collide, or one can never be good: see [`TableError`].
    pub fn new(keys: Vec<Key>, pepper: Option<Pepper>) -> Result<Self, TableError> {
        filled(keys)?.finish(pepper)
    }

    /// The checks of [`KeyTable::new`] but for the pepper, for those who only write the keys down.
    ///
    /// # Errors
    /// Two keys collide, or one can never be good.
    pub fn check(keys: impl IntoIterator<Item = impl Borrow<Key>>) -> Result<(), TableError> {
        filled(keys)?.indexed().map(drop)
    }

    /// The good key that these bytes are.
    ///
    /// # Errors
    /// Why there is none; the caller is never told which.
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

    /// Every key, in the order of the source.
    pub fn keys(&self) -> impl Iterator<Item = KeyRef<'_>> {
        self.records.iter().filter_map(|record| self.view(record))
    }

    /// The client types that keys have, each once.
    #[must_use]
    pub fn client_types(&self) -> BTreeSet<&str> {
        self.client_types.iter().map(ClientType::as_str).collect()
    }

    /// Takes over when keys were last used, from the table that this one takes the place of.
    ///
    /// A key is the same where name and digest are: a rotated key begins anew.
    pub fn take_over_uses(&self, former: &Self) {
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

    /// Both digests are always computed where a pepper is known: the time of a look-up does not
    /// tell which scheme a key is stored under.
    fn key(&self, presented: &[u8]) -> Option<KeyRef<'_>> {
        let plain = self.key_of(&Digest::sha256(presented));
        let peppered = self
            .pepper
            .as_ref()
            .and_then(|pepper| self.key_of(&Digest::hmac_sha256(presented, pepper)));
        plain.or(peppered)
    }

    fn key_of(&self, digest: &Digest) -> Option<KeyRef<'_>> {
        let is_it = |place| self.record(place).is_some_and(|it| it.digest == *digest);
        let place = self.by_digest.find(digest.prefix(), is_it)?;
        self.key_at(place)
    }

    /// The place of a key that everybody knows, if there is one.
    fn placeholder(&self, digest: impl Fn(&[u8]) -> Digest) -> Option<u32> {
        WELL_KNOWN.iter().find_map(|key| {
            let digest = digest(key.as_bytes());
            let is_it = |place| self.record(place).is_some_and(|it| it.digest == digest);
            self.by_digest.find(digest.prefix(), is_it)
        })
    }

    fn key_at(&self, place: u32) -> Option<KeyRef<'_>> {
        self.record(place).and_then(|record| self.view(record))
    }

    fn record(&self, place: u32) -> Option<&Record> {
        self.records.get(usize::try_from(place).ok()?)
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
    fn a_table_gives_back_what_it_was_given() {
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
    fn a_last_use_is_kept_over_a_reload_of_the_same_key_only() {
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
        next.take_over_uses(&table);
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
                places: [0, 1]
            }
        );
        assert_eq!(
            refused(vec![one.clone(), key("two", Digest::sha256(b"one"))]).to_string(),
            "the keys `one` and `two` are the same key"
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
            TableError::NeverValid { place: 0, .. }
        ));
    }
}
