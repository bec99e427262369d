//! What the journal's answers come to: who is told, who asked is answered, and what is decided again.
//!
//! Nothing is said before the commit (CV-3). Refuses to decide.

use super::{Change, DECISION_TRIES, Decided, Owner, Pending, Rim, Tried, unavailable};
use crate::clock::Timestamp;
use crate::conversation::delivery::{Receipt, Reply};
use crate::conversation::event::{Entry, Event};
use crate::conversation::timers;
use crate::fanout::announce::Standing;
use crate::ident::Seq;
use crate::journal::{Done, Outcome};
use crate::refusal::Refusal;

impl<C> Owner<C> {
    /// The journal's answer to this owner's oldest unanswered operation.
    pub fn journaled(&mut self, done: Done, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        match done {
            Done::Claimed { state } => self.claimed(state, rim),
            Done::Write(outcome) => self.settle(outcome, now, rim),
            Done::Stale { .. } => self.end("another owner has this conversation", rim),
            // Writes under way find out by themselves.
            Done::NotRescheduled { head } if self.pending.is_empty() => self.moved_to(head, rim),
            // Where nothing is being read, what failed was a rescheduling: the timer comes again.
            Done::Failed { reason } if self.committed.is_none() => self.read_failed(&reason, rim),
            Done::Failed { .. }
            | Done::NotRescheduled { .. }
            | Done::Agent(_)
            | Done::NoAgent
            | Done::Rescheduled => {}
        }
        self.resume(now, rim);
    }

    fn settle(&mut self, outcome: Outcome, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        // None is pending for writes behind one whose outcome is unknown: the reading finds what they have left.
        let Some(Pending { tried, decided }) = self.pending.pop_front() else { return };
        let is_surprise = matches!(decided, Decided::Events);
        match outcome {
            Outcome::Committed { entries } => self.committed(tried.errand.caller, &entries, rim),
            Outcome::Duplicate { seq, at } => {
                self.unsettled |= is_surprise;
                let reply = self.done(Some(seq), at);
                rim.answer(tried.errand.caller, reply);
            }
            Outcome::Conflict { seq } => {
                self.unsettled |= is_surprise;
                let message = format!("this id stands for another message already (seq {seq}); use a new id");
                self.refuse(tried, Refusal::conflict(message), rim);
            }
            Outcome::Unknown => self.unwritten(tried, decided, now, rim),
            Outcome::Exists { conversation } => {
                self.unsettled = true;
                rim.answer(tried.errand.caller, Reply::Exists(conversation));
            }
            Outcome::Refused(refusal) => {
                self.unsettled = true;
                self.refuse(tried, refusal, rim);
            }
            Outcome::Reload { head } => self.reload(tried, head, rim),
            Outcome::Stale { .. } => {
                self.refuse(tried, unavailable(), rim);
                self.end("another owner has this conversation", rim);
            }
            Outcome::Failed { reason } => {
                self.refuse(tried, unavailable(), rim);
                self.lose_sight(&reason, rim);
            }
        }
        if self.pending.is_empty() {
            self.settled(now, rim);
        }
    }

    /// All writes have come back. Those that were decided on what did not hold may have set the wake-up too late.
    fn settled(&mut self, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        self.ahead = None;
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.set_wake_up(now, rim);
    }

    /// Sets the wake-up by what is committed and by nothing else.
    pub(super) fn set_wake_up(&self, now: Timestamp, rim: &mut impl Rim<Caller = C>) {
        let Some(state) = self.committed.as_ref() else { return };
        if let Some(at) = timers::next(state, &rim.policy(state.group.as_ref()), now) {
            self.reschedule(at, state.head, rim);
        }
    }

    fn committed(&mut self, caller: C, entries: &[Entry], rim: &mut impl Rim<Caller = C>) {
        let Some(state) = self.committed.as_mut() else {
            return rim.answer(caller, Reply::Refused(unavailable().about(self.id)));
        };
        let follows = entries.first().is_none_or(|entry| entry.seq == state.head + 1);
        let before = Standing::of(state);
        let held_by = state.seat_hold().map(|hold| hold.agent);
        let told = (!follows).then(|| state.clone());
        for entry in entries {
            state.apply(entry.at, &entry.author, &entry.event);
        }
        let at = entries.last().map_or(state.opened_at, |entry| entry.at);
        let receipt = Receipt { conversation: self.id, seq: answering_seq(entries), at, state: state.phase };
        if follows {
            rim.tell(&Change { before: &before, held_by, state, entries }, Some(&caller));
        }
        rim.answer(caller, Reply::Done(receipt));
        if told.is_some() {
            // Somebody else's entries stand before these: everybody is told of all of them in their order.
            self.committed = told;
            self.lose_sight("the log has entries that this owner did not write", rim);
        }
    }

    /// A probe found nothing: what was decided holds, if what it was decided on does.
    fn unwritten(
        &mut self,
        tried: Tried<C>,
        decided: Decided,
        now: Timestamp,
        rim: &mut impl Rim<Caller = C>,
    ) {
        if self.unsettled && tried.tries < DECISION_TRIES {
            return self.again.push_back(Tried { tries: tried.tries + 1, ..tried });
        }
        match decided {
            Decided::Events => self.refuse(tried, unavailable(), rim),
            Decided::Nothing => {
                let reply = self.done(None, now);
                rim.answer(tried.errand.caller, reply);
            }
            Decided::Refusal(refusal) => self.refuse(tried, refusal, rim),
        }
    }

    /// The guard did not hold: because a write before this one was refused, or because somebody else has written.
    fn reload(&mut self, tried: Tried<C>, head: Seq, rim: &mut impl Rim<Caller = C>) {
        self.unsettled = true;
        if tried.tries < DECISION_TRIES {
            self.again.push_back(Tried { tries: tried.tries + 1, ..tried });
        } else {
            self.refuse(tried, unavailable(), rim);
        }
        self.moved_to(head, rim);
    }

    /// The log ends at `head`.
    fn moved_to(&mut self, head: Seq, rim: &mut impl Rim<Caller = C>) {
        if self.committed.as_ref().is_some_and(|state| state.head != head) {
            self.lose_sight("the log has moved without this owner", rim);
        }
    }

    pub(super) fn refuse(&self, tried: Tried<C>, refusal: Refusal, rim: &mut impl Rim<Caller = C>) {
        rim.answer(tried.errand.caller, Reply::Refused(refusal.about(self.id)));
    }
}

/// A message's own entry answers it; else the last entry that its command made.
fn answering_seq(entries: &[Entry]) -> Option<Seq> {
    let message =
        entries.iter().find(|entry| matches!(&entry.event, Event::Message(content) if !content.is_note()));
    message.or(entries.last()).map(|entry| entry.seq)
}
