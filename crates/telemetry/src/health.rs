//! Whether this process is ready, and the state of its files and sockets.

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

/// The data of the health probes.
#[derive(Debug, Default)]
pub struct Health {
    draining: AtomicBool,
    sources: Vec<Arc<SourceStatus>>,
}

/// How long a read of a file may take before it is reported as an error.
const TOO_LONG: Duration = Duration::from_secs(30);

/// The state of one watched file.
#[derive(Debug)]
pub struct SourceStatus(Mutex<State>);

#[derive(Debug)]
struct State {
    detail: SourceDetail,
    /// When the current read of the file began.
    looking: Option<Instant>,
}

/// The state of a watched file, for reports.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDetail {
    /// The name of the file's content, such as `keys` or `policy`.
    pub name: Arc<str>,
    /// How many versions were loaded; 1 after the start.
    pub generation: u64,
    /// When the active version was loaded.
    pub loaded_at: Timestamp,
    /// How many versions were rejected.
    pub failures: u64,
    /// Why the newest version was rejected; the last valid one stays active.
    pub last_error: Option<String>,
    /// Why a newer version is not loaded yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// Whether new connections can reach a Unix socket.
#[derive(Debug)]
pub struct SocketStatus(Mutex<SocketDetail>);

/// The state of a Unix socket, for reports.
#[derive(Debug, Clone, Serialize)]
pub struct SocketDetail {
    /// The path in the settings.
    pub path: PathBuf,
    /// The state of the file at that path.
    pub state: SocketState,
}

/// The state of the file at the path of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketState {
    /// The socket of this process.
    Listening,
    /// No file: it was removed, and cannot be bound again.
    Missing,
    /// A file of another process.
    Replaced,
}

impl SocketStatus {
    /// Returns the state of a socket that was just bound.
    #[must_use]
    pub fn listening(path: PathBuf) -> Self {
        Self(Mutex::new(SocketDetail {
            path,
            state: SocketState::Listening,
        }))
    }

    /// Returns the current state.
    #[must_use]
    pub fn detail(&self) -> SocketDetail {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Records the state of the file at the path.
    pub fn set(&self, state: SocketState) {
        let mut detail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        detail.state = state;
    }
}

impl Health {
    /// Returns the health of a process with these files, all of them loaded.
    #[must_use]
    pub fn new(sources: Vec<Arc<SourceStatus>>) -> Self {
        Self {
            draining: AtomicBool::new(false),
            sources,
        }
    }

    /// Records that the process is shutting down and is no longer ready.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether the process is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Returns the state of each file.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceDetail> {
        self.sources.iter().map(|source| source.detail()).collect()
    }
}

impl SourceStatus {
    /// Returns the state of a file that was just loaded for the first time.
    #[must_use]
    pub fn loaded(name: &str) -> Self {
        let detail = SourceDetail {
            name: name.into(),
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

    /// Returns the current state. A read that does not end is an error: a mount may hang.
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

    /// Records that a read of the file begins.
    pub fn read_begins(&self) {
        self.state().looking = Some(Instant::now());
    }

    /// Records that a read of the file has ended.
    pub fn read_ends(&self) {
        self.state().looking = None;
    }

    /// Records that a new version is active.
    pub fn reloaded(&self) {
        let detail = &mut self.state().detail;
        detail.generation += 1;
        detail.loaded_at = Timestamp::now();
        (detail.last_error, detail.pending) = (None, None);
    }

    /// Records that a new version was rejected, or cannot be read.
    pub fn rejected(&self, error: String) {
        let detail = &mut self.state().detail;
        detail.failures += 1;
        (detail.last_error, detail.pending) = (Some(error), None);
    }

    /// Records why a new version is not loaded yet; `None` if there is none.
    pub fn pending(&self, why: Option<String>) {
        self.state().detail.pending = why;
    }
}
