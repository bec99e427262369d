//! The one store of the simulated cluster: the journal in memory, the rows of nodes and slots, and a standby that can
//! take over with all of it or without the end of it.
//!
//! Whatever was carried out is remembered in its order; a fail-over plays the beginning of that into a new store on the
//! next timeline, each thing at the moment at which it happened.

use super::register::{Register, Row};
use rushdesk::clock::{Clock, ManualClock, Timestamp};
use rushdesk::cluster::slots::Slot;
use rushdesk::ident::{ConversationId, Epoch, Seq};
use rushdesk::journal::memory::Memory;
use rushdesk::journal::{Answer, Done, Filter, Journal, Op, Query};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

enum Record {
    Op(Op),
    /// With the timeline on which it was carried out.
    Row(Row, u64),
}

pub(crate) struct Store {
    memory: Memory,
    clock: Arc<ManualClock>,
    pub(crate) register: Register,
    history: Vec<(Timestamp, Record)>,
    pub(crate) timeline: u64,
    pub(crate) down_until: Timestamp,
    /// Where each log ended when a timeline began.
    starts: Vec<(u64, BTreeMap<ConversationId, Seq>)>,
}

impl Store {
    pub(crate) fn new(now: Timestamp, slots: &[Slot]) -> Self {
        let clock = Arc::new(ManualClock::at(now));
        Self {
            memory: Memory::new(clock.clone()),
            clock,
            register: Register::new(slots),
            history: Vec::new(),
            timeline: 1,
            down_until: now,
            starts: Vec::new(),
        }
    }

    fn set_time(&self, now: Timestamp) {
        self.clock.advance_millis(now.since_millis(self.clock.now()));
    }

    pub(crate) fn perform(&mut self, op: &Op, now: Timestamp) -> Done {
        self.history.push((now, Record::Op(op.clone())));
        self.set_time(now);
        self.carry_out(op)
    }

    fn carry_out(&self, op: &Op) -> Done {
        let told = Arc::new(Mutex::new(None));
        let cell = told.clone();
        let reply = Box::new(move |done| *cell.lock().unwrap() = Some(done));
        self.memory.submit(op.clone(), reply).unwrap();
        told.lock().unwrap().take().unwrap()
    }

    pub(crate) fn ask(&self, query: Query, now: Timestamp) -> Answer {
        self.set_time(now);
        let told = Arc::new(Mutex::new(None));
        let cell = told.clone();
        self.memory.ask(query, Box::new(move |answer| *cell.lock().unwrap() = Some(answer))).unwrap();
        told.lock().unwrap().take().unwrap()
    }

    /// Writes a row of a node or slots; tells which slots were claimed, under which epochs.
    pub(crate) fn write(&mut self, row: Row, now: Timestamp) -> Vec<(Slot, Epoch)> {
        let claimed = self.register.write(&row, now, self.timeline);
        self.history.push((now, Record::Row(row, self.timeline)));
        claimed
    }

    pub(crate) fn heads(&self, now: Timestamp) -> BTreeMap<ConversationId, Seq> {
        let query =
            Query::Conversations { filter: Box::new(Filter::default()), before: None, limit: u32::MAX };
        match self.ask(query, now) {
            Answer::States(states) => states.into_iter().map(|state| (state.id, state.head)).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The standby takes over with what had been carried out by `upto`; tells what it has carried out, for who judges.
    pub(crate) fn fail_over(&mut self, upto: Timestamp, now: Timestamp) -> Vec<(Op, Done)> {
        self.history.retain(|(at, _)| *at <= upto);
        let begun = self.history.first().map_or(now, |(at, _)| *at);
        self.clock = Arc::new(ManualClock::at(begun));
        self.memory = Memory::new(self.clock.clone());
        self.register = self.register.empty();
        let mut done = Vec::new();
        for (at, record) in &self.history {
            self.set_time(*at);
            match record {
                Record::Op(op) => done.push((op.clone(), self.carry_out(op))),
                Record::Row(row, timeline) => drop(self.register.write(row, *at, *timeline)),
            }
        }
        self.timeline += 1;
        self.starts.push((self.timeline, self.heads(now)));
        done
    }

    /// Whether a log has ended before this position since that timeline.
    pub(crate) fn was_shorter(&self, conversation: ConversationId, position: Seq, since: u64) -> bool {
        self.starts
            .iter()
            .filter(|(timeline, _)| *timeline > since)
            .any(|(_, heads)| position > heads.get(&conversation).copied().unwrap_or(0))
    }
}
