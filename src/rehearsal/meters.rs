//! What the players measure: counts, and times from the *intended* moment, in histograms.
//!
//! Times count from when something should have happened, so that a desk that stalls cannot hide it by holding up the
//! players (coordinated omission). Histograms are bounded in memory; what lies above their range is kept as the top.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest time that a histogram tells apart.
const LONGEST_US: u64 = 600_000_000;

/// A distribution of times, in microseconds inside, told in milliseconds.
#[derive(Debug)]
pub struct Times(Mutex<Histogram<u64>>);

/// Some percentiles of a distribution, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spread {
    pub count: u64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Default for Times {
    #[expect(clippy::expect_used, reason = "the bounds are constants that the histogram takes")]
    fn default() -> Self {
        Self(Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("1 µs to 10 min with 3 digits")))
    }
}

impl Times {
    pub fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.0.lock().saturating_record(us.clamp(1, LONGEST_US));
    }

    /// Forgets everything so far: the end of a warm-up.
    pub fn reset(&self) {
        self.0.lock().reset();
    }

    pub fn spread(&self) -> Spread {
        let histogram = self.0.lock();
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        Spread {
            count: histogram.len(),
            mean_ms: histogram.mean() / 1_000.0,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(histogram.max()),
        }
    }
}

/// A count that many players add to.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn one(&self) {
        self.add(1);
    }

    pub fn drop_one(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that players count and time.
#[derive(Debug, Default)]
pub struct Meters {
    /// Visitors who came, are there now, went content, gave up, or were sent away because the house was full.
    pub came: Tally,
    pub present: Tally,
    pub served: Tally,
    pub gave_up: Tally,
    pub sent_away: Tally,
    pub sends: Tally,
    pub acked: Tally,
    /// `error` answers that allow the same id again, and those that do not.
    pub refused_for_now: Tally,
    pub refused: Tally,
    pub entries: Tally,
    /// Entries that the client rule ignored, and holes that it mended by `fetch`.
    pub repeats: Tally,
    pub holes: Tally,
    pub assigned: Tally,
    pub replies: Tally,
    pub closed: Tally,
    pub connects: Tally,
    pub lost_connections: Tally,
    /// Frames that no client of the contract could read.
    pub unreadable: Tally,
    /// A visitor's `send`, intended to acked.
    pub ack: Times,
    /// A visitor's `send`, intended to seen by the agent.
    pub delivery: Times,
    /// Opened to the `assigned` frame on the agent's socket.
    pub assignment: Times,
    /// Opened to the first word of an agent.
    pub first_response: Times,
}

impl Meters {
    /// Every count by its name, in the order of a visit.
    pub fn counts(&self) -> [(&'static str, u64); 18] {
        [
            ("came", self.came.count()),
            ("present", self.present.count()),
            ("served", self.served.count()),
            ("gave_up", self.gave_up.count()),
            ("sent_away", self.sent_away.count()),
            ("sends", self.sends.count()),
            ("acked", self.acked.count()),
            ("refused_for_now", self.refused_for_now.count()),
            ("refused", self.refused.count()),
            ("entries", self.entries.count()),
            ("repeats", self.repeats.count()),
            ("holes", self.holes.count()),
            ("assigned", self.assigned.count()),
            ("replies", self.replies.count()),
            ("closed", self.closed.count()),
            ("connects", self.connects.count()),
            ("lost_connections", self.lost_connections.count()),
            ("unreadable", self.unreadable.count()),
        ]
    }

    /// Every distribution by its name.
    pub fn times(&self) -> [(&'static str, Spread); 4] {
        [
            ("ack", self.ack.spread()),
            ("delivery", self.delivery.spread()),
            ("assignment", self.assignment.spread()),
            ("first_response", self.first_response.spread()),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounded by LONGEST_US")]
const fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_tells_milliseconds_of_what_was_recorded() {
        let times = Times::default();
        for ms in 1..=1_000 {
            times.record(Duration::from_millis(ms));
        }
        let spread = times.spread();
        assert_eq!(spread.count, 1_000);
        assert!((499.0..=501.0).contains(&spread.p50_ms), "{spread:?}");
        assert!((989.0..=991.0).contains(&spread.p99_ms), "{spread:?}");
        times.reset();
        assert_eq!(times.spread().count, 0);
    }

    #[test]
    fn times_beyond_the_range_are_kept_as_its_ends() {
        let times = Times::default();
        times.record(Duration::ZERO);
        times.record(Duration::from_secs(86_400));
        assert_eq!(times.spread().count, 2);
        assert!(times.spread().max_ms >= 600_000.0);
    }
}
