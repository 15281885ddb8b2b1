//! Limits on logging: a share of the allowed requests, and a number of denials per second.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use serde::{Deserialize, Serialize, Serializer};

/// A share of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(try_from = "WrittenShare")]
pub struct Share(f64);

/// A number or a text: environment variables have no types.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenShare {
    Number(f64),
    Text(String),
}

impl TryFrom<WrittenShare> for Share {
    type Error = String;

    fn try_from(written: WrittenShare) -> Result<Self, String> {
        let (share, text) = match written {
            WrittenShare::Number(number) => (Some(number), number.to_string()),
            WrittenShare::Text(text) => (text.parse().ok(), text),
        };
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a number from 0 to 1"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

/// Selects a share of all items, evenly spread.
#[derive(Debug)]
pub struct Sample {
    /// The upper end of the selected part of all 64-bit numbers; `None` selects nothing.
    end: Option<u64>,
    at: AtomicU64,
}

impl Sample {
    /// Returns a sample of this share.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share is from 0 to 1, and the cast saturates"
    )]
    pub fn new(Share(share): Share) -> Self {
        Self {
            end: (share > 0.0).then_some((share * u64::MAX as f64) as u64),
            at: AtomicU64::new(0),
        }
    }

    /// Returns whether the next item is selected. Steps of the golden ratio are spread evenly.
    pub fn picks(&self) -> bool {
        const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
        self.end
            .is_some_and(|end| self.at.fetch_add(GOLDEN_RATIO, Ordering::Relaxed) <= end)
    }
}

/// Allows a number of items per second, and counts the rejected ones.
#[derive(Debug)]
pub struct PerSecond {
    limit: u64,
    start: Instant,
    /// The upper half is the second since the start, the lower half the number of items in it.
    window: AtomicU64,
    dropped: AtomicU64,
}

impl PerSecond {
    /// Returns a limit that starts now.
    #[must_use]
    pub fn new(limit: u16) -> Self {
        Self {
            limit: limit.into(),
            start: Instant::now(),
            window: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Returns whether one more item is allowed in the second of `now`.
    pub fn admits(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.start).as_secs() << 32;
        let next = |window: u64| {
            let passed = if window & !u64::from(u32::MAX) == second {
                window & u64::from(u32::MAX)
            } else {
                0
            };
            (passed < self.limit).then(|| second | (passed + 1))
        };
        let window = self
            .window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        if window.is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        window.is_ok()
    }

    /// Returns how many items were rejected.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sample_selects_its_share() {
        for (share, expected) in [
            (0.0, 0..=0),
            (0.01, 98..=102),
            (0.5, 4990..=5010),
            (1.0, 10_000..=10_000),
        ] {
            let sample = Sample::new(Share(share));
            let picked = (0..10_000).filter(|_| sample.picks()).count();
            assert!(expected.contains(&picked), "{picked} of 10000 for {share}");
        }
    }

    #[test]
    fn a_limit_applies_to_each_second() {
        let limit = PerSecond::new(3);
        let at = |milliseconds| limit.start + Duration::from_millis(milliseconds);
        let admitted = |times: &[u64]| times.iter().filter(|time| limit.admits(at(**time))).count();
        assert_eq!(admitted(&[0, 1, 2, 3, 999]), 3);
        assert_eq!(admitted(&[1000, 1500]), 2);
        assert_eq!(admitted(&[5000, 5001, 5002, 5003]), 3);
        assert_eq!(limit.dropped(), 3);
        assert!(!PerSecond::new(0).admits(Instant::now()));
    }

    #[test]
    fn a_share_is_from_zero_to_one() {
        let share = |text: &str| Share::try_from(WrittenShare::Text(text.to_owned()));
        assert_eq!(share("0.25"), Ok(Share(0.25)));
        for bad in ["", "1.1", "-0.1", "nan", "1%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
