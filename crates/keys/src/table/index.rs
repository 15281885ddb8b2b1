//! A hash table of indexes into a list.

/// An open hash table of indexes, stored in one piece, so that a lookup reads one line of the
/// processor's cache: general hash tables keep hashes and values apart.
///
/// Hashes must be uniform in every bit. A slot also holds part of the hash, so that an absent entry is
/// usually detected without reading the list.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: Box<[Slot]>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    index: u32,
}

const EMPTY: Slot = Slot {
    tag: 0,
    index: u32::MAX,
};

impl Slot {
    fn is_taken(self) -> bool {
        self.index != EMPTY.index
    }
}

impl Index {
    /// Returns an index for this number of entries, and no more.
    pub(super) fn with_capacity(entries: usize) -> Self {
        // A third of the slots stays empty, so that a search ends soon.
        let slots = entries.saturating_add(entries / 2).saturating_add(1);
        Self {
            slots: vec![EMPTY; slots].into(),
        }
    }

    /// Returns the index with this hash for which `is_it` holds.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (before, behind) = self.slots.split_at_checked(self.start(hash))?;
        let taken = behind.iter().chain(before).take_while(|it| it.is_taken());
        let found = taken
            .filter(|slot| slot.tag == tag(hash))
            .find(|slot| is_it(slot.index));
        found.map(|slot| slot.index)
    }

    /// Adds an index that is not in the table yet.
    pub(super) fn insert(&mut self, hash: u64, index: u32) {
        let start = self.start(hash);
        if let Some((before, behind)) = self.slots.split_at_mut_checked(start)
            && let Some(slot) = behind
                .iter_mut()
                .chain(before)
                .find(|slot| !slot.is_taken())
        {
            let tag = tag(hash);
            *slot = Slot { tag, index };
        }
    }

    /// Returns the first slot of the search: hashes are mapped evenly to the slots.
    fn start(&self, hash: u64) -> usize {
        let scaled = u128::from(hash) * self.slots.len() as u128;
        usize::try_from(scaled >> 64).unwrap_or_default()
    }
}

/// The lower bits of the hash; the upper ones determine the first slot.
fn tag(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 100, 1000] {
            // Few distinct hashes, so that search ranges overlap and wrap around at the end.
            let hash = |index: u32| u64::MAX / 7 * u64::from(index % 8);
            let mut table = Index::with_capacity(count as usize);
            (0..count).for_each(|index| table.insert(hash(index), index));
            for index in 0..count {
                assert_eq!(table.find(hash(index), |it| it == index), Some(index));
                assert_eq!(table.find(hash(index), |_| false), None);
            }
            assert_eq!(table.find(1, |_| true), None);
        }
        assert_eq!(Index::default().find(7, |_| true), None);
    }
}
