//! A key in the table: all data of a lookup, in one line of the processor's cache.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;

use crate::{
    ClientType, Digest, KeyId,
    key::{KeyState, Validity},
};

/// Additional fields must not make it larger than one line: see the assertion below.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Record {
    pub(super) digest: Digest,
    pub(super) active: bool,
    pub(super) not_before: Moment,
    pub(super) expires_at: Moment,
    /// The second of the key's last successful use; 0 for never.
    pub(super) last_use: AtomicU32,
    /// An index of the table's client types.
    pub(super) client_type: u32,
    /// An offset in the table's ids.
    pub(super) id: u32,
}

const _: () = assert!(size_of::<Record>() == 64);

impl Record {
    pub(super) fn use_at(&self, now: Timestamp) {
        // 32 bits last until 2106; later times are stored as the last second.
        let second = u32::try_from(now.as_second().max(0)).unwrap_or(u32::MAX);
        self.last_use.store(second, Ordering::Relaxed);
    }
}

/// An optional moment in nine bytes without alignment: jiff's seconds need 39 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    second: [u8; 5],
    nanosecond: [u8; 4],
}

/// The largest 40-bit second, which is not a valid moment: jiff's range ends with the year 9999.
const NONE: i64 = i64::MAX >> 24;

impl From<Option<Timestamp>> for Moment {
    fn from(moment: Option<Timestamp>) -> Self {
        let second = moment.map_or(NONE, Timestamp::as_second);
        let low = second.to_le_bytes();
        Self {
            second: low.first_chunk().copied().unwrap_or_default(),
            nanosecond: moment.map_or(0, Timestamp::subsec_nanosecond).to_le_bytes(),
        }
    }
}

impl From<Moment> for Option<Timestamp> {
    fn from(moment: Moment) -> Self {
        let mut high = [0; 8];
        if let Some(bytes) = high.last_chunk_mut() {
            *bytes = moment.second;
        }
        // The arithmetic shift extends the sign.
        let second = i64::from_le_bytes(high) >> 24;
        if second == NONE {
            return None;
        }
        Timestamp::new(second, i32::from_le_bytes(moment.nanosecond)).ok()
    }
}

/// One key of a table.
#[derive(Clone, Copy)]
pub struct KeyRef<'t> {
    pub(super) record: &'t Record,
    pub(super) client_type: &'t ClientType,
    /// The ids of all keys, concatenated, each after its length in one byte.
    pub(super) ids: &'t Bytes,
}

impl<'t> KeyRef<'t> {
    /// Returns the name of the key for people.
    #[must_use]
    pub fn id(&self) -> &'t str {
        let behind = usize::try_from(self.record.id)
            .ok()
            .and_then(|at| self.ids.get(at..)?.split_first());
        let id = behind.and_then(|(length, rest)| rest.get(..usize::from(*length)));
        // An id is checked to be visible ASCII before it is added.
        id.and_then(|id| std::str::from_utf8(id).ok())
            .unwrap_or_default()
    }

    /// Returns the id as a response header's value, which shares its bytes with the table.
    #[must_use]
    pub fn id_header(&self) -> HeaderValue {
        let id = self.ids.slice_ref(self.id().as_bytes());
        HeaderValue::from_maybe_shared(id).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    pub(super) fn key_id(&self) -> KeyId {
        KeyId::of_header(self.id_header())
    }

    /// Returns the client type of the key's caller.
    #[must_use]
    pub fn client_type(&self) -> &'t ClientType {
        self.client_type
    }

    /// Returns when the key is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity {
            active: self.record.active,
            not_before: self.record.not_before.into(),
            expires_at: self.record.expires_at.into(),
        }
    }

    /// Returns the key's state at a moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        self.validity().state(now)
    }

    /// Returns the second of the key's last successful use since the process started.
    ///
    /// Rejected attempts are not counted.
    #[must_use]
    pub fn last_use(&self) -> Option<Timestamp> {
        match self.record.last_use.load(Ordering::Relaxed) {
            0 => None,
            second => Timestamp::from_second(second.into()).ok(),
        }
    }
}

impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRef")
            .field("id", &self.id())
            .field("client_type", &self.client_type())
            .field("validity", &self.validity())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_kept_to_the_nanosecond() {
        let texts = [
            "-009999-01-02T01:59:59Z",
            "1969-12-31T23:59:59.999999999Z",
            "1970-01-01T00:00:00Z",
            "2026-11-24T12:34:56.789012345Z",
            "9999-12-30T22:00:00.999999999Z",
        ];
        let moments = texts.map(|text| Some(text.parse::<Timestamp>().unwrap()));
        let ends = [None, Some(Timestamp::MIN), Some(Timestamp::MAX)];
        for moment in moments.into_iter().chain(ends) {
            assert_eq!(Option::<Timestamp>::from(Moment::from(moment)), moment);
        }
    }
}
