//! What the owner asks for, carried out: journal, readers, outboxes, routing, and the pause between two readings.
//!
//! The store is asked again with growing pauses for as long as it fails, and at once when somebody speaks. Refuses to
//! decide anything.

use super::round::Round;
use super::{Caller, ConversationActor, RecallRead, UntoldRead};
use crate::clock::Timestamp;
use crate::conversation::command::Policy;
use crate::conversation::delivery::{Reply, Surroundings};
use crate::conversation::event::Event;
use crate::conversation::owner::{Change, Errand, Rim};
use crate::conversation::registry::{Registry, RegistryMeters};
use crate::conversation::state::State;
use crate::fanout::announce::announce;
use crate::ident::{ConversationId, GroupId, Seq};
use crate::journal::{Op, Query};
use crate::mailbox::WeakMailbox;
use actix::{AsyncContext, Context, SpawnHandle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Entries that are announced after one loss of sight; clients see the gap before what comes later and fetch the rest.
const MOST_UNTOLD: u32 = 500;
const FIRST_PAUSE_MS: u64 = 250;
const LONGEST_PAUSE_MS: u64 = 5_000;

/// Readings that have failed since sight was lost, and the timer of the next one.
#[derive(Default)]
pub(super) struct Pause {
    failures: u32,
    timer: Option<SpawnHandle>,
}

impl Pause {
    fn lengthen(&mut self) -> Duration {
        let doubled = FIRST_PAUSE_MS.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(doubled.min(LONGEST_PAUSE_MS))
    }

    pub(super) const fn take_timer(&mut self) -> Option<SpawnHandle> {
        self.timer.take()
    }
}

/// The actor's hands: all of it but its owner.
pub(super) struct Hands<'a> {
    pub(super) id: ConversationId,
    pub(super) own: &'a WeakMailbox<ConversationActor>,
    pub(super) surroundings: &'a Surroundings,
    pub(super) registry: &'a Weak<Registry>,
    pub(super) under_way: &'a Arc<AtomicUsize>,
    pub(super) pause: &'a mut Pause,
    pub(super) assigned_at: &'a mut Timestamp,
    pub(super) context: &'a mut Context<ConversationActor>,
}

impl Hands<'_> {
    /// Counts what was handed over as under way, or not where it was not taken.
    fn counted(&self, hand_over: impl FnOnce() -> bool) -> bool {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let is_taken = hand_over();
        if !is_taken {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
        is_taken
    }

    fn meter(&self, count: impl FnOnce(&RegistryMeters)) {
        if let Some(registry) = self.registry.upgrade() {
            count(&registry.meters);
        }
    }
}

impl Rim for Hands<'_> {
    type Caller = Caller;

    fn policy(&self, group: Option<&GroupId>) -> Policy {
        (self.surroundings.policy_of)(group)
    }

    fn submit(&mut self, op: Op) -> bool {
        let Some(own) = self.own.upgrade() else { return false };
        let round = Round::here();
        let reply = Box::new(move |done| round.leave(own, done));
        self.counted(|| self.surroundings.journal.submit(op, reply).is_ok())
    }

    fn read_entry(&mut self, seq: Seq, errand: Errand<Caller>) {
        let Some(own) = self.own.upgrade() else { return };
        let query = Query::History { conversation: self.id, after: seq.saturating_sub(1), limit: 1 };
        let answer = Box::new(move |answer| {
            if own.answer(RecallRead { errand, seq, answer }).is_err() {
                tracing::debug!("a conversation was gone when its recall was read");
            }
        });
        // Not taken, the errand is dropped with the answer, and its caller hears `unavailable`.
        self.counted(|| self.surroundings.journal.ask(query, answer).is_ok());
    }

    fn read_untold(&mut self, after: Seq, state: Box<State>) -> bool {
        let Some(own) = self.own.upgrade() else { return false };
        let query = Query::History { conversation: self.id, after, limit: MOST_UNTOLD };
        let answer = Box::new(move |answer| {
            if own.answer(UntoldRead { state, answer }).is_err() {
                tracing::debug!("a conversation was gone when it was read again");
            }
        });
        self.counted(|| self.surroundings.journal.ask(query, answer).is_ok())
    }

    fn answer(&mut self, caller: Caller, reply: Reply) {
        caller.answer.give(reply);
    }

    fn tell(&mut self, change: &Change<'_>, caller: Option<&Caller>) {
        let Change { before, held_by, state, entries } = *change;
        if caller.is_none() {
            self.meter(|meters| {
                meters.found_untold.fetch_add(entries.len() as u64, Ordering::Relaxed);
            });
        }
        let last_assigned = entries.iter().rev().find(|entry| matches!(entry.event, Event::Assigned { .. }));
        *self.assigned_at = last_assigned.map_or(*self.assigned_at, |entry| entry.at);
        let origin = caller.and_then(|caller| caller.origin.as_ref());
        let surroundings = self.surroundings;
        announce(&surroundings.hub, before, state, entries, origin, surroundings.rating_invitation);
        if before.moved(state) {
            (surroundings.tell_routing)(held_by, state, entries);
        }
    }

    fn sight_lost(&mut self, reason: &str) {
        tracing::warn!(conversation = ?self.id, reason, "the conversation is read again");
        self.pause.failures = 0;
        self.meter(|meters| {
            meters.read_again.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn pause(&mut self, reason: &str) {
        let pause = self.pause.lengthen();
        tracing::warn!(conversation = ?self.id, reason, ?pause, "the conversation is not read yet");
        self.pause.timer = Some(self.context.run_later(pause, ConversationActor::end_pause));
        // Counted as under way: the registry lays nobody to rest who still has something to tell.
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }

    fn give_up(&mut self, reason: &str) {
        tracing::warn!(conversation = ?self.id, reason, "the conversation's actor gives up");
        actix::ActorContext::stop(self.context);
    }
}
