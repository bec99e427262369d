//! How long operations wait in the commit lane: from `submit` to the start of their batch.
//!
//! The oldest operation of the last batch says it, and while a batch takes long, the age of what waits behind it: a
//! store that hangs starts no batch that could tell. Plain atomics; a race between `submit` and the writer loses a mark
//! until the next one, never more. Refuses to judge the delay: that is admission's.

use super::meters::micros;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The delay of one writer's queue.
#[derive(Debug)]
pub struct Lane {
    began: Instant,
    /// Of the oldest operation of the last batch; 0 where the writer found nothing to do.
    delay_us: AtomicU64,
    /// When the oldest operation that waits came, in microseconds since `began`; 0 where none waits.
    waiting_since_us: AtomicU64,
}

impl Default for Lane {
    fn default() -> Self {
        Self { began: Instant::now(), delay_us: AtomicU64::new(0), waiting_since_us: AtomicU64::new(0) }
    }
}

impl Lane {
    /// An operation is about to wait.
    pub(crate) fn joined(&self, at: Instant) {
        // Read first: while others wait, which is when it matters, nobody writes what all cores read.
        if self.waiting_since_us.load(Ordering::Relaxed) == 0 {
            self.waiting_since_us.store(self.mark(at), Ordering::Relaxed);
        }
    }

    /// The writer begins a batch whose operations came at these moments, oldest first; `left` still wait. With no
    /// operation it found nothing to do.
    pub(crate) fn began_batch(
        &self,
        came: impl DoubleEndedIterator<Item = Instant>,
        left: u64,
        now: Instant,
    ) {
        let mut came = came;
        let oldest = came.next();
        let newest = came.next_back().or(oldest);
        let delay = oldest.map_or(0, |oldest| micros(now.saturating_duration_since(oldest)));
        self.delay_us.store(delay, Ordering::Relaxed);
        // What is left came after the newest of this batch.
        let since = newest.filter(|_| left > 0).map_or(0, |newest| self.mark(newest));
        self.waiting_since_us.store(since, Ordering::Relaxed);
    }

    /// The delay of the lane now, in microseconds.
    pub fn delay_us(&self, now: Instant) -> u64 {
        let since = self.waiting_since_us.load(Ordering::Relaxed);
        let age = if since == 0 { 0 } else { self.mark(now).saturating_sub(since) };
        self.delay_us.load(Ordering::Relaxed).max(age)
    }

    fn mark(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.began)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_delay_is_that_of_the_last_batchs_oldest_or_the_age_of_what_waits() {
        let lane = Lane::default();
        let at = |ms: u64| lane.began + Duration::from_millis(ms);
        assert_eq!(lane.delay_us(at(5)), 0);
        lane.joined(at(10));
        lane.joined(at(12));
        assert_eq!(lane.delay_us(at(40)), 30_000, "a writer that hangs is seen");
        lane.began_batch([at(10), at(12)].into_iter(), 0, at(50));
        assert_eq!(lane.delay_us(at(500)), 40_000);
        lane.joined(at(510));
        lane.began_batch([at(510)].into_iter(), 3, at(520));
        assert_eq!(lane.delay_us(at(525)), 15_000, "three that came later are left");
        lane.began_batch(std::iter::empty(), 0, at(900));
        assert_eq!(lane.delay_us(at(950)), 0, "nothing to do");
    }
}
