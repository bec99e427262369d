//! By when a question is worth an answer, told by a clock that all nodes share: the database's. Pure: moments are arguments.
//!
//! A node that was stopped for a while finds questions before it whose askers have long done without; what it did now
//! would undo what was done meanwhile. Nodes' own clocks may differ by more than a question lives, and how long an item was
//! on its way nobody can tell from its arrival. So each beat shows a node how its monotonic clock, which goes on while
//! the process is stopped, stands to the database's, and a question says when it is over by the latter.
//!
//! Refuses to guess: before the first beat, and from nodes of the version before, a question has no end.

use crate::clock::Timestamp;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// An answer of the database that took longer says too little about when its clock stood so.
const TOLD_WITHIN: Duration = Duration::from_millis(250);

/// What this node knows of the database's clock.
#[derive(Debug, Default)]
pub struct SharedClock {
    told: Mutex<Option<(Instant, Timestamp)>>,
}

impl SharedClock {
    /// The database's clock stood at `theirs` at some moment between these two.
    pub fn told(&self, theirs: Timestamp, asked: Instant, heard: Instant) {
        let took = heard.saturating_duration_since(asked);
        if took <= TOLD_WITHIN {
            *self.told.lock() = Some((asked + took / 2, theirs));
        }
    }

    /// What the database's clock shows `millis` after `now`; `None` where that is not known.
    pub fn after(&self, millis: u64, now: Instant) -> Option<u64> {
        let (at, theirs) = (*self.told.lock())?;
        let gone = now.saturating_duration_since(at).as_millis();
        Some(theirs.plus_millis(u64::try_from(gone).unwrap_or(u64::MAX)).plus_millis(millis).millis())
    }

    /// Whether a question is over that was worth an answer until then.
    pub fn is_over(&self, until_ms: Option<u64>, now: Instant) -> bool {
        until_ms.zip(self.after(0, now)).is_some_and(|(until_ms, now_ms)| now_ms > until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_question_is_over_by_the_clock_of_the_database_wherever_it_is_heard() {
        let (begin, noon) = (Instant::now(), Timestamp::from_millis(43_200_000));
        let (asker, hearer) = (SharedClock::default(), SharedClock::default());
        asker.told(noon, begin, begin + ms(20));
        // Looked at its clock a second later, in a beat of its own.
        hearer.told(noon.plus_millis(1_000), begin + ms(1_000), begin + ms(1_020));
        let until_ms = asker.after(1_500, begin + ms(2_010));
        assert_eq!(until_ms, Some(43_203_500));
        assert!(!hearer.is_over(until_ms, begin + ms(3_510)));
        assert!(hearer.is_over(until_ms, begin + ms(3_511)), "it was stopped for long enough");
    }

    #[test]
    fn who_does_not_know_the_clock_sets_no_end_and_sees_none() {
        let (begin, clock) = (Instant::now(), SharedClock::default());
        assert_eq!(clock.after(1_500, begin), None);
        assert!(!clock.is_over(Some(1), begin));
        clock.told(Timestamp::from_millis(9_000), begin, begin + ms(400));
        assert_eq!(clock.after(0, begin + ms(400)), None, "the process may have stood still while it asked");
        clock.told(Timestamp::from_millis(9_000), begin, begin);
        assert!(clock.is_over(Some(1), begin) && !clock.is_over(None, begin));
    }
}
