//! Builds a key table.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::atomic::AtomicU32,
};

use super::{KeyTable, TableError, index::Index, record::Record};
use crate::{ClientType, Digest, Key, Pepper, Scheme};

/// A builder that adds keys one by one: the parser of a million keys need not hold them twice.
#[derive(Debug, Default)]
pub struct Builder {
    records: Vec<Record>,
    ids: Vec<u8>,
    client_types: Vec<ClientType>,
    known: HashMap<ClientType, u32>,
}

impl Builder {
    /// Appends a key.
    ///
    /// # Errors
    /// There are too many keys.
    pub fn add(&mut self, key: &Key) -> Result<(), TableError> {
        let too_many = |_| TableError::TooMany;
        let record = Record {
            digest: key.digest,
            active: key.active,
            not_before: key.not_before.into(),
            expires_at: key.expires_at.into(),
            last_use: AtomicU32::new(0),
            client_type: self.index_of(&key.client_type)?,
            id: u32::try_from(self.ids.len()).map_err(too_many)?,
        };
        let id = key.id.as_str();
        // An id has at most 128 bytes.
        self.ids.push(u8::try_from(id.len()).map_err(too_many)?);
        self.ids.extend_from_slice(id.as_bytes());
        self.records.push(record);
        Ok(())
    }

    fn index_of(&mut self, client_type: &ClientType) -> Result<u32, TableError> {
        if let Some(index) = self.known.get(client_type) {
            return Ok(*index);
        }
        let index = u32::try_from(self.client_types.len()).map_err(|_| TableError::TooMany)?;
        self.client_types.push(client_type.clone());
        self.known.insert(client_type.clone(), index);
        Ok(index)
    }

    /// Returns the table of these keys.
    ///
    /// # Errors
    /// Two keys collide, or one can never be valid: see [`TableError`].
    pub fn finish(self, pepper: Option<Pepper>) -> Result<KeyTable, TableError> {
        let table = KeyTable {
            pepper,
            ..self.indexed()?
        };
        let peppered = |record: &Record| record.digest.scheme() == Scheme::HmacSha256;
        if table.pepper.is_none()
            && let Some((index, key)) = table
                .keys()
                .enumerate()
                .find(|(_, key)| peppered(key.record))
        {
            let id = key.key_id();
            return Err(TableError::NoPepper { id, index });
        }
        if let Some(pepper) = &table.pepper {
            no_placeholder(&table, |key| Digest::hmac_sha256(key, pepper))?;
        }
        Ok(table)
    }

    /// Returns the table after every check except for the pepper.
    pub(super) fn indexed(mut self) -> Result<KeyTable, TableError> {
        self.records.shrink_to_fit();
        self.ids.shrink_to_fit();
        self.client_types.shrink_to_fit();
        let mut table = KeyTable {
            records: self.records,
            ids: self.ids.into(),
            client_types: self.client_types,
            by_digest: Index::default(),
            pepper: None,
        };
        table.by_digest = index(&table)?;
        no_placeholder(&table, Digest::sha256)?;
        Ok(table)
    }
}

/// Checks that no key is a well-known placeholder.
fn no_placeholder(table: &KeyTable, digest: impl Fn(&[u8]) -> Digest) -> Result<(), TableError> {
    match table
        .placeholder(digest)
        .map(|index| (index, table.key_at(index)))
    {
        Some((index, Some(key))) => Err(TableError::Placeholder {
            id: key.key_id(),
            index: to_index(index),
        }),
        Some((_, None)) | None => Ok(()),
    }
}

/// Indexes the keys by their digests.
fn index(table: &KeyTable) -> Result<Index, TableError> {
    let hasher = RandomState::new();
    let mut by_id = Index::with_capacity(table.records.len());
    let mut by_digest = Index::with_capacity(table.records.len());
    for (index, key) in table.keys().enumerate() {
        let number = u32::try_from(index).map_err(|_| TableError::TooMany)?;
        let validity = key.validity();
        if let (Some(start), Some(end)) = (validity.not_before, validity.expires_at)
            && end <= start
        {
            let id = key.key_id();
            return Err(TableError::NeverValid { id, index });
        }
        let hash = hasher.hash_one(key.id());
        let same_id = |other| table.key_at(other).is_some_and(|it| it.id() == key.id());
        if let Some(first) = by_id.find(hash, same_id) {
            return Err(TableError::SameId {
                id: key.key_id(),
                indexes: [to_index(first), index],
            });
        }
        by_id.insert(hash, number);
        let digest = &key.record.digest;
        let same_digest = |other| table.record(other).is_some_and(|it| it.digest == *digest);
        if let Some(first) = by_digest.find(digest.prefix(), same_digest) {
            let other = table.key_at(first).unwrap_or(key);
            return Err(TableError::SameDigest {
                ids: [other.key_id(), key.key_id()],
                indexes: [to_index(first), index],
            });
        }
        by_digest.insert(digest.prefix(), number);
    }
    Ok(by_digest)
}

fn to_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
