//! The desk in a rush: how hard it is pressed, and what a level of the burst ladder does to an opening.
//!
//! `more_seats` is not here: what it lends is part of the stored capacities (`directory`), where the ledger checks it. Nor is
//! `bot_first`: the bot looks at the level. Refuses to decide which level is due (`admission::ladder`) and to keep it
//! (`administration`).

use super::Desk;
use crate::admission::ladder::{Level, Rungs, Seen};
use crate::clock::Timestamp;
use crate::conversation::command::Landing;
use crate::ident::GroupId;
use crate::journal::Presence;
use crate::settings;
use crate::supervisor::actor::{AskQueues, Queues};
use crate::wire::rest::{LadderLevel, LadderMode, LadderStanding};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How hard the desk is pressed at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    pub seen: Seen,
    /// Which wait (p90) whoever came last to a group has to expect, in milliseconds; groups in which nobody waits, or
    /// serves, have none.
    pub waits_ms: BTreeMap<GroupId, u64>,
}

/// What a node knows of the rush, and counts.
#[derive(Debug)]
pub struct Rush {
    pub rungs: Rungs,
    untouched: LadderStanding,
    promise_ms: u64,
    notice_zh: Arc<str>,
    notice_en: Arc<str>,
    waits_ms: RwLock<BTreeMap<GroupId, u64>>,
    watched: Mutex<Option<(Level, Timestamp)>>,
    level: AtomicU8,
    ms_in: [AtomicU64; Level::ALL.len()],
    /// Changes to a higher level.
    pub ups: AtomicU64,
    /// Changes to a lower level.
    pub downs: AtomicU64,
    /// Openings taken as messages to be called back, because they would have waited too long.
    pub called_back: AtomicU64,
    /// Openings that were told of the rush.
    pub noticed: AtomicU64,
}

/// Where the ladder stands until somebody says otherwise: at normal, moved by whom the settings name.
pub fn untouched(chosen: &settings::Ladder) -> LadderStanding {
    LadderStanding {
        mode: if chosen.auto { LadderMode::Auto } else { LadderMode::Hand },
        level: LadderLevel::Normal,
        since: Timestamp::from_millis(0),
        extra_seats: chosen.extra_seats,
    }
}

impl Rush {
    pub fn new(chosen: &settings::Ladder) -> Self {
        Self {
            rungs: Rungs {
                enter_percent: chosen.enter_percent,
                leave_percent: chosen.leave_percent,
                stay_ms: chosen.stay_s.saturating_mul(1_000),
            },
            untouched: untouched(chosen),
            promise_ms: chosen.promise_s.saturating_mul(1_000),
            notice_zh: chosen.notice_zh.as_str().into(),
            notice_en: chosen.notice_en.as_str().into(),
            waits_ms: RwLock::default(),
            watched: Mutex::default(),
            level: AtomicU8::new(0),
            ms_in: Default::default(),
            ups: AtomicU64::new(0),
            downs: AtomicU64::new(0),
            called_back: AtomicU64::new(0),
            noticed: AtomicU64::new(0),
        }
    }

    /// The ladder stands at `level` now: counts changes and the time in each level.
    pub fn observe(&self, level: Level, now: Timestamp) {
        let before = self.watched.lock().replace((level, now));
        self.level.store(level as u8, Ordering::Relaxed);
        let Some((before, since)) = before else { return };
        if let Some(ms) = self.ms_in.get(before as usize) {
            ms.fetch_add(now.since_millis(since), Ordering::Relaxed);
        }
        if level != before {
            let counter = if level > before { &self.ups } else { &self.downs };
            counter.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(level = level.name(), before = before.name(), "the burst ladder has moved");
        }
    }

    /// What newcomers have to expect, by group, from now on.
    pub fn note_waits(&self, waits_ms: BTreeMap<GroupId, u64>) {
        *self.waits_ms.write() = waits_ms;
    }

    /// The level as last observed: 0 is normal.
    pub fn level(&self) -> u8 {
        self.level.load(Ordering::Relaxed)
    }

    /// Whole seconds in each level since the start.
    pub fn seconds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let read = |ms: &AtomicU64| ms.load(Ordering::Relaxed) / 1_000;
        Level::ALL.into_iter().zip(&self.ms_in).map(move |(level, ms)| (level.name(), read(ms)))
    }

    /// Where an opening goes: to be called back instead of to a queue where it would wait longer than is promised.
    pub(super) fn landing(&self, landing: Landing, level: Level) -> Landing {
        match landing {
            Landing::Queue(group) if level >= Level::CallBack && self.is_too_long(&group) => {
                self.called_back.fetch_add(1, Ordering::Relaxed);
                Landing::CallBack(group)
            }
            landing => landing,
        }
    }

    fn is_too_long(&self, group: &GroupId) -> bool {
        self.waits_ms.read().get(group).is_some_and(|wait_ms| *wait_ms > self.promise_ms)
    }

    /// What an opening is told, if anything, in the language of `locale` (BCP 47).
    pub(super) fn notice(&self, level: Level, locale: Option<&str>) -> Option<Arc<str>> {
        if level < Level::Notice {
            return None;
        }
        self.noticed.fetch_add(1, Ordering::Relaxed);
        let is_chinese = locale.is_none_or(|locale| locale.to_ascii_lowercase().starts_with("zh"));
        Some(if is_chinese { self.notice_zh.clone() } else { self.notice_en.clone() })
    }
}

impl Desk {
    /// Where the ladder stands.
    pub fn ladder(&self) -> LadderStanding {
        self.directory().ladder.unwrap_or(self.rush.untouched)
    }

    /// Asks routing how hard the desk is pressed. Returns false where it cannot be asked now; then nothing is answered.
    pub fn ask_pressure(self: &Arc<Self>, then: impl FnOnce(Pressed) + Send + 'static) -> bool {
        let own = self.clone();
        // A supervisor that does not answer has not emptied its queues: what the others say is not the whole.
        let answer = Box::new(move |queues: Queues| {
            if queues.len() >= own.directory().groups.len() {
                then(own.pressed(queues));
            }
        });
        self.supervisor.tell(AskQueues { items_per_group: 0, answer }).is_ok()
    }

    fn pressed(&self, queues: Queues) -> Pressed {
        let waiting = queues.iter().map(|view| view.load.waiting as u64).sum();
        let waits = queues.into_iter().filter_map(|view| {
            let eta = view.last?.standing.eta?;
            Some((view.load.group, eta.p90_ms))
        });
        let seen = Seen { waiting, seats: self.seats_there(), is_shedding: self.admission.level() > 0 };
        Pressed { seen, waits_ms: waits.collect() }
    }

    /// Seats of the agents who are there, each agent once, without those that are lent.
    fn seats_there(&self) -> u64 {
        let directory = self.directory();
        let is_online = |agent| self.agents.seats(agent).is_some_and(|row| row.presence == Presence::Online);
        let serves = directory.agents.values().filter(|agent| {
            !agent.disabled
                && !agent.routing.groups.is_empty()
                && is_online(agent.id)
                && self.hub.is_agent_connected(agent.id)
        });
        serves.map(|agent| u64::from(agent.capacity)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Sources, load};

    fn rush() -> Rush {
        Rush::new(&load(&Sources::default()).unwrap().settings.ladder)
    }

    fn group(name: &str) -> GroupId {
        GroupId::new(name).unwrap()
    }

    #[test]
    fn who_would_wait_too_long_is_called_back_from_that_level_on_and_nobody_else() {
        let rush = rush();
        let promise_ms = rush.promise_ms;
        rush.note_waits(BTreeMap::from([(group("long"), promise_ms + 1), (group("fine"), promise_ms)]));
        for (name, level, is_called_back) in [
            ("long", Level::MoreSeats, false),
            ("long", Level::CallBack, true),
            ("long", Level::Notice, true),
            ("fine", Level::Notice, false),
            ("empty", Level::Notice, false),
        ] {
            let (queue, call_back) = (Landing::Queue(group(name)), Landing::CallBack(group(name)));
            let expected = if is_called_back { &call_back } else { &queue };
            assert_eq!(rush.landing(queue.clone(), level), *expected, "{name} at {level:?}");
            assert_eq!(rush.landing(call_back.clone(), level), call_back);
        }
        assert_eq!(rush.called_back.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_notice_speaks_the_visitors_language_at_the_last_level_only() {
        let rush = rush();
        assert_eq!(rush.notice(Level::CallBack, None), None);
        for (locale, expected) in [
            (None, &rush.notice_zh),
            (Some("zh-CN"), &rush.notice_zh),
            (Some("ZH"), &rush.notice_zh),
            (Some("en-GB"), &rush.notice_en),
            (Some("fr"), &rush.notice_en),
        ] {
            assert_eq!(rush.notice(Level::Notice, locale).as_ref(), Some(expected), "{locale:?}");
        }
    }

    #[test]
    fn changes_and_the_time_in_each_level_are_counted() {
        let rush = rush();
        for (at_ms, level) in [
            (1_000, Level::Normal),
            (3_000, Level::BotFirst),
            (4_500, Level::MoreSeats),
            (9_500, Level::Normal),
        ] {
            rush.observe(level, Timestamp::from_millis(at_ms));
        }
        let seconds: Vec<u64> = rush.seconds().map(|(_, s)| s).collect();
        assert_eq!(seconds, [2, 1, 5, 0, 0]);
        assert_eq!((rush.ups.load(Ordering::Relaxed), rush.downs.load(Ordering::Relaxed)), (2, 1));
        assert_eq!(rush.level(), 0);
    }
}
