//! How many classes of work are refused, decided from the delay of the commit lane: CoDel (RFC 8289) over classes.
//!
//! CoDel drops packets of one queue; here what is "dropped" next is a whole class. A delay above the target for a whole
//! interval means a standing queue and no mere burst: the least important class is refused, and while the delay stays
//! above, further ones after `interval / sqrt(n)`. Classes come back one at a time, each after an interval at half the
//! target or less; between half and whole nothing changes, so that the level does not swing.
//!
//! Pure: time is an argument. Refuses to measure the delay and to know what a class is.

use super::class::MOST_REFUSED;
use crate::clock::Timestamp;

/// What an operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Delay that is fine.
    pub target_ms: u64,
    /// Time for which a delay must last before something is done about it.
    pub interval_ms: u64,
}

/// How much is refused now, and since when the delay is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shedding {
    pace: Pace,
    level: u8,
    /// Classes refused since this overload began: the `n` of CoDel's pace.
    steps: u64,
    above_since: Option<Timestamp>,
    calm_since: Option<Timestamp>,
    raised_at: Timestamp,
}

impl Shedding {
    pub const fn new(pace: Pace) -> Self {
        Self {
            pace,
            level: 0,
            steps: 0,
            above_since: None,
            calm_since: None,
            raised_at: Timestamp::from_millis(0),
        }
    }

    /// Classes that are refused, the least important first.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The lane's delay is `delay_ms` now.
    pub fn observe(&mut self, delay_ms: u64, now: Timestamp) {
        if delay_ms > self.pace.target_ms {
            self.calm_since = None;
            let above_since = *self.above_since.get_or_insert(now);
            self.perhaps_refuse_more(above_since, now);
            return;
        }
        self.above_since = None;
        if delay_ms > self.pace.target_ms / 2 {
            self.calm_since = None;
            return;
        }
        let calm_since = *self.calm_since.get_or_insert(now);
        if self.level > 0 && now.since_millis(calm_since) >= self.pace.interval_ms {
            self.level -= 1;
            self.calm_since = Some(now);
        }
    }

    fn perhaps_refuse_more(&mut self, above_since: Timestamp, now: Timestamp) {
        if self.level == MOST_REFUSED {
            return;
        }
        let (since, wait_ms) = match self.level {
            0 => (above_since, self.pace.interval_ms),
            _ => (above_since.max(self.raised_at), shortened(self.pace.interval_ms, self.steps)),
        };
        if now.since_millis(since) >= wait_ms {
            self.steps = if self.level == 0 { 1 } else { self.steps + 1 };
            self.level += 1;
            self.raised_at = now;
        }
    }
}

/// CoDel's `interval / sqrt(steps)`, in whole milliseconds.
const fn shortened(interval_ms: u64, steps: u64) -> u64 {
    let steps = if steps == 0 { 1 } else { steps };
    interval_ms.saturating_mul(1_000) / steps.saturating_mul(1_000_000).isqrt()
}

/// When somebody who was refused may come again: after one to two intervals for each class that is refused, so that those
/// who come back find readmission done, and not all at once. `chance` is any number.
pub const fn retry_after_ms(pace: Pace, level: u8, chance: u64) -> u64 {
    let classes = if level == 0 { 1 } else { level as u64 };
    let wait_ms = pace.interval_ms.saturating_mul(classes);
    if wait_ms == 0 { 1 } else { wait_ms.saturating_add(chance % wait_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACE: Pace = Pace { target_ms: 100, interval_ms: 1_000 };
    const START: u64 = 1_000_000;

    /// Levels after each of the observations `(after so many ms, delay)`.
    fn levels(shedding: &mut Shedding, now_ms: &mut u64, observed: &[(u64, u64)]) -> Vec<u8> {
        let step = |(after_ms, delay_ms): &(u64, u64)| {
            *now_ms += after_ms;
            shedding.observe(*delay_ms, Timestamp::from_millis(*now_ms));
            shedding.level()
        };
        observed.iter().map(step).collect()
    }

    fn fresh(observed: &[(u64, u64)]) -> Vec<u8> {
        levels(&mut Shedding::new(PACE), &mut START.clone(), observed)
    }

    #[test]
    fn a_burst_refuses_nobody_and_a_standing_queue_the_least_important_first() {
        assert_eq!(fresh(&[(0, 900), (900, 900), (50, 50), (900, 900), (900, 900)]), [0, 0, 0, 0, 0]);
        assert_eq!(fresh(&[(0, 101), (999, 101), (1, 101)]), [0, 0, 1]);
        assert_eq!(fresh(&[(0, 100), (5_000, 100)]), [0, 0], "the target itself is fine");
    }

    #[test]
    fn further_classes_follow_at_codels_pace_up_to_those_that_may_be_refused() {
        let long = (1..=400).map(|_| (10, 500)).collect::<Vec<_>>();
        let levels = fresh(&long);
        let first = |level: u8| levels.iter().position(|at| *at == level).map(|at| at * 10);
        assert_eq!([first(1), first(2), first(3)], [Some(1_000), Some(2_000), Some(2_710)]);
        assert_eq!(levels.last(), Some(&MOST_REFUSED));
    }

    #[test]
    fn classes_come_back_one_by_one_after_calm_and_not_between_half_and_whole_target() {
        let mut shedding = Shedding::new(PACE);
        let mut now_ms = START;
        levels(&mut shedding, &mut now_ms, &[(0, 500), (1_000, 500), (1_000, 500), (1_000, 500)]);
        assert_eq!(shedding.level(), 3);
        let between = levels(&mut shedding, &mut now_ms, &[(10, 80), (9_000, 80), (9_000, 51)]);
        assert_eq!(between, [3, 3, 3]);
        let calm = [(10, 50), (999, 50), (1, 50), (500, 0), (100, 60), (900, 0), (1_000, 0), (1_000, 0)];
        assert_eq!(levels(&mut shedding, &mut now_ms, &calm), [3, 3, 2, 2, 2, 2, 1, 0]);
    }

    #[test]
    fn the_longer_an_overload_swings_the_sooner_a_class_that_came_back_is_refused_again() {
        let mut shedding = Shedding::new(PACE);
        let mut now_ms = START;
        levels(&mut shedding, &mut now_ms, &[(0, 500), (1_000, 500), (1_000, 500), (1_000, 500)]);
        let swing = [(1, 0), (1_000, 0), (1, 500), (576, 500), (1, 500)];
        assert_eq!(levels(&mut shedding, &mut now_ms, &swing), [3, 2, 2, 2, 3], "1000 / sqrt(3) = 577");
        assert_eq!([1, 2, 4, 9].map(|steps| shortened(1_000, steps)), [1_000, 707, 500, 333]);
    }

    #[test]
    fn who_is_refused_comes_back_later_the_more_is_refused_and_not_with_all_others() {
        assert_eq!(retry_after_ms(PACE, 1, 0), 1_000);
        assert_eq!(retry_after_ms(PACE, 3, 0), 3_000);
        assert_eq!(retry_after_ms(PACE, 3, u64::MAX / 2), 3_000 + (u64::MAX / 2) % 3_000);
    }

    proptest! {
        #[test]
        fn the_level_moves_by_one_stays_in_bounds_and_ends_at_none_after_calm(
            observed in proptest::collection::vec((0_u64..3_000, 0_u64..400), 1..200),
        ) {
            let mut shedding = Shedding::new(PACE);
            let mut now_ms = START;
            let mut before = 0;
            for level in levels(&mut shedding, &mut now_ms, &observed) {
                prop_assert!(level.abs_diff(before) <= 1 && level <= MOST_REFUSED);
                before = level;
            }
            let calm = [(1, 0), (1_000, 0), (1_000, 0), (1_000, 0)];
            let levels = levels(&mut shedding, &mut now_ms, &calm);
            prop_assert_eq!(levels.last(), Some(&0));
        }

        #[test]
        fn whoever_is_refused_is_told_a_time_within_two_intervals_a_class(level in 0_u8..=3, chance: u64) {
            let told = retry_after_ms(PACE, level, chance);
            let classes = u64::from(level.max(1));
            prop_assert!((classes * 1_000..classes * 2_000).contains(&told));
        }
    }
}
