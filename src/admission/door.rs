//! What all connections and requests of a node pass: plain atomics in front, the controller behind.
//!
//! `look` reads the lane and sets the level (the upkeep calls it by the clock); `admit` reads the level. Refuses to wait
//! and to speak: who is refused gets a time, and the words are the desk's.

use super::class::Class;
use super::resumes::Resumes;
use super::shedding::{Pace, Shedding, retry_after_ms};
use crate::clock::Timestamp;
use crate::journal::meters::JournalMeters;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

/// Part of the lane's queue that is kept free for those who are served: a fifth.
const RESERVE: u64 = 5;

/// Work that is not taken in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shed {
    /// When it may be asked for again; not the same for all.
    pub retry_after_ms: u64,
}

/// What an operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub pace: Pace,
    /// Operations that may wait in the lane.
    pub queue_ops: usize,
    /// Connections that may resume in a second.
    pub resumes_per_s: u32,
}

/// The door of a node.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    /// `None` for a store without a lane (in memory): nothing waits.
    lane: Option<Arc<JournalMeters>>,
    level: AtomicU8,
    shedding: Mutex<Shedding>,
    resumes: Mutex<Resumes>,
    admitted: [AtomicU64; Class::ALL.len()],
    refused: [AtomicU64; Class::ALL.len()],
    /// Connections that were sent away when they wanted to resume.
    pub resumes_refused: AtomicU64,
}

impl Admission {
    pub fn new(limits: Limits, lane: Option<Arc<JournalMeters>>, now: Timestamp) -> Self {
        Self {
            limits,
            lane,
            level: AtomicU8::new(0),
            shedding: Mutex::new(Shedding::new(limits.pace)),
            resumes: Mutex::new(Resumes::new(limits.resumes_per_s, now)),
            admitted: Default::default(),
            refused: Default::default(),
            resumes_refused: AtomicU64::new(0),
        }
    }

    /// Reads the lane's delay and decides how many classes are refused from now on.
    pub fn look(&self, now: Timestamp) {
        let delay_ms = self.delay_us() / 1_000;
        let mut shedding = self.shedding.lock();
        let before = shedding.level();
        shedding.observe(delay_ms, now);
        let level = shedding.level();
        drop(shedding);
        if level != before {
            self.level.store(level, Ordering::Relaxed);
            tracing::warn!(
                level,
                before,
                delay_ms,
                "the number of classes of work that are refused has changed"
            );
        }
    }

    /// Whether work of this class is taken in; `chance` gives any number.
    ///
    /// # Errors
    /// When to ask again.
    pub fn admit(&self, class: Class, chance: impl FnOnce() -> u64) -> Result<(), Shed> {
        let level = self.level();
        let is_refused = class.is_refused_at(level) || (self.is_reserved() && !class.may_use_the_reserve());
        let counters = if is_refused { &self.refused } else { &self.admitted };
        if let Some(counter) = counters.get(class as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if is_refused {
            return Err(Shed { retry_after_ms: retry_after_ms(self.limits.pace, level, chance()) });
        }
        Ok(())
    }

    /// Whether a connection may resume now; `chance` gives any number.
    ///
    /// # Errors
    /// When to ask again.
    pub fn resume(&self, is_agent: bool, now: Timestamp, chance: impl FnOnce() -> u64) -> Result<(), Shed> {
        self.resumes.lock().take(is_agent, now, chance()).map_err(|retry_after_ms| {
            self.resumes_refused.fetch_add(1, Ordering::Relaxed);
            Shed { retry_after_ms }
        })
    }

    /// Classes that are refused now, the least important first.
    pub fn level(&self) -> u8 {
        self.level.load(Ordering::Relaxed)
    }

    /// Time that operations wait before their batch begins, in microseconds.
    pub fn delay_us(&self) -> u64 {
        self.lane.as_ref().map_or(0, |meters| meters.lane.delay_us(Instant::now()))
    }

    /// Work by class: taken in, and refused.
    pub fn counts(&self) -> impl Iterator<Item = (Class, u64, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = self.admitted.iter().zip(&self.refused);
        Class::ALL
            .into_iter()
            .zip(counters)
            .map(move |(class, (admitted, refused))| (class, read(admitted), read(refused)))
    }

    fn is_reserved(&self) -> bool {
        let queue_ops = u64::try_from(self.limits.queue_ops).unwrap_or(u64::MAX);
        let open_to_all = (queue_ops - queue_ops / RESERVE).max(1);
        let waiting = self.lane.as_ref().map_or(0, |meters| meters.queue_depth.load(Ordering::Relaxed));
        waiting >= open_to_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { pace: Pace { target_ms: 1, interval_ms: 100 }, queue_ops: 10, resumes_per_s: 4 };
    const T0: Timestamp = Timestamp::from_millis(9_000);

    fn taken_in(door: &Admission) -> [bool; 5] {
        Class::ALL.map(|class| door.admit(class, || 7).is_ok())
    }

    #[test]
    fn the_last_fifth_of_the_lane_is_for_those_who_are_served() {
        let meters = Arc::new(JournalMeters::default());
        let door = Admission::new(LIMITS, Some(meters.clone()), T0);
        meters.queue_depth.store(7, Ordering::Relaxed);
        assert_eq!(taken_in(&door), [true; 5]);
        meters.queue_depth.store(8, Ordering::Relaxed);
        assert_eq!(taken_in(&door), [true, true, false, false, false]);
        let counted: Vec<_> = door.counts().map(|(_, admitted, refused)| (admitted, refused)).collect();
        assert_eq!(counted, [(2, 0), (2, 0), (1, 1), (1, 1), (1, 1)]);
        assert_eq!(door.admit(Class::Anonymous, || 7), Err(Shed { retry_after_ms: 107 }));
    }

    #[test]
    fn a_lane_of_one_place_takes_everybody_while_it_is_empty() {
        let meters = Arc::new(JournalMeters::default());
        let door = Admission::new(Limits { queue_ops: 1, ..LIMITS }, Some(meters), T0);
        assert_eq!(taken_in(&door), [true; 5]);
    }

    #[test]
    fn a_lane_that_stands_still_closes_the_door_class_by_class_and_a_lane_at_rest_opens_it() {
        let meters = Arc::new(JournalMeters::default());
        let door = Admission::new(LIMITS, Some(meters.clone()), T0);
        let long_ago = Instant::now();
        meters.lane.joined(long_ago);
        while door.delay_us() < 2_000 {
            std::hint::spin_loop();
        }
        for (after_ms, level) in [(0, 0), (100, 1), (200, 2), (300, 3), (900, 3)] {
            door.look(T0.plus_millis(after_ms));
            assert_eq!(door.level(), level, "after {after_ms} ms");
        }
        assert_eq!(taken_in(&door), [true, true, false, false, false]);
        meters.lane.began_batch(std::iter::empty(), 0, Instant::now());
        for after_ms in [1_000, 1_100, 1_200, 1_300] {
            door.look(T0.plus_millis(after_ms));
        }
        assert_eq!(taken_in(&door), [true; 5]);
    }

    #[test]
    fn who_may_not_resume_is_counted() {
        let door = Admission::new(LIMITS, None, T0);
        let resumed = (0..9).filter(|_| door.resume(false, T0, || 1).is_ok()).count();
        assert_eq!((resumed, door.resumes_refused.load(Ordering::Relaxed)), (3, 6));
        assert!(door.resume(true, T0, || 1).is_ok(), "agents first");
    }
}
