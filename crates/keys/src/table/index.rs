//! Places of a list by what stands there.

/// An open hash table of places, in one piece, so that a look-up meets one line of the processor's
/// cache: a general one keeps what it searches apart from what it finds.
///
/// Hashes must be uniform in every bit. A slot beside the place holds enough of the hash that what is
/// not there is told without going to the list.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: Box<[Slot]>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    place: u32,
}

const EMPTY: Slot = Slot {
    tag: 0,
    place: u32::MAX,
};

impl Slot {
    fn is_taken(self) -> bool {
        self.place != EMPTY.place
    }
}

impl Index {
    /// An index for so many places, and no more.
    pub(super) fn with_capacity(places: usize) -> Self {
        // A third of the slots stays empty: whoever searches meets one soon.
        let slots = places.saturating_add(places / 2).saturating_add(1);
        Self {
            slots: vec![EMPTY; slots].into(),
        }
    }

    /// The place of this hash that is the one.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (before, behind) = self.slots.split_at_checked(self.start(hash))?;
        let taken = behind.iter().chain(before).take_while(|it| it.is_taken());
        let found = taken
            .filter(|slot| slot.tag == tag(hash))
            .find(|slot| is_it(slot.place));
        found.map(|slot| slot.place)
    }

    /// Adds a place that is not there yet.
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        let start = self.start(hash);
        if let Some((before, behind)) = self.slots.split_at_mut_checked(start)
            && let Some(slot) = behind
                .iter_mut()
                .chain(before)
                .find(|slot| !slot.is_taken())
        {
            let tag = tag(hash);
            *slot = Slot { tag, place };
        }
    }

    /// Where the search begins: the slots are spread evenly over all hashes.
    fn start(&self, hash: u64) -> usize {
        let scaled = u128::from(hash) * self.slots.len() as u128;
        usize::try_from(scaled >> 64).unwrap_or_default()
    }
}

/// The end of the hash; the search begins where its beginning says.
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
            // The same few hashes, so that the slots of one begin among those of another, and the
            // last ones go round to the front.
            let hash = |place: u32| u64::MAX / 7 * u64::from(place % 8);
            let mut index = Index::with_capacity(count as usize);
            (0..count).for_each(|place| index.insert(hash(place), place));
            for place in 0..count {
                assert_eq!(index.find(hash(place), |it| it == place), Some(place));
                assert_eq!(index.find(hash(place), |_| false), None);
            }
            assert_eq!(index.find(1, |_| true), None);
        }
        assert_eq!(Index::default().find(7, |_| true), None);
    }
}
