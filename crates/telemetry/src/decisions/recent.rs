//! The last decisions, for whoever looks before there is a log to look at.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::entry::Entry;

/// The last denials, and the last of the allowances that were picked: apart, so that a flood of
/// one does not wash the other away.
#[derive(Debug)]
pub struct Recent {
    capacity: usize,
    denied: Ring,
    allowed: Ring,
}

/// A lock is held for one push, and only for what is written anyway, which costs far more. A list
/// without one would cost more code than this saves time.
type Ring = Mutex<VecDeque<Arc<Entry>>>;

impl Recent {
    /// Room for so many of each kind.
    #[must_use]
    pub fn new(capacity: u16) -> Self {
        Self {
            capacity: capacity.into(),
            denied: Ring::default(),
            allowed: Ring::default(),
        }
    }

    /// Keeps one more, in the place of the oldest.
    pub fn keep(&self, entry: Entry) {
        let ring = if entry.allowed {
            &self.allowed
        } else {
            &self.denied
        };
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.push_back(Arc::new(entry));
        if ring.len() > self.capacity {
            ring.pop_front();
        }
    }

    /// All that is kept.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Arc<Entry>> {
        let mut entries = Vec::new();
        for ring in [&self.denied, &self.allowed] {
            let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            entries.extend(ring.iter().rev().cloned());
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.time));
        entries
    }
}
