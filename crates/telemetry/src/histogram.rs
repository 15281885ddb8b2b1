//! A histogram of decision durations.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::metrics::exposition::Family;

/// Upper bounds, as text and in nanoseconds. A decision takes microseconds; one that looks a user up
/// at another service takes milliseconds.
const BOUNDS: [(&str, u64); 13] = [
    ("0.000001", 1_000),
    ("0.0000025", 2_500),
    ("0.000005", 5_000),
    ("0.00001", 10_000),
    ("0.000025", 25_000),
    ("0.00005", 50_000),
    ("0.0001", 100_000),
    ("0.00025", 250_000),
    ("0.001", 1_000_000),
    ("0.01", 10_000_000),
    ("0.1", 100_000_000),
    ("1.0", 1_000_000_000),
    ("10.0", 10_000_000_000),
];

/// A histogram of durations. An observation is two additions without ordering or lock.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The counts between consecutive bounds; the last one is for values above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(_, bound)| *bound < nanoseconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Writes the samples, with a label if there is one.
    pub fn write(&self, family: &mut Family<'_>, label: Option<(&str, &str)>) {
        let bounds = BOUNDS.iter().map(|(text, _)| *text).chain(["+Inf"]);
        let mut count = 0;
        for (bucket, bound) in self.buckets.iter().zip(bounds) {
            count += bucket.load(Ordering::Relaxed);
            let labels: Vec<_> = label.into_iter().chain([("le", bound)]).collect();
            family.suffixed("_bucket", &labels, count);
        }
        let sum = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        let label = label.as_slice();
        family.suffixed("_sum", label, sum.as_secs_f64());
        family.suffixed("_count", label, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::exposition::{Exposition, Format, Kind};

    #[test]
    fn a_duration_counts_under_every_bound_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for nanoseconds in [1, 1_000, 1_001, 99_999_999, 60_000_000_000] {
            histogram.observe(Duration::from_nanos(nanoseconds));
        }
        let mut text = Exposition::new(Format::Prometheus);
        let mut family = text.family(Kind::Histogram, "h", "H.");
        histogram.write(&mut family, Some(("step", "s")));
        insta::assert_snapshot!(text.finish(), @r#"
        # HELP h H.
        # TYPE h histogram
        h_bucket{step="s",le="0.000001"} 2
        h_bucket{step="s",le="0.0000025"} 3
        h_bucket{step="s",le="0.000005"} 3
        h_bucket{step="s",le="0.00001"} 3
        h_bucket{step="s",le="0.000025"} 3
        h_bucket{step="s",le="0.00005"} 3
        h_bucket{step="s",le="0.0001"} 3
        h_bucket{step="s",le="0.00025"} 3
        h_bucket{step="s",le="0.001"} 3
        h_bucket{step="s",le="0.01"} 3
        h_bucket{step="s",le="0.1"} 4
        h_bucket{step="s",le="1.0"} 4
        h_bucket{step="s",le="10.0"} 4
        h_bucket{step="s",le="+Inf"} 5
        h_sum{step="s"} 60.100002001
        h_count{step="s"} 5
        "#);
    }
}
