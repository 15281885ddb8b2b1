//! Counts user lookups, and logs what their sources sent that was ignored.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use keygate_authorizer::{DecisionRecord, LookUp};
use keygate_users::Outcome;

use crate::{histogram::Histogram, limit::PerSecond};

/// The outcomes of a lookup, as metrics name them.
const OUTCOMES: [&str; 5] = [
    "user",
    "nobody",
    "invalid-token",
    "malformed",
    "unavailable",
];

/// The most warnings about ignored parts of identities that are logged per second.
const WARNINGS_PER_SECOND: u16 = 10;

/// The counters of user lookups.
#[derive(Debug)]
pub struct LookUps {
    outcomes: [AtomicU64; OUTCOMES.len()],
    durations: Histogram,
    warnings: PerSecond,
}

impl Default for LookUps {
    fn default() -> Self {
        Self {
            outcomes: Default::default(),
            durations: Histogram::default(),
            warnings: PerSecond::new(WARNINGS_PER_SECOND),
        }
    }
}

impl LookUps {
    /// Returns how many lookups had each outcome.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.outcomes.iter().map(|it| it.load(Ordering::Relaxed));
        OUTCOMES.into_iter().zip(counts)
    }

    /// Returns the durations of lookups.
    #[must_use]
    pub fn durations(&self) -> &Histogram {
        &self.durations
    }

    /// Counts the lookup of a decision, and logs its warnings.
    pub(crate) fn note(&self, record: &DecisionRecord<'_>) {
        let Some(LookUp { outcome, took }) = record.look_up else {
            return;
        };
        self.durations.observe(*took);
        if let Some(counter) = self.outcomes.get(index(outcome)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Outcome::User(_, warnings) = outcome {
            for warning in warnings {
                self.warn(warning);
            }
        }
        let dropped = record.identity.map_or(0, |it| it.dropped_groups);
        if dropped > 0 {
            self.warn(&format_args!(
                "{dropped} of the user's groups were not sent to the backend, because they contain \
                 a comma or a control character, or begin or end with a blank"
            ));
        }
    }

    fn warn(&self, warning: &dyn std::fmt::Display) {
        if self.warnings.admits(Instant::now()) {
            tracing::warn!(
                target: "keygate::users",
                suppressed = self.warnings.dropped(),
                "{warning}"
            );
        }
    }
}

/// The index in [`OUTCOMES`].
fn index(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::User(..) => 0,
        Outcome::Nobody(_) => 1,
        Outcome::InvalidToken(_) => 2,
        Outcome::Malformed(_) => 3,
        Outcome::Unavailable(_) => 4,
    }
}
