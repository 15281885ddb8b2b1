//! The last decisions, for operators without access to the log.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::entry::Entry;

/// The last denials, and the last allowed requests of the sample: separate, so that many of one kind
/// do not displace the other.
#[derive(Debug)]
pub struct Recent {
    capacity: usize,
    denied: Ring,
    allowed: Ring,
}

/// The lock is held for one push, and only for logged decisions, which cost far more. A lock-free
/// list would add more code than it saves time.
type Ring = Mutex<VecDeque<Arc<Entry>>>;

impl Recent {
    /// Returns an empty list with this capacity for each kind.
    #[must_use]
    pub fn new(capacity: u16) -> Self {
        Self {
            capacity: capacity.into(),
            denied: Ring::default(),
            allowed: Ring::default(),
        }
    }

    /// Adds an entry, and drops the oldest one of a full list.
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

    /// Returns all kept entries.
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
