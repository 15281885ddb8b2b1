//! Where every decision becomes a record: it is counted, and it is written and kept if it denies.
//!
//! An allowance costs a few additions without order or lock, and allocates nothing. What is written
//! is the owned [`Entry`]: the same in the log and in `/debug/decisions`.

pub mod entry;
pub mod limit;
pub mod recent;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use keygate_resolver::{Reason, Refusal, Resolution};
use tracing::Level;

use crate::metrics::histogram::Histogram;
pub use entry::{Entry, Step};
use limit::{PerSecond, Sample, Share};
use recent::Recent;

/// What is written and kept of the decisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retention {
    /// How many of the allowances are written and kept.
    pub allow_sample: Share,
    /// How many denials a second are written and kept at most.
    pub deny_limit: u16,
    /// How many of the last denials, and of the last allowances, are kept.
    pub recent: u16,
}

/// The record of all decisions of this process.
#[derive(Debug)]
pub struct Decisions {
    durations: [Histogram; Step::ALL.len()],
    resolutions: [AtomicU64; Reason::ALL.len()],
    refused_keys: [AtomicU64; CAUSES.len()],
    allow_sample: [Sample; Step::ALL.len()],
    denials: PerSecond,
    dropped: AtomicU64,
    recent: Recent,
}

/// Why a presented key is not good.
const CAUSES: [&str; 5] = [
    "unknown",
    "malformed",
    "inactive",
    "expired",
    "not-yet-valid",
];

impl Decisions {
    /// No decisions yet.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self {
            durations: Default::default(),
            resolutions: Default::default(),
            refused_keys: Default::default(),
            allow_sample: [(); Step::ALL.len()].map(|()| Sample::new(retention.allow_sample)),
            denials: PerSecond::new(retention.deny_limit),
            dropped: AtomicU64::new(0),
            recent: Recent::new(retention.recent),
        }
    }

    /// How long the decisions of a step took.
    #[must_use]
    pub fn durations(&self, step: Step) -> &Histogram {
        let [resolve, authorize] = &self.durations;
        match step {
            Step::Resolve => resolve,
            Step::Authorize => authorize,
        }
    }

    /// How often the resolver gave each reason.
    pub fn resolutions(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(counts(&self.resolutions))
    }

    /// How often a key was refused, by cause.
    pub fn refused_keys(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.into_iter().zip(counts(&self.refused_keys))
    }

    /// How many denials were neither written nor kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The last decisions that were kept, newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Entry>> {
        self.recent.newest_first()
    }

    /// Says, again and again, how many denials were not written.
    pub async fn report_dropped(&self) {
        const INTERVAL: Duration = Duration::from_secs(10);
        let mut told = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let dropped = self.dropped();
            if dropped > told {
                tracing::warn!(
                    dropped = dropped - told,
                    "denials were not logged: more than `decision-log-deny-limit` in one second"
                );
                told = dropped;
            }
        }
    }

    /// Counts a decision, and writes and keeps it where that is asked for.
    fn note(
        &self,
        step: Step,
        allowed: bool,
        started: Instant,
        entry: impl FnOnce(Duration) -> Entry,
    ) {
        let now = Instant::now();
        let took = now.saturating_duration_since(started);
        self.durations(step).observe(took);
        let admitted = if allowed {
            self.allow_sample
                .get(step as usize)
                .is_some_and(Sample::picks)
        } else {
            self.denials.admits(now)
        };
        if admitted {
            let entry = entry(took);
            entry.log(Level::INFO);
            self.recent.keep(entry);
        } else if !allowed {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else if tracing::enabled!(target: entry::TARGET, Level::DEBUG) {
            entry(took).log(Level::DEBUG);
        }
    }
}

impl keygate_resolver::Observer for Decisions {
    fn resolved(&self, record: &keygate_resolver::Record<'_>) {
        let reason = record.resolution.reason();
        add_one(self.resolutions.get(reason as usize));
        if let Resolution::Refused(refusal) = &record.resolution {
            add_one(cause(refusal).and_then(|cause| self.refused_keys.get(cause)));
        }
        self.note(Step::Resolve, reason.is_success(), record.started, |took| {
            Entry::of_resolution(record, took)
        });
    }
}

impl keygate_authorizer::Observer for Decisions {
    fn decided(&self, record: &keygate_authorizer::Record<'_>) {
        self.note(
            Step::Authorize,
            record.reason == keygate_policy::Reason::Ok,
            record.started,
            |took| Entry::of_decision(record, took),
        );
    }
}

/// The place of a refused key's cause in [`CAUSES`]; nothing where no single key was presented.
fn cause(refusal: &Refusal<'_>) -> Option<usize> {
    match refusal {
        Refusal::SeveralNextSteps | Refusal::Missing | Refusal::Ambiguous => None,
        Refusal::Unknown => Some(0),
        Refusal::Malformed => Some(1),
        Refusal::Inactive(_) => Some(2),
        Refusal::Expired(_) => Some(3),
        Refusal::NotYetValid(_) => Some(4),
    }
}

fn add_one(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn counts(counters: &[AtomicU64]) -> impl Iterator<Item = u64> {
    counters
        .iter()
        .map(|counter| counter.load(Ordering::Relaxed))
}
