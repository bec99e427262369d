//! The actor of one live conversation: carries out what `decide` decides.
//!
//! It owns the conversation's present state and the commands under way. Mailbox: `conversation.parked` messages
//! (64), then `overloaded`. State may run ahead of the disk, output may not: entries are announced and senders
//! answered only after the journal has committed (CV-3). When an append fails or another owner has taken over, the
//! memory is thrown away and read again. Exits: laid to rest by the registry when idle (nothing is lost: the journal
//! has it all); panic (the registry rebuilds it, the command in hand is answered `unavailable`); stale epoch (the
//! next message starts a new actor, which claims again).

use super::command::{Command, Policy, RecallTarget, Verdict, Who};
use super::decide::{Events, decide};
use super::delivery::{Deliver, Hint, Receipt, Reply, Surroundings};
use super::event::{Entry, Event, View};
use super::registry::{Registry, Start};
use super::state::{Phase, State};
use super::{content::Content, timers};
use crate::clock::Timestamp;
use crate::fanout::announce::{self, Standing, announce};
use crate::fanout::hub::Audience;
use crate::ident::{AgentId, ConversationId, Seq};
use crate::journal::{Answer as JournalAnswer, Done, Guard, Op, Outcome, Query, Write};
use crate::mailbox::{Posted, WeakMailbox};
use crate::refusal::Refusal;
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

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

    fn handle(&mut self, posted: Posted<Deliver>, _context: &mut Self::Context) {
        self.take(posted.message, 0);
    }
}

impl Handler<Posted<Journaled>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Journaled>, context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        match posted.message.0 {
            Done::Claimed { state } => {
                self.committed = Some(state.map_or_else(|| State::new(self.id), |state| *state));
            }
            Done::Write(outcome) => self.settle(outcome, context),
            Done::ClaimStale { fence } => {
                tracing::warn!(conversation = ?self.id, fence, "another owner has this conversation");
                actix::ActorContext::stop(context);
            }
            Done::Failed { reason } => self.give_up(&reason, context),
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

    fn settle(&mut self, outcome: Outcome, context: &mut Context<Self>) {
        let Some(pending) = self.pending.pop_front() else {
            tracing::error!(conversation = ?self.id, "the journal answered a write that nobody made");
            return;
        };
        match outcome {
            Outcome::Committed { entries } => {
                self.committed(pending.deliver, &entries);
                self.watch_reply(context);
            }
            Outcome::Duplicate { seq, at } => {
                self.unsettled |= pending.refusal.is_none();
                let state = self.committed.as_ref().map_or(Phase::New, |state| state.phase);
                let receipt = Receipt { conversation: self.id, seq: Some(seq), at, state };
                pending.deliver.answer.give(Reply::Done(receipt));
            }
            Outcome::Conflict { seq } => {
                self.unsettled |= pending.refusal.is_none();
                let message = format!("this id stands for another message already (seq {seq}); use a new id");
                pending.deliver.answer.refuse(Refusal::conflict(message).about(self.id));
            }
            Outcome::Unknown => pending.deliver.answer.refuse(pending.refusal.unwrap_or_else(unavailable)),
            Outcome::Exists { conversation } => {
                self.unsettled = true;
                pending.deliver.answer.give(Reply::Exists(conversation));
            }
            Outcome::Refused(refusal) => {
                self.unsettled = true;
                pending.deliver.answer.refuse(refusal.about(self.id));
            }
            Outcome::Reload { .. } if pending.tries < DECISION_TRIES => {
                self.unsettled = true;
                self.parked.push_back((pending.deliver, pending.tries + 1));
            }
            Outcome::Reload { .. } => {
                self.unsettled = true;
                pending.deliver.answer.refuse(unavailable().about(self.id));
            }
            Outcome::Stale { fence } => {
                tracing::warn!(conversation = ?self.id, fence, "another owner has this conversation");
                pending.deliver.answer.refuse(unavailable().about(self.id));
                actix::ActorContext::stop(context);
            }
            Outcome::Failed { reason } => {
                pending.deliver.answer.refuse(unavailable().about(self.id));
                self.give_up(&reason, context);
            }
        }
        if self.pending.is_empty() {
            self.ahead = None;
            self.unsettled = false;
        }
    }

    fn committed(&mut self, deliver: Deliver, entries: &[Entry]) {
        let Some(state) = self.committed.as_mut() else { return };
        let before = Standing::of(state);
        let held_by = state.seat_hold().map(|hold| hold.agent);
        for entry in entries {
            state.apply(entry.at, &entry.author, &entry.event);
            if matches!(entry.event, Event::Assigned { .. }) {
                self.assigned_at = entry.at;
            }
        }
        announce(
            &self.surroundings.hub,
            &before,
            state,
            entries,
            deliver.origin.as_ref(),
            self.surroundings.rating_invitation,
        );
        let at = entries.last().map_or(state.opened_at, |entry| entry.at);
        if before.moved(state) {
            (self.surroundings.tell_routing)(held_by, state, entries);
        }
        let receipt = Receipt { conversation: self.id, seq: answering_seq(entries), at, state: state.phase };
        deliver.answer.give(Reply::Done(receipt));
    }

    /// Watches the visitor's present wait for an answer, and stops watching one that is over.
    fn watch_reply(&mut self, context: &mut Context<Self>) {
        let waits_since = self
            .committed
            .as_ref()
            .filter(|state| state.phase == Phase::Active)
            .and_then(|state| Some(state.unanswered_since?.max(self.assigned_at)));
        if self.watched.as_ref().map(|(since, _)| *since) == waits_since {
            return;
        }
        if let Some((_, timer)) = self.watched.take() {
            context.cancel_future(timer);
        }
        if let Some(since) = waits_since {
            self.alert_later(since, 0, context);
        }
    }

    fn alert_later(&mut self, since: Timestamp, level: usize, context: &mut Context<Self>) {
        let Some(target_ms) = self.surroundings.slow_reply_ms.get(level).copied() else { return };
        let wait_ms = since.plus_millis(target_ms).since_millis(self.surroundings.clock.now());
        let timer = context.run_later(Duration::from_millis(wait_ms), move |actor, context| {
            actor.alert(since, target_ms, level);
            actor.alert_later(since, level + 1, context);
        });
        self.watched = Some((since, timer));
    }

    fn alert(&self, since: Timestamp, target_ms: u64, level: usize) {
        let Some(state) = self.committed.as_ref() else { return };
        let waited_ms = self.surroundings.clock.now().since_millis(since);
        announce::slow_reply(&self.surroundings.hub, state, level, waited_ms, target_ms);
    }

    /// The outcome of something is unknown: the memory is thrown away; whoever waits hears `unavailable` (by the drop of
    /// the answers), and the next message starts an actor that reads the journal again.
    fn give_up(&self, reason: &str, context: &mut Context<Self>) {
        tracing::warn!(conversation = ?self.id, reason, "the store failed; the conversation will be read again");
        actix::ActorContext::stop(context);
    }

    fn claim(&self) -> bool {
        self.submit(Op::Claim { conversation: self.id, epoch: self.surroundings.epoch })
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

/// A message's own entry answers it; else the last entry that its command made.
fn answering_seq(entries: &[Entry]) -> Option<Seq> {
    let message =
        entries.iter().find(|entry| matches!(&entry.event, Event::Message(content) if !content.is_note()));
    message.or(entries.last()).map(|entry| entry.seq)
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
