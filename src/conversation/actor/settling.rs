//! What the journal's answers to writes come to: who is told, and who asked is answered.
//!
//! Nothing is said before the commit (CV-3). Refuses to decide.

use super::{ConversationActor, DECISION_TRIES, unavailable};
use crate::conversation::delivery::{Deliver, Receipt, Reply};
use crate::conversation::event::{Entry, Event};
use crate::conversation::state::Phase;
use crate::fanout::announce::{Standing, announce};
use crate::fanout::hub::Origin;
use crate::ident::{AgentId, Seq};
use crate::journal::Outcome;
use crate::refusal::Refusal;
use actix::Context;

impl ConversationActor {
    pub(super) fn settle(&mut self, outcome: Outcome, context: &mut Context<Self>) {
        let Some(pending) = self.pending.pop_front() else {
            // Of writes behind one whose outcome is unknown: the reading that is under way will find what they left.
            if self.last_told.is_none() {
                tracing::error!(conversation = ?self.id, "the journal answered a write that nobody made");
            }
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
                self.lose_sight(&reason, context);
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
        }
        let (opened_at, state) = (state.opened_at, state.phase);
        self.tell(&before, held_by, entries, deliver.origin.as_ref());
        let at = entries.last().map_or(opened_at, |entry| entry.at);
        let receipt = Receipt { conversation: self.id, seq: answering_seq(entries), at, state };
        deliver.answer.give(Reply::Done(receipt));
    }

    /// Tells everybody what has become of the conversation that stood at `before`, held by `held_by`, by `entries`.
    pub(super) fn tell(
        &mut self,
        before: &Standing,
        held_by: Option<AgentId>,
        entries: &[Entry],
        origin: Option<&Origin>,
    ) {
        let Some(state) = self.committed.as_ref() else { return };
        let last_assigned = entries.iter().rev().find(|entry| matches!(entry.event, Event::Assigned { .. }));
        self.assigned_at = last_assigned.map_or(self.assigned_at, |entry| entry.at);
        let surroundings = &self.surroundings;
        announce(&surroundings.hub, before, state, entries, origin, surroundings.rating_invitation);
        if before.moved(state) {
            (surroundings.tell_routing)(held_by, state, entries);
        }
    }
}

/// A message's own entry answers it; else the last entry that its command made.
fn answering_seq(entries: &[Entry]) -> Option<Seq> {
    let message =
        entries.iter().find(|entry| matches!(&entry.event, Event::Message(content) if !content.is_note()));
    message.or(entries.last()).map(|entry| entry.seq)
}
