//! What the journal counts about itself, as plain atomics that telemetry reads whenever it likes.
//!
//! Refuses to know metric names, labels or exporters: those are telemetry's.

use super::lane::Lane;
use super::{Done, Outcome};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the batch-size buckets, in operations.
pub const BATCH_BOUNDS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// Upper bounds of the duration buckets, in microseconds.
pub const DURATION_BOUNDS_US: [u64; 10] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000];

/// Counts per bucket, not cumulative; what lies above the last bound is in `above`.
#[derive(Debug)]
pub struct Histogram {
    pub bounds: &'static [u64; 10],
    pub counts: [AtomicU64; 10],
    pub above: AtomicU64,
    pub sum: AtomicU64,
}

impl Histogram {
    pub(crate) const fn new(bounds: &'static [u64; 10]) -> Self {
        Self {
            bounds,
            counts: [const { AtomicU64::new(0) }; 10],
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value, in the unit of the bounds.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound).and_then(|at| self.counts.get(at));
        bucket.unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }
}

/// The journal's counters and gauges.
#[derive(Debug)]
pub struct JournalMeters {
    /// Operations that wait for the writer now.
    pub queue_depth: AtomicU64,
    /// How long they wait.
    pub lane: Lane,
    /// Operations given back because the writer's queue was full.
    pub queue_full: AtomicU64,
    /// Questions that wait for a reader now.
    pub questions_depth: AtomicU64,
    /// Questions given back because the readers' queue was full.
    pub questions_busy: AtomicU64,
    /// Operations per commit.
    pub batch_ops: Histogram,
    /// Time in COMMIT, the disk's flush included, in microseconds.
    pub commit_us: Histogram,
    /// Entries committed.
    pub entries: AtomicU64,
    /// Writes that the ledger refused or found stale.
    pub refusals: AtomicU64,
    /// Operations answered `Failed`.
    pub failures: AtomicU64,
    /// Entries that were acknowledged here and that the store has come back without.
    pub lost: AtomicU64,
    /// Conversations whose row lags behind their log; bounded, see the adapter's options.
    pub unflushed: AtomicU64,
    /// Size of the write-ahead log after the last check, in bytes.
    pub wal_bytes: AtomicU64,
    /// Time in checkpoints, in microseconds.
    pub checkpoint_us: Histogram,
    /// The disk is full: writes are refused until a probe succeeds.
    pub read_only: AtomicBool,
}

impl Default for JournalMeters {
    fn default() -> Self {
        Self {
            queue_depth: AtomicU64::new(0),
            lane: Lane::default(),
            queue_full: AtomicU64::new(0),
            questions_depth: AtomicU64::new(0),
            questions_busy: AtomicU64::new(0),
            batch_ops: Histogram::new(&BATCH_BOUNDS),
            commit_us: Histogram::new(&DURATION_BOUNDS_US),
            entries: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unflushed: AtomicU64::new(0),
            wal_bytes: AtomicU64::new(0),
            checkpoint_us: Histogram::new(&DURATION_BOUNDS_US),
            read_only: AtomicBool::new(false),
        }
    }
}

/// Whole microseconds of `duration`.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl JournalMeters {
    /// Counts what an operation came to; every adapter's writer calls it once for each answer.
    pub(super) fn count(&self, done: &Done) {
        match done {
            Done::Write(Outcome::Committed { entries }) => {
                self.entries.fetch_add(entries.len() as u64, Ordering::Relaxed);
            }
            Done::Write(Outcome::Refused(_) | Outcome::Stale { .. } | Outcome::Conflict { .. })
            | Done::Stale { .. } => {
                self.refusals.fetch_add(1, Ordering::Relaxed);
            }
            Done::Write(Outcome::Failed { .. }) | Done::Failed { .. } => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&BATCH_BOUNDS);
        for value in [1, 3, 512, 513] {
            histogram.observe(value);
        }
        let counts: Vec<u64> = histogram.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.above.load(Ordering::Relaxed), 1);
        assert_eq!(histogram.sum.load(Ordering::Relaxed), 1 + 3 + 512 + 513);
    }
}
