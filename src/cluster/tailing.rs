//! When a node reads the log in place of the bus, and from where. Pure.
//!
//! That the bus is silent shows late: items have been lost for seconds by then. So marks are taken while it carries, and
//! the reading begins at one from before the last moment at which it surely did. That it carries again shows here before
//! it does on other nodes, whose items are lost until then; so the reading goes on for a while. That it is silent for one
//! node alone shows to the others later still, by that node's row.
//!
//! Refuses to read: it is told what came of it.

use crate::clock::Timestamp;
use crate::journal::Mark;
use std::collections::VecDeque;

/// Time between two readings.
pub const READ_EVERY_MS: u64 = 300;
/// Time between two marks while the bus carries.
const MARK_EVERY_MS: u64 = 2_000;
/// How long items may have been lost before the bus counts as silent: three self-probes of a second on the node that it
/// is silent for, and its row and the round of a second that reads it on the others. And how much later than this node
/// another may find it again (its pause between two tries and the time for one).
const UNSURE_MS: u64 = 6_000;

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Rest,
    /// Ask the store for its present mark.
    Mark,
    /// Read what was committed since.
    Read(Mark),
}

/// Where a node stands with the log.
#[derive(Debug, Default)]
pub struct Tailing {
    /// Oldest first, with when they were asked for; of those that are `UNSURE_MS` old or older, the youngest is kept.
    marks: VecDeque<(Timestamp, Mark)>,
    /// `None` while the bus is trusted.
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    /// How far the log has been told; `None` where no mark is known from before.
    told: Option<Mark>,
    /// Everything that was visible then has been told.
    whole_at: Timestamp,
    /// When the bus did not carry, last.
    silent_at: Timestamp,
}

impl Tailing {
    /// `carries`: what the bus says of itself here, and the rows of the other nodes of theirs.
    pub fn next(&mut self, carries: bool, now: Timestamp) -> Next {
        if !carries {
            self.distrust(now);
        }
        let may_end = |reading: &mut Reading| {
            reading.told.is_some() && reading.whole_at.since_millis(reading.silent_at) >= UNSURE_MS
        };
        if let Some(Reading { told: Some(mark), whole_at, .. }) = self.reading.take_if(may_end) {
            self.marks.push_back((whole_at, mark));
        }
        if let Some(reading) = &self.reading {
            return reading.told.clone().map_or(Next::Mark, Next::Read);
        }
        match self.marks.back() {
            Some((asked_at, _)) if now.since_millis(*asked_at) < MARK_EVERY_MS => Next::Rest,
            Some(_) | None => Next::Mark,
        }
    }

    fn distrust(&mut self, now: Timestamp) {
        if let Some(reading) = &mut self.reading {
            reading.silent_at = now;
            return;
        }
        self.forget_old_marks(now);
        let (whole_at, told) = match self.marks.drain(..).next() {
            Some((asked_at, mark)) => (asked_at, Some(mark)),
            None => (now, None),
        };
        self.reading = Some(Reading { told, whole_at, silent_at: now });
    }

    /// The store gave this mark, asked at that moment; all before it has been told, or was the bus's to bring.
    pub fn came_to(&mut self, mark: Mark, asked_at: Timestamp) {
        if let Some(reading) = &mut self.reading {
            (reading.told, reading.whole_at) = (Some(mark), asked_at);
            return;
        }
        self.marks.push_back((asked_at, mark));
        self.forget_old_marks(asked_at);
    }

    fn forget_old_marks(&mut self, now: Timestamp) {
        let is_old = |(second, _): &(Timestamp, Mark)| now.since_millis(*second) >= UNSURE_MS;
        while self.marks.get(1).is_some_and(is_old) {
            self.marks.pop_front();
        }
    }

    /// A page was told that does not come to the end.
    pub fn came_nearer(&mut self, mark: Mark) {
        if let Some(reading) = &mut self.reading {
            reading.told = Some(mark);
        }
    }

    /// For how long nothing has been told to its end; 0 while the bus is trusted.
    pub fn lag_ms(&self, now: Timestamp) -> u64 {
        self.reading.as_ref().map_or(0, |reading| now.since_millis(reading.whole_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    /// Named by the moment at which it was asked for.
    fn mark(ms: u64) -> Mark {
        Mark::named(&ms.to_string())
    }

    /// A bus that carries until `until_ms`, looked at every 300 ms.
    fn carried(until_ms: u64) -> Tailing {
        let mut tailing = Tailing::default();
        for ms in (0..until_ms).step_by(300) {
            match tailing.next(true, at(ms)) {
                Next::Mark => tailing.came_to(mark(ms), at(ms)),
                Next::Rest => {}
                Next::Read(_) => panic!("the bus carries"),
            }
            assert_eq!(tailing.lag_ms(at(ms)), 0);
            assert!(tailing.marks.len() <= 4, "{tailing:?}");
        }
        tailing
    }

    #[test]
    fn the_reading_begins_before_the_first_item_that_may_have_been_lost() {
        for silent_ms in (10_000..14_000).step_by(100) {
            let Next::Read(begin) = carried(silent_ms).next(false, at(silent_ms)) else {
                panic!("no reading")
            };
            let begin: u64 = begin.name().parse().unwrap();
            assert!(
                (UNSURE_MS..=UNSURE_MS + 3_000).contains(&(silent_ms - begin)),
                "{begin} for {silent_ms}"
            );
        }
        assert_eq!(carried(300).next(false, at(300)), Next::Read(mark(0)), "the oldest there is");
        let mut tailing = Tailing::default();
        assert_eq!(tailing.next(false, at(0)), Next::Mark);
        tailing.came_to(mark(0), at(0));
        assert_eq!(tailing.next(false, at(300)), Next::Read(mark(0)));
    }

    #[test]
    fn it_goes_on_until_other_nodes_have_found_the_bus_too_and_all_was_told() {
        let mut tailing = carried(10_000);
        tailing.next(false, at(10_000));
        tailing.came_to(mark(10_000), at(10_000));
        assert_eq!(tailing.next(true, at(10_300)), Next::Read(mark(10_000)));
        assert_eq!(tailing.next(true, at(60_000)), Next::Read(mark(10_000)), "the store gave no answer");
        assert_eq!(tailing.lag_ms(at(60_000)), 50_000);
        tailing.came_nearer(mark(11_000));
        assert_eq!(tailing.next(true, at(60_300)), Next::Read(mark(11_000)), "a page is left");
        tailing.came_to(mark(60_300), at(60_300));
        assert_eq!(tailing.next(true, at(60_600)), Next::Rest);
        assert_eq!(tailing.lag_ms(at(60_600)), 0);
        assert_eq!(tailing.next(false, at(60_900)), Next::Read(mark(60_300)), "it goes on where it ended");
    }
}
