//! The figures of docs/RELIABILITY.md: what people feel when something breaks, measured and never asserted. What is
//! asserted is that nothing is lost. Long ones are ignored by CI; `scripts/reliability.sh` runs all of them.

use std::time::Duration;

mod goodput;
mod healing;
mod kill;
mod rebuild;
mod reconnect;
mod rolling;
mod together;

/// Times of one kind, in the order of the trials.
#[derive(Default)]
pub(crate) struct Times(pub(crate) Vec<Duration>);

impl Times {
    /// The smallest time that so many percent of the trials did not exceed (nearest rank).
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted[rank - 1]
    }

    pub(crate) fn show(&self, what: &str) {
        let [p50, p99, most] = [50, 99, 100].map(|percent| self.percentile(percent).as_millis());
        println!("{what:<52} {:>4} trials  p50 {p50:>6} ms  p99 {p99:>6} ms  max {most:>6} ms", self.0.len());
    }
}

/// How many kills; more than the one of CI are asked for by the environment.
pub(crate) fn trials() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the length of the test, not a setting of the desk")]
    let asked = std::env::var("RUSHDESK_CLUSTER_TRIALS");
    asked.map_or(1, |count| count.parse().expect("a number of trials"))
}
