//! The keys of one issuer: what is held now, and how newer ones are fetched.
//!
//! One task per issuer fetches the keys ([`Fetcher::run`]); requests read the current ones, and may
//! trigger a fetch, which they share, at most once in [`Timing::cooldown`].

mod fetcher;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use keygate_users::{KeySet, jwks::Ignored, settings::Url};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

pub use fetcher::{FetchFailure, Fetcher};

use crate::Client;

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The shortest time between two fetches that requests trigger, from start to start.
    pub cooldown: Duration,
    /// How long a request waits for newer keys.
    pub wait: Duration,
    /// The time until a fetch that failed is tried again; it doubles until `longest_retry`.
    pub first_retry: Duration,
    /// The longest time between tries.
    pub longest_retry: Duration,
    /// The bounds of how long a set counts as fresh, whatever the server says.
    pub fresh: (Duration, Duration),
    /// How long a set counts as fresh where the server says nothing.
    pub fresh_by_default: Duration,
    /// What one fetch may take.
    pub fetch: Duration,
    /// How long the last set is used while no newer one can be fetched.
    pub max_stale: Duration,
}

impl Timing {
    /// Returns the usual times, with this limit on the age of a set.
    #[must_use]
    pub fn with_max_stale(seconds: u32) -> Self {
        Self {
            max_stale: Duration::from_secs(seconds.into()),
            ..Self::default()
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            cooldown: Duration::from_secs(10),
            // Less than nginx waits with the default includes.
            wait: Duration::from_millis(1500),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(30),
            fresh: (minutes(1), minutes(60)),
            fresh_by_default: minutes(10),
            fetch: Duration::from_secs(5),
            max_stale: minutes(24 * 60),
        }
    }
}

/// The keys of one issuer, for those who verify tokens with them.
#[derive(Debug)]
pub struct Keys {
    held: ArcSwapOption<Held>,
    attempt: Mutex<Attempt>,
    wanted: Notify,
    finished: watch::Sender<u64>,
    timing: Timing,
    /// Whether a task fetches newer ones; a file is loaded by its reader.
    is_fetched: bool,
}

/// A set of keys, and when it was valid last.
#[derive(Debug)]
struct Held {
    set: Arc<KeySet>,
    since: Instant,
}

/// The last fetch, or the one that runs.
#[derive(Debug, Default)]
struct Attempt {
    started: Option<Instant>,
    is_running: bool,
    status: Status,
}

/// What is known of an issuer's keys, for operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// How many keys the set has; `None` where there was never one.
    pub keys: Option<usize>,
    /// When it was fetched or loaded.
    pub updated: Option<Timestamp>,
    /// The keys of it that are ignored.
    pub ignored: Vec<Ignored>,
    /// Why the last try failed; `None` where it did not.
    pub failure: Option<FetchFailure>,
    /// How many tries there were.
    pub tries: u64,
    /// How many of them failed.
    pub failed_tries: u64,
}

/// Whether newer keys came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// A fetch has finished with a set.
    Yes,
    /// The keys were fetched a moment ago: there are no newer ones.
    Recent,
    /// The source does not respond.
    Unavailable,
}

impl Keys {
    /// Keys that the reader of a file sets by [`Keys::replace`]; until then there are none.
    #[must_use]
    pub fn of_file() -> Arc<Self> {
        Arc::new(Self::empty(Timing::default(), false))
    }

    /// Keys at a URL, and the task that fetches them: until its first fetch there are none.
    #[must_use]
    pub fn at(url: Url, client: Client, timing: Timing) -> (Arc<Self>, Fetcher) {
        let keys = Arc::new(Self::empty(timing, true));
        let fetcher = Fetcher::new(Arc::clone(&keys), url, client);
        (keys, fetcher)
    }

    fn empty(timing: Timing, is_fetched: bool) -> Self {
        Self {
            held: ArcSwapOption::empty(),
            attempt: Mutex::default(),
            wanted: Notify::new(),
            finished: watch::Sender::new(0),
            timing,
            is_fetched,
        }
    }

    /// Replaces the set whole: a key that the newer one lacks verifies nothing any more.
    pub fn replace(&self, set: KeySet, ignored: Vec<Ignored>) {
        self.with_attempt(|attempt| {
            attempt.status.keys = Some(set.count());
            attempt.status.updated = Some(Timestamp::now());
            attempt.status.ignored = ignored;
            attempt.status.failure = None;
        });
        self.held.store(Some(Arc::new(Held {
            set: Arc::new(set),
            since: Instant::now(),
        })));
    }

    /// Returns the keys; none where there was never a set, or only one that is too old.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        let is_usable = !self.is_fetched || held.since.elapsed() < self.timing.max_stale;
        is_usable.then(|| Arc::clone(&held.set))
    }

    /// Returns what operators want to know; keys that are too old to be used are none.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.with_attempt(|attempt| attempt.status.clone());
        if self.current().is_none() {
            status.keys = None;
        }
        status
    }

    /// Triggers a fetch and waits for it; concurrent requests share one.
    pub async fn refreshed(&self) -> Refreshed {
        if !self.is_fetched {
            return Refreshed::Recent;
        }
        let mut finished = self.finished.subscribe();
        let may_fetch = self.with_attempt(|attempt| {
            let rests = |started: Instant| started.elapsed() < self.timing.cooldown;
            attempt.is_running || !attempt.started.is_some_and(rests)
        });
        if may_fetch {
            self.wanted.notify_one();
            // A fetch may take longer than this request waits.
            let waited = tokio::time::timeout(self.timing.wait, finished.changed()).await;
            if waited.is_err() {
                return Refreshed::Unavailable;
            }
        }
        match (
            self.with_attempt(|it| it.status.failure.is_some()),
            may_fetch,
        ) {
            (true, _) => Refreshed::Unavailable,
            (false, true) => Refreshed::Yes,
            (false, false) => Refreshed::Recent,
        }
    }

    fn with_attempt<T>(&self, then: impl FnOnce(&mut Attempt) -> T) -> T {
        then(&mut self.attempt.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
