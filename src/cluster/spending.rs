//! What one address or person has taken on this node of a rate that holds over all nodes. Pure.
//!
//! Nobody waits for the others: what is taken is told in portions, and an answer that says "too much" shuts this node's
//! door for as long. Until the answer is there the node's own limit holds, so what can slip through is that limit's burst
//! on each node, and later one portion at a time.
//!
//! Refuses to ask anybody.

use crate::clock::Timestamp;

/// A burst is told in so many portions: few enough that telling costs little, many enough that little slips through.
const PORTIONS: u32 = 16;

/// The account of one name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spending {
    untold: u32,
    shut_until: Timestamp,
}

impl Spending {
    /// For how many milliseconds nothing may be taken; 0: something may be taken now.
    pub fn shut_for_ms(&self, now: Timestamp) -> u64 {
        self.shut_until.since_millis(now)
    }

    /// Notes that one was taken; an amount that is now to be told, if there is a portion of it.
    pub fn take(&mut self, burst: u32) -> Option<u32> {
        self.untold = self.untold.saturating_add(1);
        (self.untold >= (burst / PORTIONS).max(1)).then(|| std::mem::take(&mut self.untold))
    }

    /// Over all nodes too much was taken at `at`: nothing more for so long.
    pub fn shut(&mut self, at: Timestamp, wait_ms: u64) {
        self.shut_until = self.shut_until.max(at.plus_millis(wait_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_told_in_portions_and_nothing_twice() {
        let mut spending = Spending::default();
        let told: Vec<u32> = (0..100).filter_map(|_| spending.take(400)).collect();
        assert_eq!(told, [25; 4]);
        let mut small = Spending::default();
        assert_eq!(small.take(5), Some(1), "a small burst is told one by one");
    }

    #[test]
    fn the_door_is_shut_for_the_longest_time_that_was_told() {
        let (mut spending, now) = (Spending::default(), Timestamp::from_millis(1_000));
        assert_eq!(spending.shut_for_ms(now), 0);
        spending.shut(now, 300);
        spending.shut(now, 100);
        assert_eq!(spending.shut_for_ms(Timestamp::from_millis(1_100)), 200);
        assert_eq!(spending.shut_for_ms(Timestamp::from_millis(1_300)), 0);
    }
}
