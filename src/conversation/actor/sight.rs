//! How the actor learns where its conversation stands: at its start, and again when it has lost sight of the journal.
//!
//! A write whose outcome is unknown may have been committed: then its entries stand in the log and nobody has been told
//! (FO-2). So the memory is thrown away, the log is read from where everybody was told last, and what it holds beyond
//! that is announced before anything else is decided. Who asked hears `unavailable` and repeats with the same id. The
//! store is asked again with growing pauses for as long as it fails, at once when somebody speaks; commands wait for one
//! such reading and not for the next.

use super::{ConversationActor, unavailable};
use crate::conversation::state::State;
use crate::fanout::announce::Standing;
use crate::journal::{Answer, Op, Query};
use crate::mailbox::Posted;
use actix::{AsyncContext, Context, Handler, SpawnHandle};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Entries that are announced after one loss of sight; clients see the gap before what comes later and fetch the rest.
const MOST_UNTOLD: u32 = 500;
const FIRST_PAUSE_MS: u64 = 250;
const LONGEST_PAUSE_MS: u64 = 5_000;

/// The conversation as everybody was last told of it, while it is being read again.
pub(super) struct LastTold {
    state: State,
    /// Readings that have failed.
    failures: u32,
    /// No reading is under way: the next comes with this timer, or with a command before that.
    pausing: Option<SpawnHandle>,
}

impl LastTold {
    fn pause(&self) -> Duration {
        let doubled = FIRST_PAUSE_MS.saturating_mul(1 << self.failures.min(16));
        Duration::from_millis(doubled.min(LONGEST_PAUSE_MS))
    }
}

/// The entries that nobody may have been told of have been read.
pub(super) struct UntoldRead {
    state: State,
    answer: Answer,
}

impl Handler<Posted<UntoldRead>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<UntoldRead>, context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let UntoldRead { state, answer } = posted.message;
        let Answer::History(Some(page)) = answer else {
            return self.read_failed("the entries after the last known could not be read", context);
        };
        let Some(told) = self.last_told.take() else { return };
        self.committed = Some(state);
        let held_by = told.state.seat_hold().map(|hold| hold.agent);
        self.count(|meters| meters.found_untold.fetch_add(page.entries.len() as u64, Ordering::Relaxed));
        self.tell(&Standing::of(&told.state), held_by, &page.entries, None);
        self.watch_reply(context);
        self.resume_parked();
    }
}

impl ConversationActor {
    /// Asks the journal for the conversation, at the start and after each loss of sight.
    pub(super) fn claim(&self) -> bool {
        self.submit(Op::Claim { conversation: self.id, epoch: self.surroundings.epoch })
    }

    pub(super) fn claimed(&mut self, state: Option<Box<State>>, context: &mut Context<Self>) {
        let state = state.map_or_else(|| State::new(self.id), |state| *state);
        match &self.last_told {
            Some(told) if state.head > told.state.head => {
                let after = told.state.head;
                if !self.read_untold(after, state) {
                    self.read_failed("the store's readers are busy", context);
                }
            }
            Some(_) | None => {
                self.last_told = None;
                self.committed = Some(state);
            }
        }
    }

    /// The outcome of a write is unknown. Whoever waits for one hears `unavailable` by the drop of the answers; the
    /// journal's answers to the writes behind it come before the claim's and are not needed any more.
    pub(super) fn lose_sight(&mut self, reason: &str, context: &mut Context<Self>) {
        tracing::warn!(conversation = ?self.id, reason, "the store failed; the conversation is read again");
        self.pending.clear();
        self.ahead = None;
        self.unsettled = false;
        let Some(state) = self.committed.take() else { return };
        self.count(|meters| meters.read_again.fetch_add(1, Ordering::Relaxed));
        self.last_told = Some(Box::new(LastTold { state, failures: 0, pausing: None }));
        if !self.claim() {
            self.read_failed("the store's queue is full", context);
        }
    }

    /// A reading has failed. At the start nobody has been told anything: the next message starts another actor.
    pub(super) fn read_failed(&mut self, reason: &str, context: &mut Context<Self>) {
        let Some(told) = self.last_told.as_mut() else {
            tracing::warn!(conversation = ?self.id, reason, "the conversation could not be read");
            return actix::ActorContext::stop(context);
        };
        let pause = told.pause();
        tracing::warn!(conversation = ?self.id, reason, ?pause, "the conversation is not read yet");
        told.failures = told.failures.saturating_add(1);
        told.pausing = Some(context.run_later(pause, |actor, context| actor.end_pause(context)));
        // Counted as under way: the registry lays nobody to rest who still has something to tell.
        self.under_way.fetch_add(1, Ordering::AcqRel);
        for (deliver, _) in self.parked.drain(..) {
            deliver.answer.refuse(unavailable().about(self.id));
        }
    }

    /// Reads now where the next reading was to come later.
    pub(super) fn end_pause(&mut self, context: &mut Context<Self>) {
        let Some(timer) = self.last_told.as_mut().and_then(|told| told.pausing.take()) else { return };
        context.cancel_future(timer);
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        if !self.claim() {
            self.read_failed("the store's queue is full", context);
        }
    }

    fn read_untold(&self, after: u64, state: State) -> bool {
        let Some(own) = self.own.upgrade() else { return false };
        let query = Query::History { conversation: self.id, after, limit: MOST_UNTOLD };
        let answer = Box::new(move |answer| {
            if own.answer(UntoldRead { state, answer }).is_err() {
                tracing::debug!("a conversation was gone when it was read again");
            }
        });
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let taken = self.surroundings.journal.ask(query, answer).is_ok();
        if !taken {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }

    fn count(&self, meter: impl FnOnce(&crate::conversation::registry::RegistryMeters) -> u64) {
        if let Some(registry) = self.registry.upgrade() {
            meter(&registry.meters);
        }
    }
}
