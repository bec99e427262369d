//! Doing without a node that does not answer: a guest in the owner's place, placing by the configuration alone, a presence
//! written past its actor, and a refusal where there is no other way.
//!
//! Refuses to wait any longer.

use super::{Exchange, Question, Rooms};
use crate::agent::actor::SetPresence;
use crate::cluster::bus::To;
use crate::cluster::placement::Whose;
use crate::conversation::delivery::{AnswerTo, Deliver, Parcel};
use crate::conversation::registry::Start;
use crate::ident::{AgentId, ConversationId};
use crate::journal::{AgentChange, Done, Op};
use crate::refusal::Refusal;
use crate::wire::node::Item;
use parking_lot::Mutex;
use std::sync::Arc;

impl Exchange {
    /// Does without the node that does not answer.
    pub(super) fn take_over(&self, question: Question) {
        let Some(rooms) = self.rooms.get() else { return };
        match question {
            Question::Command(parcel) if parcel.start == Start::Fresh => {
                let sentence = "the node that was to open this conversation does not answer; repeat it";
                parcel.deliver.answer.refuse(Refusal::unavailable(sentence, 300));
            }
            Question::Command(parcel) => self.carry_out_as_guest(rooms, *parcel),
            Question::Place(_, asked) => {
                let placed = rooms.supervisor.place_without(&asked.wish);
                (asked.answer)(placed);
            }
            Question::Presence(agent, wish) => write_presence(rooms, agent, wish),
            question @ (Question::Queues(..) | Question::Explanation(_)) => {
                refuse(question, &Refusal::unavailable("routing does not answer now; repeat it", 500));
            }
        }
    }

    /// The owner may live all the same; it hears at once that its memory is out of date.
    fn carry_out_as_guest(&self, rooms: &Rooms, parcel: Parcel) {
        let Parcel { conversation, deliver, .. } = parcel;
        let (own, answer) = (self.own.clone(), deliver.answer);
        let answer = AnswerTo::new(move |reply| {
            answer.give(reply);
            if let Some(exchange) = own.upgrade() {
                exchange.tell_the_owner_of_a_guest(conversation);
            }
        });
        rooms.conversations.deliver_as_guest(conversation, Deliver { answer, ..deliver });
    }

    fn tell_the_owner_of_a_guest(&self, conversation: ConversationId) {
        let Some(rooms) = self.rooms.get() else { return };
        match rooms.conversations.placement().of_conversation(conversation) {
            Whose::There(owner) if !self.say(To::Node(&owner), &Item::Overtaken { conversation }) => {
                tracing::debug!(%owner, "an owner could not be told of a guest; it reads again when the bus carries");
            }
            Whose::Here(_) => rooms.conversations.reread(conversation, None),
            Whose::There(_) | Whose::Nobody => {}
        }
    }
}

/// Questions that only look have no place for a refusal: dropped, they are answered `unavailable` by whoever asked.
pub(super) fn refuse(question: Question, refusal: &Refusal) {
    match question {
        Question::Command(parcel) => parcel.deliver.answer.refuse(refusal.clone()),
        Question::Place(_, asked) => (asked.answer)(Err(refusal.clone())),
        Question::Presence(_, wish) => (wish.answer)(Err(refusal.clone())),
        Question::Queues(..) | Question::Explanation(_) => {}
    }
}

/// Commits a presence past the agent's actor, which hears of it from the store. To leave after the last conversation
/// is the actor's business alone.
fn write_presence(rooms: &Rooms, agent: AgentId, wish: SetPresence) {
    let SetPresence { presence, reason, after_current, answer } = wish;
    if after_current {
        return answer(Err(Refusal::unavailable("your node does not answer now; repeat it", 500)));
    }
    let answer = Arc::new(Mutex::new(Some(answer)));
    let (agents, told) = (rooms.agents.clone(), answer.clone());
    let op = Op::Agent { agent, change: AgentChange::Presence { presence, reason } };
    let reply = Box::new(move |done| {
        let Some(answer) = told.lock().take() else { return };
        answer(match done {
            Done::Agent(seats) => {
                agents.note(seats);
                Ok(agents.now())
            }
            Done::NoAgent => Err(Refusal::not_found("the desk does not know this agent")),
            _ => Err(Refusal::unavailable("the store could not write the presence; repeat it", 500)),
        });
    });
    if rooms.journal.submit(op, reply).is_err()
        && let Some(answer) = answer.lock().take()
    {
        answer(Err(Refusal::overloaded("the store has as much to write as it can hold; repeat it", 300)));
    }
}
