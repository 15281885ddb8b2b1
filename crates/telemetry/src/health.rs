//! Whether this process is fit to be asked, and since when each of its files is in force.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

/// What the probes of the operations listener look at.
#[derive(Debug, Default)]
pub struct Health {
    draining: AtomicBool,
    sources: Vec<Arc<SourceStatus>>,
}

/// How long a look at a file may take before it counts as an error.
const TOO_LONG: Duration = Duration::from_secs(30);

/// The state of one watched file.
#[derive(Debug)]
pub struct SourceStatus(Mutex<State>);

#[derive(Debug)]
struct State {
    detail: SourceDetail,
    /// Since when a look at the file has been under way.
    looking: Option<Instant>,
}

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
    /// Why the newest version is not active, where it is not: the last good one stays active.
    pub last_error: Option<String>,
    /// What a newer version of the file is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// Whether new connections can reach a Unix socket.
#[derive(Debug)]
pub struct SocketStatus(Mutex<SocketDetail>);

/// What there is to know about a Unix socket.
#[derive(Debug, Clone, Serialize)]
pub struct SocketDetail {
    /// The path that the setting names.
    pub path: PathBuf,
    /// What is at that path.
    pub state: SocketState,
}

/// What is at the path of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketState {
    /// Its own file.
    Listening,
    /// Nothing: it was removed, and cannot be bound again.
    Missing,
    /// A file that is not its own.
    Replaced,
}

impl SocketStatus {
    /// The state of a socket that was just bound.
    #[must_use]
    pub fn listening(path: PathBuf) -> Self {
        Self(Mutex::new(SocketDetail {
            path,
            state: SocketState::Listening,
        }))
    }

    /// The state now.
    #[must_use]
    pub fn detail(&self) -> SocketDetail {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Records what is at the path now.
    pub fn set(&self, state: SocketState) {
        let mut detail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        detail.state = state;
    }
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
        let detail = SourceDetail {
            name,
            generation: 1,
            loaded_at: Timestamp::now(),
            failures: 0,
            last_error: None,
            pending: None,
        };
        Self(Mutex::new(State {
            detail,
            looking: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state now. A look at the file that does not end is an error: a mount may hang.
    #[must_use]
    pub fn detail(&self) -> SourceDetail {
        let state = self.state();
        let mut detail = state.detail.clone();
        let took = state.looking.map(|since| since.elapsed());
        if let Some(took) = took.filter(|it| *it > TOO_LONG) {
            detail.last_error = Some(format!(
                "the file system has not responded for {} seconds",
                took.as_secs()
            ));
        }
        detail
    }

    /// A look at the file begins.
    pub fn look_begins(&self) {
        self.state().looking = Some(Instant::now());
    }

    /// A look at the file is over.
    pub fn look_ends(&self) {
        self.state().looking = None;
    }

    /// A new version is active.
    pub fn reloaded(&self) {
        let detail = &mut self.state().detail;
        detail.generation += 1;
        detail.loaded_at = Timestamp::now();
        (detail.last_error, detail.pending) = (None, None);
    }

    /// A new version was rejected, or cannot be read.
    pub fn refused(&self, error: String) {
        let detail = &mut self.state().detail;
        detail.failures += 1;
        (detail.last_error, detail.pending) = (Some(error), None);
    }

    /// A new version is waited for; `None` where none is.
    pub fn pending(&self, why: Option<String>) {
        self.state().detail.pending = why;
    }
}
