//! The key table: every known key by its digest.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
};

use jiff::Timestamp;

use crate::{Digest, Key, KeyId, Pepper, Refusal, digest::Scheme, key::KeyState};

/// Every known key by its digest: an immutable snapshot, valid as a whole.
#[derive(Debug, Default)]
pub struct KeyTable {
    keys: Vec<Key>,
    by_digest: HashMap<Digest, usize, BuildHasherDefault<DigestHasher>>,
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
        let mut ids = HashMap::with_capacity(keys.len());
        let mut by_digest =
            HashMap::with_capacity_and_hasher(keys.len(), BuildHasherDefault::default());
        for (place, key) in keys.iter().enumerate() {
            if key.digest.scheme() == Scheme::HmacSha256 && pepper.is_none() {
                return Err(TableError::NoPepper {
                    id: key.id.clone(),
                    place,
                });
            }
            if let (Some(start), Some(end)) = (key.not_before, key.expires_at)
                && end <= start
            {
                return Err(TableError::NeverValid {
                    id: key.id.clone(),
                    place,
                });
            }
            if let Some((_, first)) = ids.insert(key.id.as_str(), (key, place)) {
                return Err(TableError::SameId {
                    id: key.id.clone(),
                    places: [first, place],
                });
            }
            if let Some(first) = by_digest.insert(key.digest, place) {
                let id = |place: usize| keys.get(place).map_or(&key.id, |key| &key.id).clone();
                return Err(TableError::SameDigest {
                    ids: [id(first), id(place)],
                    places: [first, place],
                });
            }
        }
        drop(ids);
        Ok(Self {
            keys,
            by_digest,
            pepper,
        })
    }

    /// The client types that keys have, each once.
    #[must_use]
    pub fn client_types(&self) -> Vec<String> {
        let client_types = self.keys.iter().map(|key| key.client_type.to_string());
        let client_types: BTreeSet<_> = client_types.collect();
        client_types.into_iter().collect()
    }

    /// The good key that these bytes are.
    ///
    /// # Errors
    /// Why there is none; the caller is never told which.
    pub fn find(&self, presented: &[u8], now: Timestamp) -> Result<&Key, Refusal<'_>> {
        if presented.is_empty() || presented.len() > LONGEST_KEY {
            return Err(Refusal::Malformed);
        }
        let key = self.by_presented(presented).ok_or(Refusal::Unknown)?;
        match key.state(now) {
            KeyState::Valid => Ok(key),
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

    /// Both digests are always computed where a pepper is known: the time of a look-up does not
    /// tell which scheme a key is stored under.
    fn by_presented(&self, presented: &[u8]) -> Option<&Key> {
        let plain = self.by_digest.get(&Digest::sha256(presented));
        let peppered = self
            .pepper
            .as_ref()
            .and_then(|pepper| self.by_digest.get(&Digest::hmac_sha256(presented, pepper)));
        self.keys.get(*plain.or(peppered)?)
    }
}

/// Passes a digest's own bits on: see `Hash for Digest`.
#[derive(Debug, Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
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
