//! Expected wait: from the seats that the group was seen to free, the seats in play and the items ahead.
//!
//! Freed seats are taken as a Poisson stream whose rate is the measured one, blended with what the seats in play
//! would free by the assumed handle time, so that a desk that has just opened answers too. The wait of the n-th is
//! then a gamma quantile (Wilson and Hilferty's approximation, 1931). Refuses to promise: whether the promised p90
//! held is counted (`Counters`), not assumed.

use crate::clock::Timestamp;

/// Length of a counting bucket, in milliseconds.
const BUCKET_MS: u64 = 10_000;
/// Buckets of the window: ten minutes.
const BUCKETS: usize = 60;
/// How much observation the assumed rate is worth, in seconds.
const PRIOR_WORTH_S: f64 = 60.0;
/// Standard normal quantile of 0.9.
const Z_90: f64 = 1.281_551_565_5;

/// A visitor's expected wait from now on, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eta {
    /// Half wait no longer.
    pub p50_ms: u64,
    /// Nine of ten wait no longer.
    pub p90_ms: u64,
}

/// A group's freed seats over the last ten minutes.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    since: Timestamp,
    counts: [u32; BUCKETS],
    /// The bucket of the last count, in buckets since 1970.
    latest: u64,
}

impl Pace {
    /// A pace that is measured from `now` on.
    pub(super) const fn from(now: Timestamp) -> Self {
        Self { since: now, counts: [0; BUCKETS], latest: now.millis() / BUCKET_MS }
    }

    /// A seat was freed.
    pub(super) fn record(&mut self, now: Timestamp) {
        let bucket = now.millis() / BUCKET_MS;
        let passed = bucket.saturating_sub(self.latest).min(BUCKETS as u64);
        for ahead in 1..=passed {
            if let Some(count) = self.counts.get_mut(position(self.latest + ahead)) {
                *count = 0;
            }
        }
        self.latest = self.latest.max(bucket);
        if let Some(count) = self.counts.get_mut(position(self.latest)) {
            *count = count.saturating_add(1);
        }
    }

    /// Freed seats per second, with `seats_in_play` seats that are assumed to be held for `handle_s`.
    fn per_second(&self, now: Timestamp, seats_in_play: u32, handle_s: u64) -> f64 {
        let newest = now.millis() / BUCKET_MS;
        let oldest = newest.saturating_sub(BUCKETS as u64 - 1);
        let counted: u32 = (oldest.max(self.latest.saturating_sub(BUCKETS as u64 - 1))..=self.latest)
            .filter_map(|bucket| self.counts.get(position(bucket)))
            .sum();
        let begin = self.since.millis().max(oldest * BUCKET_MS);
        let observed_s = now.millis().saturating_sub(begin) as f64 / 1_000.0;
        let assumed = f64::from(seats_in_play) / handle_s.max(1) as f64;
        (f64::from(counted) + assumed * PRIOR_WORTH_S) / (observed_s + PRIOR_WORTH_S)
    }

    /// The wait of the one with `ahead` before it in its group; `None` while nobody is there to serve.
    pub(super) fn eta(&self, now: Timestamp, ahead: usize, seats_in_play: u32, handle_s: u64) -> Option<Eta> {
        if seats_in_play == 0 {
            return None;
        }
        let rate = self.per_second(now, seats_in_play, handle_s);
        let nth = ahead as f64 + 1.0;
        let wait_ms = |z: f64| {
            let root = 1.0 - 1.0 / (9.0 * nth) + z / (3.0 * nth.sqrt());
            (nth * root.powi(3) / rate * 1_000.0).ceil() as u64
        };
        Some(Eta { p50_ms: wait_ms(0.0), p90_ms: wait_ms(Z_90) })
    }
}

fn position(bucket: u64) -> usize {
    usize::try_from(bucket % BUCKETS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_new_desk_answers_from_its_seats() {
        let pace = Pace::from(at(0));
        let eta = pace.eta(at(0), 0, 30, 300).unwrap();
        // 30 seats of 300 s free one seat in 10 s: the median of an exponential is 6.93 s, its p90 23.03 s.
        assert!((6_800..7_100).contains(&eta.p50_ms), "{eta:?}");
        assert!((22_500..23_500).contains(&eta.p90_ms), "{eta:?}");
        assert_eq!(pace.eta(at(0), 0, 0, 300), None, "nobody is there");
    }

    #[test]
    fn the_measured_pace_prevails_and_is_forgotten_after_the_window() {
        let mut pace = Pace::from(at(0));
        for second in 0..600 {
            pace.record(at(second));
        }
        let busy = pace.eta(at(600), 99, 30, 300).unwrap();
        // A seat a second, little moved by the assumption of one in 10 s: about 100 s for the hundredth.
        assert!((95_000..115_000).contains(&busy.p50_ms), "{busy:?}");
        assert!(busy.p90_ms > busy.p50_ms);
        let idle = pace.eta(at(10_000), 99, 30, 300).unwrap();
        assert!(idle.p50_ms > 20 * busy.p50_ms, "{idle:?}");
    }

    #[test]
    fn more_ahead_never_waits_less() {
        let pace = Pace::from(at(0));
        let waits: Vec<_> = (0..200).map(|ahead| pace.eta(at(5), ahead, 10, 300).unwrap()).collect();
        assert!(
            waits.windows(2).all(|pair| pair[0].p50_ms < pair[1].p50_ms && pair[0].p90_ms < pair[1].p90_ms)
        );
    }
}
