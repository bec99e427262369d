//! How many connections may come back in a second with positions to go on from: the budget of a reconnect storm.
//!
//! Each resume reads history from the store, so thousands at once (a node went away, a network came back) would push out
//! those who are connected. A token bucket of one second's worth; its last quarter is for agents. Who finds it empty is
//! told to come back at a time of its own, spread over as long as those refused of late will take.
//!
//! Pure: time and chance are arguments. Refuses to know connections.

use crate::clock::Timestamp;

/// Longest time that somebody is sent away for.
const LONGEST_MS: u64 = 30_000;
const SECOND_MS: u64 = 1_000;
/// A resume in the bucket's unit: a thousandth of one is gained in each millisecond at one a second.
const ONE: u64 = 1_000;

/// The bucket, and how many were sent away of late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumes {
    per_s: u64,
    left: u64,
    at: Timestamp,
    /// Refused since the bucket was last full.
    refused: u64,
}

impl Resumes {
    /// A full bucket; `per_s` of 0 counts as 1.
    pub fn new(per_s: u32, now: Timestamp) -> Self {
        let per_s = u64::from(per_s.max(1));
        Self { per_s, left: per_s * ONE, at: now, refused: 0 }
    }

    /// Takes one resume out of the bucket. `chance` is any number.
    ///
    /// # Errors
    /// There is none; milliseconds after which to try again.
    pub fn take(&mut self, is_agent: bool, now: Timestamp, chance: u64) -> Result<(), u64> {
        let full = self.per_s * ONE;
        let gained = now.since_millis(self.at).saturating_mul(self.per_s);
        self.left = self.left.saturating_add(gained).min(full);
        self.at = now;
        if self.left == full {
            self.refused = 0;
        }
        let kept = if is_agent { 0 } else { full / 4 };
        if self.left >= kept + ONE || (self.left == full && full == ONE) {
            self.left = self.left.saturating_sub(ONE);
            return Ok(());
        }
        self.refused = self.refused.saturating_add(1);
        let spread_ms = (self.refused.saturating_mul(SECOND_MS) / self.per_s).clamp(SECOND_MS, LONGEST_MS);
        Err(SECOND_MS.saturating_add(chance % spread_ms).min(LONGEST_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: Timestamp = Timestamp::from_millis(50_000);

    #[test]
    fn visitors_leave_the_last_quarter_to_agents_and_the_budget_comes_back_with_time() {
        let mut resumes = Resumes::new(8, T0);
        let taken = |resumes: &mut Resumes, is_agent, at| {
            (0..100).take_while(|_| resumes.take(is_agent, at, 0).is_ok()).count()
        };
        assert_eq!(taken(&mut resumes, false, T0), 6);
        assert_eq!(taken(&mut resumes, true, T0), 2);
        assert_eq!(
            taken(&mut resumes, false, T0.plus_millis(250)),
            0,
            "the first that come back are agents'"
        );
        assert_eq!(taken(&mut resumes, true, T0.plus_millis(250)), 2);
        assert_eq!(taken(&mut resumes, false, T0.plus_millis(5_000)), 6);
    }

    #[test]
    fn a_budget_of_one_serves_visitors_too() {
        let mut resumes = Resumes::new(1, T0);
        assert_eq!(resumes.take(false, T0, 0), Ok(()));
        assert!(resumes.take(false, T0.plus_millis(500), 0).is_err());
        assert_eq!(resumes.take(false, T0.plus_millis(1_000), 0), Ok(()));
    }

    #[test]
    fn the_more_are_sent_away_the_longer_they_are_spread_over() {
        let mut resumes = Resumes::new(10, T0);
        let told: Vec<u64> = (0..1_000).filter_map(|n| resumes.take(false, T0, n * 7_919).err()).collect();
        assert!(told.iter().all(|ms| (SECOND_MS..=LONGEST_MS).contains(ms)));
        let longest = |part: &[u64]| part.iter().max().copied().unwrap_or(0);
        assert!(longest(&told[..10]) <= 2 * SECOND_MS && longest(&told) > 20 * SECOND_MS);
        assert!(resumes.take(false, T0.plus_millis(2_000), 0).is_ok());
        assert_eq!(resumes.refused, 0, "a full bucket is the end of the storm");
    }

    proptest! {
        #[test]
        fn no_second_takes_more_than_the_bucket_and_what_it_gains(
            per_s in 1_u32..50,
            steps in proptest::collection::vec((0_u64..40, any::<bool>(), any::<u64>()), 1..400),
        ) {
            let mut resumes = Resumes::new(per_s, T0);
            let (mut now, mut taken) = (T0, 0_u64);
            for (after_ms, is_agent, chance) in steps {
                now = now.plus_millis(after_ms);
                taken += u64::from(resumes.take(is_agent, now, chance).is_ok());
            }
            let gained = now.since_millis(T0) * u64::from(per_s) / SECOND_MS;
            prop_assert!(taken <= u64::from(per_s) + gained + 1);
        }
    }
}
