//! Whether this process is fit to be asked, and since when each of its files is in force.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use serde::Serialize;

/// What the probes of the operations listener look at.
#[derive(Debug, Default)]
pub struct Health {
    draining: AtomicBool,
    sources: Vec<Arc<SourceStatus>>,
}

/// The state of one watched file.
#[derive(Debug)]
pub struct SourceStatus(Mutex<SourceDetail>);

/// What there is to know about one watched file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDetail {
    /// What the file holds: `keys` or `policy`.
    pub name: &'static str,
    /// How many times a good version was put in force; 1 is that of the start.
    pub generation: u64,
    /// When the version in force was loaded.
    pub loaded_at: Timestamp,
    /// How many versions were refused.
    pub failures: u64,
    /// Why the newest version was refused, if it was: the last good one stays in force.
    pub last_error: Option<String>,
}

impl Health {
    /// The health of a process with these files, all loaded.
    #[must_use]
    pub fn new(sources: Vec<Arc<SourceStatus>>) -> Self {
        Self {
            draining: AtomicBool::new(false),
            sources,
        }
    }

    /// From here on the process asks for no new requests.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The state of each file.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceDetail> {
        self.sources.iter().map(|source| source.detail()).collect()
    }
}

impl SourceStatus {
    /// The state of a file that was just loaded for the first time.
    #[must_use]
    pub fn loaded(name: &'static str) -> Self {
        Self(Mutex::new(SourceDetail {
            name,
            generation: 1,
            loaded_at: Timestamp::now(),
            failures: 0,
            last_error: None,
        }))
    }

    /// The state now.
    #[must_use]
    pub fn detail(&self) -> SourceDetail {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A new version is in force.
    pub fn reloaded(&self) {
        let mut detail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        detail.generation += 1;
        detail.loaded_at = Timestamp::now();
        detail.last_error = None;
    }

    /// A new version was refused.
    pub fn refused(&self, error: String) {
        let mut detail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        detail.failures += 1;
        detail.last_error = Some(error);
    }
}
