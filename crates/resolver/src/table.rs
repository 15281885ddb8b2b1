//! The key table: every known key by its digest.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicI64, Ordering},
};

use hashbrown::{HashTable, hash_table::Entry};
use jiff::Timestamp;

use crate::{Digest, Key, KeyId, Pepper, Refusal, digest::Scheme, key::KeyState};

/// Every known key by its digest: an immutable snapshot, valid as a whole. Only the moments of
/// last use move.
#[derive(Debug, Default)]
pub struct KeyTable {
    keys: Vec<Key>,
    /// For each key, the second in which it was good for something; 0 is never.
    last_uses: Vec<AtomicI64>,
    /// Places in `keys`. An index of places instead of a map of digests: a tenth of the memory.
    by_digest: HashTable<u32>,
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

/// The longest key that is looked up, in bytes: longer ones are refused unhashed, so that a caller
/// cannot make a look-up expensive.
pub const LONGEST_KEY: usize = 512;

impl KeyTable {
    /// A table of these keys, in this order.
    ///
    /// # Errors
    /// Two keys collide, or one can never be good: see [`TableError`].
    pub fn new(keys: Vec<Key>, pepper: Option<Pepper>) -> Result<Self, TableError> {
        let by_digest = index(&keys)?;
        let peppered = |key: &Key| key.digest.scheme() == Scheme::HmacSha256;
        if pepper.is_none()
            && let Some(place) = keys.iter().position(peppered)
            && let Some(key) = keys.get(place)
        {
            let id = key.id.clone();
            return Err(TableError::NoPepper { id, place });
        }
        Ok(Self {
            last_uses: keys.iter().map(|_| AtomicI64::new(0)).collect(),
            keys,
            by_digest,
            pepper,
        })
    }

    /// The client types that keys have, each once.
    #[must_use]
    pub fn client_types(&self) -> BTreeSet<&str> {
        let keys = self.keys.iter();
        keys.map(|key| key.client_type.as_str()).collect()
    }

    /// The checks of [`KeyTable::new`] but for the pepper, for those who only write the keys down.
    ///
    /// # Errors
    /// Two keys collide, or one can never be good.
    pub fn check(keys: &[Key]) -> Result<(), TableError> {
        index(keys).map(drop)
    }

    /// The good key that these bytes are.
    ///
    /// # Errors
    /// Why there is none; the caller is never told which.
    pub fn find(&self, presented: &[u8], now: Timestamp) -> Result<&Key, Refusal<'_>> {
        if presented.is_empty() || presented.len() > LONGEST_KEY {
            return Err(Refusal::Malformed);
        }
        let place = self.place(presented).ok_or(Refusal::Unknown)?;
        let key = self.keys.get(place).ok_or(Refusal::Unknown)?;
        match key.state(now) {
            KeyState::Valid => {
                if let Some(last_use) = self.last_uses.get(place) {
                    last_use.store(now.as_second(), Ordering::Relaxed);
                }
                Ok(key)
            }
            KeyState::Inactive => Err(Refusal::Inactive(key)),
            KeyState::Expired => Err(Refusal::Expired(key)),
            KeyState::NotYetValid => Err(Refusal::NotYetValid(key)),
        }
    }

    /// Every key, in the order of the source.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Every key, in the order of the source, with the second in which it was last good for
    /// something since the process began; a refused attempt is no use.
    pub fn uses(&self) -> impl Iterator<Item = (&Key, Option<Timestamp>)> {
        let moment = |last_use: &AtomicI64| match last_use.load(Ordering::Relaxed) {
            0 => None,
            second => Timestamp::from_second(second).ok(),
        };
        self.keys.iter().zip(self.last_uses.iter().map(moment))
    }

    /// Takes over when keys were last used, from the table that this one takes the place of.
    ///
    /// A key is the same where name and digest are: a rotated key begins anew.
    pub(crate) fn take_over_uses(&self, former: &Self) {
        for (key, last_use) in self.keys.iter().zip(&self.last_uses) {
            if let Some(place) = former.place_of(&key.digest)
                && former.keys.get(place).is_some_and(|it| it.id == key.id)
                && let Some(before) = former.last_uses.get(place)
            {
                last_use.fetch_max(before.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// Both digests are always computed where a pepper is known: the time of a look-up does not
    /// tell which scheme a key is stored under.
    fn place(&self, presented: &[u8]) -> Option<usize> {
        let plain = self.place_of(&Digest::sha256(presented));
        let peppered = self
            .pepper
            .as_ref()
            .and_then(|pepper| self.place_of(&Digest::hmac_sha256(presented, pepper)));
        plain.or(peppered)
    }

    fn place_of(&self, digest: &Digest) -> Option<usize> {
        let is_it = |place: &u32| digest_at(&self.keys, *place) == Some(digest);
        let place = self.by_digest.find(digest.prefix(), is_it)?;
        usize::try_from(*place).ok()
    }
}

/// The places of the keys by their digests.
fn index(keys: &[Key]) -> Result<HashTable<u32>, TableError> {
    let mut ids = HashMap::with_capacity(keys.len());
    let mut by_digest = HashTable::with_capacity(keys.len());
    let rehash = |place: &u32| digest_at(keys, *place).map_or(0, Digest::prefix);
    for (place, key) in keys.iter().enumerate() {
        if let (Some(start), Some(end)) = (key.not_before, key.expires_at)
            && end <= start
        {
            let id = key.id.clone();
            return Err(TableError::NeverValid { id, place });
        }
        if let Some(first) = ids.insert(key.id.as_str(), place) {
            return Err(TableError::SameId {
                id: key.id.clone(),
                places: [first, place],
            });
        }
        let Ok(number) = u32::try_from(place) else {
            return Err(TableError::TooMany);
        };
        let is_it = |other: &u32| digest_at(keys, *other) == Some(&key.digest);
        match by_digest.entry(key.digest.prefix(), is_it, rehash) {
            Entry::Vacant(vacant) => drop(vacant.insert(number)),
            Entry::Occupied(first) => {
                let first = usize::try_from(*first.get()).unwrap_or(place);
                let id = |place: usize| keys.get(place).map_or(&key.id, |key| &key.id).clone();
                return Err(TableError::SameDigest {
                    ids: [id(first), id(place)],
                    places: [first, place],
                });
            }
        }
    }
    Ok(by_digest)
}

fn digest_at(keys: &[Key], place: u32) -> Option<&Digest> {
    let key = keys.get(usize::try_from(place).ok()?)?;
    Some(&key.digest)
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
        assert_eq!(table.find(b"one", at(0)).unwrap().id.as_str(), "plain");
        assert_eq!(table.find(b"two", at(0)).unwrap().id.as_str(), "peppered");
        assert!(matches!(table.find(b"three", at(0)), Err(Refusal::Unknown)));
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
            assert_eq!(found.id.as_str(), format!("key-{n}"));
        }
        assert!(matches!(table.find(b"10000", at(1)), Err(Refusal::Unknown)));
    }

    #[test]
    fn a_use_is_a_success_and_outlives_a_reload_of_the_same_key_alone() {
        let off = |id: &str| Key {
            active: false,
            ..key(id, Digest::sha256(id.as_bytes()))
        };
        let uses = |table: &KeyTable| -> Vec<_> {
            let seconds = |(key, last): (&Key, Option<Timestamp>)| {
                (key.id.to_string(), last.map(Timestamp::as_second))
            };
            table.uses().map(seconds).collect()
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
    fn what_cannot_be_a_key_is_not_looked_up() {
        let table = KeyTable::new(vec![key("empty", Digest::sha256(b""))], None).unwrap();
        assert!(matches!(table.find(b"", at(0)), Err(Refusal::Malformed)));
        assert!(matches!(
            table.find(&[b'a'; 513], at(0)),
            Err(Refusal::Malformed)
        ));
    }

    #[test]
    fn keys_that_collide_or_can_never_be_good_are_no_table() {
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
