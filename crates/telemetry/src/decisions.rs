//! Records every decision: counts it, and logs and keeps it if it denies or a shadow decides
//! differently.
//!
//! An allowed request costs a few additions without ordering or lock, and allocates nothing unless it
//! is traced. The record is an owned [`Entry`]: the same in the log, in `/debug/decisions` and in a
//! trace.

pub mod differences;
pub mod filter;
pub mod recent;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::HeaderMap;
use keygate_keys::InvalidKey;
use keygate_resolver::{Refusal, Resolution, ResolutionReason};
use serde::Serialize;
use tracing::Level;

use crate::{
    entry::{self, Entry, Step},
    histogram::Histogram,
    limit::{PerSecond, Sample, Share},
    look_ups::LookUps,
    traces::{self, Traces},
};
pub use differences::Differences;
pub use filter::Filter;
use recent::Recent;

/// The limits of logging and keeping decisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retention {
    /// The share of allowed requests that are logged and kept.
    pub allow_sample: Share,
    /// The most denials per second that are logged and kept, and separately the most allowed requests
    /// per second that a shadow would deny.
    pub deny_limit: u16,
    /// How many of the last denials, and of the last allowed requests, are kept.
    pub recent: u16,
}

/// The recorder of all decisions of this process.
#[derive(Debug)]
pub struct Decisions {
    retention: Retention,
    durations: [Histogram; Step::ALL.len()],
    resolutions: [AtomicU64; ResolutionReason::ALL.len()],
    refused_keys: [AtomicU64; CAUSES.len()],
    gateway_errors: [AtomicU64; Step::ALL.len()],
    look_ups: LookUps,
    allow_sample: [Sample; Step::ALL.len()],
    denials: PerSecond,
    differences: PerSecond,
    recent: Recent,
    traces: Option<Traces>,
}

/// The numbers of decisions that were neither logged nor kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// Denials over the limit.
    pub denials: u64,
    /// Allowed requests over the limit that a shadow would deny.
    pub shadow_differences: u64,
}

/// Why a decision is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// A denial: always logged, up to a limit.
    Denial,
    /// A shadow would deny an allowed request: always logged, up to a separate limit, so that a wrong
    /// shadow does not suppress denials.
    Difference,
    /// An allowed request: logged if the sample selects it.
    Allowed,
}

/// Why a presented key is rejected.
const CAUSES: [&str; 6] = [
    "unknown",
    "malformed",
    "inactive",
    "expired",
    "not-yet-valid",
    "too-many-failures",
];

impl Decisions {
    /// Returns a recorder without decisions; it creates a span for each decision if `traces` is set.
    #[must_use]
    pub fn new(retention: Retention, traces: Option<Traces>) -> Self {
        Self {
            retention,
            durations: Default::default(),
            resolutions: Default::default(),
            refused_keys: Default::default(),
            gateway_errors: Default::default(),
            look_ups: LookUps::default(),
            allow_sample: [(); Step::ALL.len()].map(|()| Sample::new(retention.allow_sample)),
            denials: PerSecond::new(retention.deny_limit),
            differences: PerSecond::new(retention.deny_limit),
            recent: Recent::new(retention.recent),
            traces,
        }
    }

    /// Returns the durations of a step's decisions.
    #[must_use]
    pub fn durations(&self, step: Step) -> &Histogram {
        let [resolve, authorize] = &self.durations;
        match step {
            Step::Resolve => resolve,
            Step::Authorize => authorize,
        }
    }

    /// Returns how often the resolver gave each reason.
    pub fn resolutions(&self) -> impl Iterator<Item = (ResolutionReason, u64)> {
        ResolutionReason::ALL
            .into_iter()
            .zip(counts(&self.resolutions))
    }

    /// Returns how often a key was rejected, by cause.
    pub fn refused_keys(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.into_iter().zip(counts(&self.refused_keys))
    }

    /// Returns how many authorization requests of a step were denied because of a gateway error.
    #[must_use]
    pub fn gateway_errors(&self, step: Step) -> u64 {
        let counter = self.gateway_errors.get(step as usize);
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Counts a request that is denied because of a gateway error, and that no service gets to see.
    pub fn count_gateway_error(&self, step: Step) {
        add_one(self.gateway_errors.get(step as usize));
    }

    /// Returns the counters of user lookups.
    #[must_use]
    pub fn look_ups(&self) -> &LookUps {
        &self.look_ups
    }

    /// Returns how many decisions were neither logged nor kept because of the limits.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        Dropped {
            denials: self.denials.dropped(),
            shadow_differences: self.differences.dropped(),
        }
    }

    /// Returns the share of allowed requests that are logged and kept.
    #[must_use]
    pub fn allow_sample(&self) -> Share {
        self.retention.allow_sample
    }

    /// Returns the kept decisions, newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Entry>> {
        self.recent.newest_first()
    }

    /// Logs periodically how many decisions were not logged.
    pub async fn report_dropped(&self) {
        const INTERVAL: Duration = Duration::from_secs(10);
        let mut reported = Dropped::default();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let dropped = self.dropped();
            if dropped != reported {
                tracing::warn!(
                    denials = dropped.denials - reported.denials,
                    shadowDifferences = dropped.shadow_differences - reported.shadow_differences,
                    "some decisions were not logged: there were more than \
                     `decision-log-deny-limit` in one second"
                );
                reported = dropped;
            }
        }
    }

    /// Counts a decision, and logs, keeps and traces it as configured.
    fn note(
        &self,
        step: Step,
        occasion: Occasion,
        (started, headers): (Instant, &HeaderMap),
        entry: impl FnOnce(Duration) -> Entry,
    ) {
        let now = Instant::now();
        let took = now.saturating_duration_since(started);
        self.durations(step).observe(took);
        let sample = self.allow_sample.get(step as usize);
        let admitted = match occasion {
            Occasion::Denial => self.denials.admits(now),
            Occasion::Difference => self.differences.admits(now),
            Occasion::Allowed => sample.is_some_and(Sample::picks),
        };
        let level = match occasion {
            _ if admitted => Some(Level::INFO),
            Occasion::Allowed if tracing::enabled!(target: entry::TARGET, Level::DEBUG) => {
                Some(Level::DEBUG)
            }
            _ => None,
        };
        let traces = self.traces.as_ref();
        let span = traces.and_then(|traces| traces.span(step, headers, took));
        if level.is_none() && span.is_none() {
            return;
        }
        let entry = entry(took);
        if let Some(level) = level {
            entry.log(level);
        }
        if let Some(span) = span {
            traces::end(span, &entry);
        }
        if admitted {
            self.recent.keep(entry);
        }
    }
}

impl keygate_resolver::ResolutionObserver for Decisions {
    fn resolved(&self, record: &keygate_resolver::ResolutionRecord<'_>) {
        let reason = record.resolution.reason();
        add_one(self.resolutions.get(reason as usize));
        if let Resolution::Refused(refusal) = &record.resolution {
            add_one(cause(refusal).and_then(|cause| self.refused_keys.get(cause)));
            if matches!(refusal, Refusal::OtherNames | Refusal::SeveralNextSteps) {
                add_one(self.gateway_errors.get(Step::Resolve as usize));
            }
        }
        let occasion = if reason.is_success() {
            Occasion::Allowed
        } else {
            Occasion::Denial
        };
        let request = (record.started, record.request.headers);
        self.note(Step::Resolve, occasion, request, |took| {
            Entry::of_resolution(record, took)
        });
    }
}

impl keygate_authorizer::DecisionObserver for Decisions {
    fn decided(&self, record: &keygate_authorizer::DecisionRecord<'_>) {
        if record.cause.is_some_and(|cause| cause.is_of_gateway()) {
            add_one(self.gateway_errors.get(Step::Authorize as usize));
        }
        self.look_ups.note(record);
        let occasion = match record.difference() {
            _ if record.reason != keygate_policy::Reason::Ok => Occasion::Denial,
            Some(_) => Occasion::Difference,
            None => Occasion::Allowed,
        };
        let request = (record.started, record.headers);
        self.note(Step::Authorize, occasion, request, |took| {
            Entry::of_decision(record, took)
        });
    }
}

/// The index of the cause in [`CAUSES`]; `None` if not exactly one key was presented.
fn cause(refusal: &Refusal<'_>) -> Option<usize> {
    match refusal {
        Refusal::OtherNames | Refusal::SeveralNextSteps | Refusal::Missing | Refusal::Ambiguous => {
            None
        }
        Refusal::Invalid(InvalidKey::Unknown) => Some(0),
        Refusal::Invalid(InvalidKey::Malformed) => Some(1),
        Refusal::Invalid(InvalidKey::Inactive(_)) => Some(2),
        Refusal::Invalid(InvalidKey::Expired(_)) => Some(3),
        Refusal::Invalid(InvalidKey::NotYetValid(_)) => Some(4),
        Refusal::TooManyFailures => Some(5),
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
