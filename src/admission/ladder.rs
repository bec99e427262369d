//! The burst ladder: what the desk promises less of while more shoppers come than its people can serve.
//!
//! Levels with hysteresis over one figure: conversations that wait for each hundred seats of the agents who are there. A
//! level is entered at its own threshold and left below another that lies lower, one step a decision, and not before the
//! level has stood for a while; between the two thresholds nothing changes. So the level does not swing, neither by a
//! single wave nor by what it does itself: the seats it lends are not counted.
//!
//! Pure: time and what was seen are arguments. Refuses to know what a level does (the desk's) and where it is kept.

use crate::clock::Timestamp;

/// Levels above normal.
pub const RUNGS: usize = 4;

/// How far the desk has gone, in rising order; a level does what those below it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As on any day.
    Normal,
    /// The bot keeps longer what it would hand over. Without a bot it says that a rush begins, and no more.
    BotFirst,
    /// Each agent takes some conversations more at once.
    MoreSeats,
    /// Whoever would wait longer than is promised is offered to be called back instead.
    CallBack,
    /// Each opening is told of the rush.
    Notice,
}

impl Level {
    pub const ALL: [Self; RUNGS + 1] =
        [Self::Normal, Self::BotFirst, Self::MoreSeats, Self::CallBack, Self::Notice];

    /// As people and metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::BotFirst => "bot_first",
            Self::MoreSeats => "more_seats",
            Self::CallBack => "call_back",
            Self::Notice => "notice",
        }
    }

    fn above(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    fn below(self) -> Option<Self> {
        (self as usize).checked_sub(1).and_then(|below| Self::ALL.get(below).copied())
    }
}

/// What an operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rungs {
    /// Conversations waiting per hundred seats from which on each level above normal is entered; rising.
    pub enter_percent: [u64; RUNGS],
    /// And below which it is left; each lies below its `enter_percent`.
    pub leave_percent: [u64; RUNGS],
    /// Least time in a level.
    pub stay_ms: u64,
}

/// What the desk knows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Conversations that wait, those to be called back included.
    pub waiting: u64,
    /// Seats of the agents who are there, without those that the ladder lends.
    pub seats: u64,
    /// Work is refused because the store is behind.
    pub is_shedding: bool,
}

impl Seen {
    /// Conversations waiting per hundred seats; `None` where some wait and nobody is there to serve them.
    pub const fn pressure_percent(self) -> Option<u64> {
        match (self.waiting, self.seats) {
            (0, _) => Some(0),
            (_, 0) => None,
            (waiting, seats) => Some(waiting.saturating_mul(100) / seats),
        }
    }
}

/// The level that follows `level`, which has stood since `since`: the same, or the one above or below.
///
/// A desk without people keeps its level: hours and ceilings decide there. While the store sheds work no level is left,
/// for whoever is refused at the door does not stand in the queue, and the queue looks shorter than the rush is.
pub fn next(level: Level, since: Timestamp, rungs: &Rungs, seen: Seen, now: Timestamp) -> Level {
    if now.since_millis(since) < rungs.stay_ms {
        return level;
    }
    let Some(pressure) = seen.pressure_percent() else { return level };
    let (own, entered) =
        (level as usize, |threshold: Option<&u64>| threshold.is_some_and(|at| pressure >= *at));
    if entered(rungs.enter_percent.get(own)) {
        return level.above().unwrap_or(level);
    }
    let keeps = own.checked_sub(1).is_none_or(|rung| entered(rungs.leave_percent.get(rung)));
    if keeps || seen.is_shedding { level } else { level.below().unwrap_or(level) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUNGS_OF_TEST: Rungs =
        Rungs { enter_percent: [50, 100, 300, 500], leave_percent: [25, 60, 200, 350], stay_ms: 1_000 };
    const LONG_AGO: Timestamp = Timestamp::from_millis(0);
    const NOW: Timestamp = Timestamp::from_millis(100_000);

    fn seen(waiting: u64) -> Seen {
        Seen { waiting, seats: 100, is_shedding: false }
    }

    fn after(level: Level, seen: Seen) -> Level {
        next(level, LONG_AGO, &RUNGS_OF_TEST, seen, NOW)
    }

    #[test]
    fn each_level_is_entered_and_left_at_its_own_thresholds() {
        use Level::{BotFirst, CallBack, MoreSeats, Normal, Notice};
        for (level, waiting, follows) in [
            (Normal, 49, Normal),
            (Normal, 50, BotFirst),
            (Normal, 9_999, BotFirst),
            (BotFirst, 25, BotFirst),
            (BotFirst, 24, Normal),
            (BotFirst, 100, MoreSeats),
            (MoreSeats, 60, MoreSeats),
            (MoreSeats, 59, BotFirst),
            (MoreSeats, 299, MoreSeats),
            (MoreSeats, 300, CallBack),
            (CallBack, 200, CallBack),
            (CallBack, 0, MoreSeats),
            (CallBack, 500, Notice),
            (Notice, 9_999, Notice),
            (Notice, 350, Notice),
            (Notice, 349, CallBack),
        ] {
            assert_eq!(after(level, seen(waiting)), follows, "{level:?} with {waiting} waiting");
        }
    }

    #[test]
    fn a_level_stands_for_its_time_whatever_happens() {
        for (since_ms, follows) in [(99_001, Level::MoreSeats), (99_000, Level::BotFirst)] {
            let since = Timestamp::from_millis(since_ms);
            assert_eq!(next(Level::MoreSeats, since, &RUNGS_OF_TEST, seen(0), NOW), follows);
        }
    }

    #[test]
    fn a_desk_without_people_keeps_its_level_and_an_empty_queue_needs_none() {
        let nobody = |waiting| Seen { seats: 0, ..seen(waiting) };
        assert_eq!(after(Level::Normal, nobody(9_999)), Level::Normal);
        assert_eq!(after(Level::CallBack, nobody(1)), Level::CallBack);
        assert_eq!(after(Level::CallBack, nobody(0)), Level::MoreSeats);
    }

    #[test]
    fn while_work_is_refused_at_the_door_no_level_is_left_and_higher_ones_are_entered() {
        let shedding = |waiting| Seen { is_shedding: true, ..seen(waiting) };
        assert_eq!(after(Level::MoreSeats, shedding(0)), Level::MoreSeats);
        assert_eq!(after(Level::MoreSeats, shedding(300)), Level::CallBack);
    }

    #[test]
    fn the_names_are_all_different_and_rise() {
        assert!(Level::ALL.is_sorted_by(|a, b| a < b && a.name() != b.name()));
    }

    /// Rungs as the settings allow them: rising both, each left below where it is entered.
    fn rungs() -> impl Strategy<Value = Rungs> {
        (proptest::collection::vec(2_u64..100, RUNGS), 1_u64..5_000, 1_u64..100).prop_map(
            |(gaps, stay_ms, share)| {
                let mut enter_percent = [0; RUNGS];
                let mut at = 0;
                for (enter, gap) in enter_percent.iter_mut().zip(gaps) {
                    at += gap;
                    *enter = at;
                }
                let leave_percent = enter_percent.map(|enter| (enter * share / 100).clamp(1, enter - 1));
                Rungs { enter_percent, leave_percent, stay_ms }
            },
        )
    }

    proptest! {
        #[test]
        fn one_step_at_a_time_and_never_sooner_than_a_stay(
            rungs in rungs(),
            waves in proptest::collection::vec((1_u64..2_000, 0_u64..900, 0_u64..50, any::<bool>()), 1..300),
        ) {
            let (mut level, mut since, mut now) = (Level::Normal, LONG_AGO, NOW);
            let mut changed: Option<Timestamp> = None;
            for (after_ms, waiting, seats, is_shedding) in waves {
                now = now.plus_millis(after_ms);
                let to = next(level, since, &rungs, Seen { waiting, seats, is_shedding }, now);
                prop_assert!((to as usize).abs_diff(level as usize) <= 1);
                if to != level {
                    prop_assert!(changed.is_none_or(|at| now.since_millis(at) >= rungs.stay_ms));
                    (level, since, changed) = (to, now, Some(now));
                }
            }
        }

        #[test]
        fn inside_a_band_nothing_ever_changes(
            rungs in rungs(),
            rung in 0_usize..RUNGS,
            waves in proptest::collection::vec(any::<u64>(), 1..100),
        ) {
            // At the level of `rung`, from where it would be left up to where the next one begins.
            let level = Level::ALL[rung + 1];
            let low = rungs.leave_percent[rung];
            let high = rungs.enter_percent.get(rung + 1).copied().unwrap_or(low + 1_000);
            for wave in waves {
                let waiting = low + wave % (high - low);
                let seen = Seen { waiting, seats: 100, is_shedding: false };
                prop_assert_eq!(next(level, LONG_AGO, &rungs, seen, NOW), level);
            }
        }

        #[test]
        fn a_steady_queue_comes_to_rest_and_an_empty_one_ends_at_normal(
            rungs in rungs(),
            begin in 0_usize..=RUNGS,
            waiting in 0_u64..1_000,
        ) {
            let rest = |mut level: Level, waiting| {
                for _ in 0..=RUNGS {
                    level = next(level, LONG_AGO, &rungs, Seen { waiting, seats: 100, is_shedding: false }, NOW);
                }
                level
            };
            let level = rest(Level::ALL[begin], waiting);
            prop_assert_eq!(rest(level, waiting), level);
            prop_assert_eq!(rest(level, 0), Level::Normal);
        }
    }
}
