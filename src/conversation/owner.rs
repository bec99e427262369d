//! The owner of one live conversation: decides on a state ahead of the disk, speaks after the commit.
//!
//! Pure: time is an argument, and whatever has to be done is asked of the `Rim`. The actor is one rim, the simulation is
//! another; both carry out what is said here and nothing else. State may run ahead of the disk, output may not: entries
//! are told and callers answered only after the journal has committed (CV-3). What was decided, granted or refused, on
//! writes that did not come to be is decided again. `settling` says what the journal's answers come to, `sight` how the
//! owner learns where its conversation stands.
//!
//! Refuses to know what a conversation allows (`decide`), what may be committed (`journal::ledger`), and to wait.

mod settling;
mod sight;
#[cfg(test)]
mod tests;

use super::command::{Ask, Command, Policy, RecallTarget, Verdict, Who};
use super::decide::{Events, decide};
use super::delivery::{Receipt, Reply};
use super::event::Entry;
use super::state::State;
use super::timers;
use crate::clock::Timestamp;
use crate::fanout::announce::Standing;
use crate::ident::{AgentId, ConversationId, Epoch, GUEST, GroupId, Seq};
use crate::journal::{ClientKey, Footing, Guard, Op, Write};
use crate::planted::{Bug, is_planted};
use crate::refusal::Refusal;
use std::collections::VecDeque;

/// How often a decision is taken anew after the log moved under it.
const DECISION_TRIES: u8 = 3;
const RETRY_MS: u64 = 300;

/// A command, and who waits for its outcome.
pub struct Errand<C> {
    pub ask: Ask,
    /// Names messages for ever (protocol 3: `id` of `send` is the idempotency key).
    pub client: Option<ClientKey>,
    pub caller: C,
}

/// What has become of a conversation, for everybody who is to hear of it.
pub struct Change<'a> {
    pub before: &'a Standing,
    /// Whose seats it held before.
    pub held_by: Option<AgentId>,
    /// As it stands now.
    pub state: &'a State,
    /// What lies between.
    pub entries: &'a [Entry],
}

/// What an owner needs done. Nothing here may call the owner back before it returns.
pub trait Rim {
    /// Who waits for an outcome; each comes back through `answer` or lies in an errand.
    type Caller;

    /// The times that a group gives its conversations.
    fn policy(&self, group: Option<&GroupId>) -> Policy;
    /// Hands the journal an operation; its answer comes back through `Owner::journaled`, in the order of submission.
    /// False where the journal is full: no answer comes then.
    fn submit(&mut self, op: Op) -> bool;
    /// Reads the entry at `seq`, which a recall points at, and comes back with it to `Owner::entry_read`.
    fn read_entry(&mut self, seq: Seq, errand: Errand<Self::Caller>);
    /// Reads the entries after `after` and comes back with them and `state` to `Owner::untold_read`. False where the
    /// readers are busy.
    fn read_untold(&mut self, after: Seq, state: Box<State>) -> bool;
    fn answer(&mut self, caller: Self::Caller, reply: Reply);
    /// Tells everybody concerned; `caller` asked for the change and is answered apart.
    fn tell(&mut self, change: &Change<'_>, caller: Option<&Self::Caller>);
    /// The owner's memory is thrown away and read again.
    fn sight_lost(&mut self, reason: &str);
    /// The reading failed: comes back to `Owner::read_again` after a pause, or sooner.
    fn pause(&mut self, reason: &str);
    /// This owner is at its end; the next message makes another one.
    fn give_up(&mut self, reason: &str);
}

/// A command, and how often it has been decided on what did not hold.
struct Tried<C> {
    errand: Errand<C>,
    tries: u8,
}

/// What was decided of a command whose operation is under way.
enum Decided {
    Events,
    /// To be acknowledged without an entry, if the writes before it hold.
    Nothing,
    /// To be refused, if the writes before it hold and its client key is unknown.
    Refusal(Refusal),
}

struct Pending<C> {
    tried: Tried<C>,
    decided: Decided,
}

/// One live conversation's owner.
pub struct Owner<C> {
    id: ConversationId,
    epoch: Epoch,
    parked_limit: usize,
    /// As committed; `None` until it has been read.
    committed: Option<State>,
    /// As decided, while writes are under way.
    ahead: Option<State>,
    pending: VecDeque<Pending<C>>,
    /// Decided before on what did not hold: they go before whatever came later. Each was pending, so they are few.
    again: VecDeque<Tried<C>>,
    /// Waiting for the state to be read, or for the writes under way to settle; at most `parked_limit`.
    parked: VecDeque<Tried<C>>,
    /// A write came back otherwise than decided: nothing new is decided until all have come back.
    unsettled: bool,
    /// The conversation as everybody was last told of it, while it is being read again.
    last_told: Option<Box<State>>,
}

impl<C> Owner<C> {
    /// `is_fresh`: the conversation's id was made a moment ago, so there is nothing to read.
    pub fn new(id: ConversationId, epoch: Epoch, parked_limit: usize, is_fresh: bool) -> Self {
        Self {
            id,
            epoch,
            parked_limit,
            committed: is_fresh.then(|| State::new(id)),
            ahead: None,
            pending: VecDeque::new(),
            again: VecDeque::new(),
            parked: VecDeque::new(),
            unsettled: false,
            last_told: None,
        }
    }

    /// As committed; `None` while it is being read.
    pub const fn state(&self) -> Option<&State> {
        self.committed.as_ref()
    }

    /// Takes a command now, or parks it until the state is known and settled.
    pub fn deliver(&mut self, errand: Errand<C>, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        self.take(Tried { errand, tries: 0 }, now, rim);
    }

    /// The entry that a recall points at has been read; `target` is `None` where there is none.
    pub fn entry_read(
        &mut self,
        mut errand: Errand<C>,
        target: Option<RecallTarget>,
        now: Timestamp,
        rim: &mut impl Rim<Caller = C>,
    ) {
        if let Command::Recall { target: place, .. } = &mut errand.ask.command {
            *place = target;
        }
        let tried = Tried { errand, tries: 0 };
        if self.is_open() { self.judge(tried, now, rim) } else { self.park(tried, rim) }
    }

    fn is_open(&self) -> bool {
        self.committed.is_some() && !self.unsettled
    }

    fn take(&mut self, tried: Tried<C>, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        if !self.is_open() {
            return self.park(tried, rim);
        }
        if let Command::Recall { seq, target: None } = tried.errand.ask.command {
            return rim.read_entry(seq, tried.errand);
        }
        self.judge(tried, now, rim);
    }

    fn park(&mut self, tried: Tried<C>, rim: &mut impl Rim<Caller = C>) {
        if self.parked.len() < self.parked_limit {
            return self.parked.push_back(tried);
        }
        let refusal = Refusal::overloaded("this conversation is busy; repeat it in a moment", RETRY_MS);
        rim.answer(tried.errand.caller, Reply::Refused(refusal));
    }

    fn resume(&mut self, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        while self.is_open() {
            let Some(tried) = self.again.pop_front().or_else(|| self.parked.pop_front()) else { return };
            self.take(tried, now, rim);
        }
    }

    fn judge(&mut self, tried: Tried<C>, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        let Some(state) = self.ahead.as_ref().or(self.committed.as_ref()) else {
            return self.park(tried, rim);
        };
        let policy = rim.policy(state.group.as_ref());
        // The named point of the send-path check: until the quality room exists everything passes.
        let verdict = Verdict::Pass;
        match decide(state, &tried.errand.ask, &verdict, &policy, now) {
            Ok(events) if events.is_empty() => self.nothing_due(tried, now, rim),
            Ok(events) => self.write(tried, events, now, rim),
            // A repeat of a committed message is a duplicate even where the message itself would be refused by now (JR-1),
            // and what is remembered may be out of date: somebody else may have written.
            Err(refusal) => self.probe(tried, Decided::Refusal(refusal), rim),
        }
    }

    /// A timer that came early is set anew; anything else has been done before, if the log is as it is remembered.
    fn nothing_due(&mut self, tried: Tried<C>, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        let is_timer = matches!(tried.errand.ask.command, Command::Wake { .. });
        let state = self.ahead.as_ref().or(self.committed.as_ref()).filter(|_| is_timer);
        let next = state.and_then(|state| Some((self.earliest_wake(state, now, rim)?, state.head)));
        let Some((at, head)) = next else { return self.probe(tried, Decided::Nothing, rim) };
        self.reschedule(at, head, rim);
        let reply = self.done(None, now);
        rim.answer(tried.errand.caller, reply);
    }

    /// Moves the durable wake-up if the log ends at `head`; nobody waits for it, and where it is lost the timer comes again.
    fn reschedule(&self, at: Timestamp, head: Seq, rim: &mut impl Rim<Caller = C>) {
        rim.submit(Op::Reschedule { conversation: self.id, epoch: self.epoch, head, wake_at: at });
    }

    /// When to wake a conversation that will stand at `state`, or still stands as committed should the writes under way
    /// be refused: early is harmless, late is not.
    fn earliest_wake(&self, state: &State, now: Timestamp, rim: &impl Rim<Caller = C>) -> Option<Timestamp> {
        let stands = self.committed.as_ref().filter(|_| self.ahead.is_some());
        let both = [Some(state), stands].into_iter().flatten();
        both.filter_map(|state| timers::next(state, &rim.policy(state.group.as_ref()), now)).min()
    }

    fn write(&mut self, tried: Tried<C>, events: Events, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        let Some(state) = self.ahead.as_ref().or(self.committed.as_ref()) else { return };
        let mut ahead = state.clone();
        for (author, event) in &events {
            ahead.apply(now, author, event);
        }
        let write = Write {
            conversation: self.id,
            epoch: self.epoch,
            client: tried.errand.client,
            guard: self.guard(&tried.errand.ask, state),
            events,
            wake_at: self.earliest_wake(&ahead, now, rim),
        };
        if self.submit(write, tried, Decided::Events, rim) {
            self.ahead = Some(ahead);
        }
    }

    fn guard(&self, ask: &Ask, state: &State) -> Guard {
        if self.epoch == GUEST && is_planted(Bug::GuestUnguarded) {
            return Guard::AnyHead;
        }
        rests_on(ask, state, self.ahead.is_some())
    }

    /// Asks the journal whether the client key is known, and whether the log stands as the decision supposes: behind the
    /// writes under way, and without others' entries.
    fn probe(&mut self, tried: Tried<C>, decided: Decided, rim: &mut impl Rim<Caller = C>) {
        let Some(state) = self.ahead.as_ref().or(self.committed.as_ref()) else {
            return self.park(tried, rim);
        };
        let probe = Write {
            conversation: self.id,
            epoch: self.epoch,
            client: tried.errand.client,
            guard: head_of(state, self.ahead.is_some()),
            events: Vec::new(),
            wake_at: None,
        };
        self.submit(probe, tried, decided, rim);
    }

    fn submit(
        &mut self,
        write: Write,
        tried: Tried<C>,
        decided: Decided,
        rim: &mut impl Rim<Caller = C>,
    ) -> bool {
        if rim.submit(Op::Write(write)) {
            self.pending.push_back(Pending { tried, decided });
            return true;
        }
        let sentence = "the store has as much to write as it can hold; repeat it with the same id";
        let refusal = Refusal::overloaded(sentence, RETRY_MS).about(self.id);
        rim.answer(tried.errand.caller, Reply::Refused(refusal));
        false
    }

    fn done(&self, seq: Option<Seq>, at: Timestamp) -> Reply {
        let state = self.committed.as_ref().map_or(super::state::Phase::New, |state| state.phase);
        Reply::Done(Receipt { conversation: self.id, seq, at, state })
    }
}

/// Words are ordered by the log and rest on nothing else, except an agent's: on the assignment under which they speak
/// (CV-4). A decision rests on all that it saw. `is_ahead`: it saw what is not committed yet.
fn rests_on(ask: &Ask, state: &State, is_ahead: bool) -> Guard {
    match (&ask.command, &ask.who) {
        (Command::Say(_), Who::Visitor { .. } | Who::System) => Guard::AnyHead,
        (Command::Say(_), Who::Agent { .. }) if is_ahead => Guard::Footing(Footing::of_words(state)),
        (Command::Say(_), Who::Agent { .. }) => Guard::Assignment(state.assign_seq),
        _ => head_of(state, is_ahead),
    }
}

fn head_of(state: &State, is_ahead: bool) -> Guard {
    if is_ahead { Guard::Footing(Footing::of_decision(state)) } else { Guard::Head(state.head) }
}

/// What a caller hears whose outcome is unknown, or who came to an owner at its end.
pub(super) fn unavailable() -> Refusal {
    Refusal::unavailable("the desk could not finish this; repeat it with the same id", RETRY_MS)
}
