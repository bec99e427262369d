//! The actor of one live conversation: carries out what `decide` decides.
//!
//! It owns the conversation's present state and the commands under way. Mailbox: `limits.conversation_mailbox` messages
//! (64), then `overloaded`. State may run ahead of the disk, output may not: entries are announced and senders
//! answered only after the journal has committed (CV-3). When an append fails, the memory is thrown away and read again
//! (`sight`). `settling` says what the journal's answers come to, `alerts` watches waits. Exits: laid to rest by the
//! registry when idle (nothing is lost: the journal has it all); panic (the registry rebuilds it, the command in hand is
//! answered `unavailable`); a first reading that failed, stale epoch (the next message starts a new actor, which claims
//! again).

mod alerts;
mod settling;
mod sight;
#[cfg(test)]
mod tests;

use super::command::{Command, Policy, RecallTarget, Verdict, Who};
use super::decide::{Events, decide};
use super::delivery::{Deliver, Hint, Receipt, Reply, Surroundings};
use super::event::{Entry, Event, View};
use super::registry::{Registry, Start};
use super::state::State;
use super::{content::Content, timers};
use crate::clock::Timestamp;
use crate::fanout::hub::Audience;
use crate::ident::{AgentId, ConversationId, Seq};
use crate::journal::{Answer as JournalAnswer, Done, Guard, Op, Query, Write};
use crate::mailbox::{Posted, WeakMailbox};
use crate::refusal::Refusal;
use actix::{Actor, Context, Handler, SpawnHandle};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// How often a decision is taken anew after the log moved under it.
const DECISION_TRIES: u8 = 3;
const RETRY_MS: u64 = 300;

/// The journal's answer to this actor's operation; operations are answered in their order.
pub(super) struct Journaled(Done);

/// The entry that a recall points at has been read.
pub(super) struct RecallRead {
    deliver: Deliver,
    answer: JournalAnswer,
}

/// A command whose write is under way.
struct Pending {
    deliver: Deliver,
    tries: u8,
    /// For a probe: what to say if the client key is unknown.
    refusal: Option<Refusal>,
}

/// One live conversation.
pub struct ConversationActor {
    id: ConversationId,
    own: WeakMailbox<Self>,
    surroundings: Arc<Surroundings>,
    registry: Weak<Registry>,
    under_way: Arc<AtomicUsize>,
    /// As committed; `None` until it has been read.
    committed: Option<State>,
    /// As decided, while writes are under way.
    ahead: Option<State>,
    pending: VecDeque<Pending>,
    /// While the conversation is read again after a write whose outcome is unknown.
    last_told: Option<Box<sight::LastTold>>,
    /// Waiting for the state to be read, or for the writes under way to settle; bounded by the mailbox.
    parked: VecDeque<(Deliver, u8)>,
    /// A write came back otherwise than decided: nothing new is decided until all have come back.
    unsettled: bool,
    /// When the present agent got it, as far as this actor saw it: waits before that are not theirs.
    assigned_at: Timestamp,
    /// The wait for an answer that is being watched, and its timer.
    watched: Option<(Timestamp, SpawnHandle)>,
}

impl Actor for ConversationActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if self.committed.is_none() && !self.claim() {
            actix::ActorContext::stop(context);
        }
    }
}

impl Drop for ConversationActor {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(registry) = self.registry.upgrade()
        {
            registry.note_panic(self.id, self.surroundings.clock.now());
        }
    }
}

impl Handler<Posted<Deliver>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Deliver>, context: &mut Self::Context) {
        self.take(posted.message, 0);
        self.end_pause(context);
    }
}

impl Handler<Posted<Journaled>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Journaled>, context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        match posted.message.0 {
            Done::Claimed { state } => self.claimed(state, context),
            Done::Write(outcome) => self.settle(outcome, context),
            Done::ClaimStale { fence } => {
                tracing::warn!(conversation = ?self.id, fence, "another owner has this conversation");
                actix::ActorContext::stop(context);
            }
            Done::Failed { reason } => self.read_failed(&reason, context),
            Done::Agent(_) | Done::NoAgent | Done::Rescheduled => {}
        }
        self.resume_parked();
    }
}

impl Handler<Posted<RecallRead>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<RecallRead>, _context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let RecallRead { mut deliver, answer } = posted.message;
        let Command::Recall { seq, target } = &mut deliver.ask.command else { return };
        match answer {
            JournalAnswer::History(page) => {
                let entry = page.and_then(|page| page.entries.into_iter().find(|entry| entry.seq == *seq));
                *target = entry.map(recall_target);
                self.take_decided(deliver, 0);
            }
            _ => deliver.answer.refuse(unavailable()),
        }
    }
}

impl Handler<Posted<Hint>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Hint>, _context: &mut Self::Context) {
        let Hint { from, session, frame } = posted.message;
        let Some(state) = self.committed.as_ref() else { return };
        let held_by = state.assignee.filter(|_| state.phase.is_assigned());
        let audience = Audience {
            conversation: self.id,
            visitor: state.visitor.as_ref(),
            agents: held_by.into_iter().collect::<SmallVec<[AgentId; 2]>>(),
        };
        match from {
            Who::Visitor { id, .. } if state.visitor.as_ref() == Some(&id) => {
                self.surroundings.hub.hint(&audience, View::Desk, &frame, session);
            }
            Who::Agent { id, .. } if held_by == Some(id) => {
                self.surroundings.hub.hint(&audience, View::Visitor, &frame, session);
            }
            Who::Visitor { .. } | Who::Agent { .. } | Who::System => {}
        }
    }
}

impl ConversationActor {
    pub(super) fn new(
        id: ConversationId,
        start: Start,
        own: WeakMailbox<Self>,
        surroundings: Arc<Surroundings>,
        registry: Weak<Registry>,
        under_way: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            id,
            own,
            surroundings,
            registry,
            under_way,
            committed: (start == Start::Fresh).then(|| State::new(id)),
            ahead: None,
            pending: VecDeque::new(),
            last_told: None,
            parked: VecDeque::new(),
            unsettled: false,
            assigned_at: Timestamp::default(),
            watched: None,
        }
    }

    /// Takes a command now, or parks it until the state is known and settled.
    fn take(&mut self, deliver: Deliver, tries: u8) {
        if self.committed.is_none() || self.unsettled {
            if self.parked.len() >= self.surroundings.parked_limit {
                deliver.answer.refuse(Refusal::overloaded(
                    "this conversation is busy; repeat it in a moment",
                    RETRY_MS,
                ));
                return;
            }
            self.parked.push_back((deliver, tries));
            return;
        }
        if let Command::Recall { seq, target: None } = deliver.ask.command {
            self.read_recalled(seq, deliver);
            return;
        }
        self.take_decided(deliver, tries);
    }

    fn take_decided(&mut self, deliver: Deliver, tries: u8) {
        let Some(state) = self.ahead.as_ref().or(self.committed.as_ref()) else {
            self.parked.push_back((deliver, tries));
            return;
        };
        let now = self.surroundings.clock.now();
        let policy = (self.surroundings.policy_of)(state.group.as_ref());
        // The named point of the send-path check: until the quality room exists everything passes.
        let verdict = Verdict::Pass;
        match decide(state, &deliver.ask, &verdict, &policy, now) {
            Ok(events) if events.is_empty() => self.nothing_due(deliver, &policy, now),
            Ok(events) => self.write(deliver, events, &policy, now, tries),
            Err(refusal) if deliver.client.is_some() => self.probe(deliver, refusal),
            Err(refusal) => deliver.answer.refuse(refusal),
        }
    }

    /// A timer came early: the row's `wake_at` is set anew by an empty touch of the store where it matters.
    fn nothing_due(&self, deliver: Deliver, policy: &Policy, now: Timestamp) {
        let Some(state) = self.committed.as_ref() else { return };
        if let (Command::Wake { .. }, Some(wake_at)) =
            (&deliver.ask.command, timers::next(state, policy, now))
        {
            let op = Op::Reschedule { conversation: self.id, wake_at };
            if self.surroundings.journal.submit(op, Box::new(|_done| {})).is_err() {
                tracing::debug!(conversation = ?self.id, "the journal is full; the timer comes again");
            }
        }
        deliver.answer.give(Reply::Done(Receipt {
            conversation: self.id,
            seq: None,
            at: now,
            state: state.phase,
        }));
    }

    fn write(&mut self, deliver: Deliver, events: Events, policy: &Policy, now: Timestamp, tries: u8) {
        let Some(state) = self.ahead.as_ref().or(self.committed.as_ref()) else { return };
        let is_message = matches!(deliver.ask.command, Command::Say(_));
        let guard = if is_message { Guard::AnyHead } else { Guard::Head(state.head) };
        let mut ahead = state.clone();
        for (author, event) in &events {
            ahead.apply(now, author, event);
        }
        let write = Write {
            conversation: self.id,
            epoch: self.surroundings.epoch,
            client: deliver.client,
            guard,
            events,
            wake_at: timers::next(&ahead, policy, now),
        };
        if self.submit(Op::Write(write)) {
            self.ahead = Some(ahead);
            self.pending.push_back(Pending { deliver, tries, refusal: None });
        } else {
            deliver.answer.refuse(busy_store().about(self.id));
        }
    }

    /// A repeat of a committed message is a duplicate even where the message itself would be refused by now (JR-1).
    fn probe(&mut self, deliver: Deliver, refusal: Refusal) {
        let probe = Write {
            conversation: self.id,
            epoch: self.surroundings.epoch,
            client: deliver.client,
            guard: Guard::AnyHead,
            events: Vec::new(),
            wake_at: None,
        };
        if self.submit(Op::Write(probe)) {
            self.pending.push_back(Pending { deliver, tries: 0, refusal: Some(refusal) });
        } else {
            deliver.answer.refuse(busy_store().about(self.id));
        }
    }

    fn submit(&self, op: Op) -> bool {
        let Some(own) = self.own.upgrade() else { return false };
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let reply = Box::new(move |done| {
            if own.answer(Journaled(done)).is_err() {
                tracing::debug!("a conversation was gone when its write was committed");
            }
        });
        let taken = self.surroundings.journal.submit(op, reply).is_ok();
        if !taken {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }

    fn read_recalled(&self, seq: Seq, deliver: Deliver) {
        let Some(own) = self.own.upgrade() else { return };
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let query = Query::History { conversation: self.id, after: seq.saturating_sub(1), limit: 1 };
        let counter = self.under_way.clone();
        let answer = Box::new(move |answer| {
            if own.answer(RecallRead { deliver, answer }).is_err() {
                tracing::debug!("a conversation was gone when its recall was read");
            }
        });
        if self.surroundings.journal.ask(query, answer).is_err() {
            counter.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn resume_parked(&mut self) {
        while self.committed.is_some() && !self.unsettled {
            let Some((deliver, tries)) = self.parked.pop_front() else { return };
            self.take(deliver, tries);
        }
    }
}

fn recall_target(entry: Entry) -> RecallTarget {
    let recallable = matches!(&entry.event, Event::Message(content) if *content != Content::Redacted);
    RecallTarget { author: entry.author, at: entry.at, recallable }
}

pub(super) fn unavailable() -> Refusal {
    Refusal::unavailable("the desk could not finish this; repeat it with the same id", RETRY_MS)
}

fn busy_store() -> Refusal {
    Refusal::overloaded("the store has as much to write as it can hold; repeat it with the same id", RETRY_MS)
}
