//! The actor of one live conversation: carries out what its owner says.
//!
//! `owner` decides and is pure; `hands` carries out; `alerts` watches waits. Mailbox: `limits.conversation_mailbox` messages
//! (64), then `overloaded`. Exits: laid to rest by the registry when idle (nothing is lost: the journal has it all);
//! panic (the registry rebuilds it, the command in hand is answered `unavailable`); a first reading that failed, stale
//! epoch (the next message starts a new actor, which claims again).

mod alerts;
mod hands;
mod round;
#[cfg(test)]
mod tests;

use super::command::{RecallTarget, Who};
use super::content::Content;
use super::delivery::{AnswerTo, Deliver, Hint, Surroundings};
use super::event::{Entry, Event, View};
use super::owner::{Errand, Owner, unavailable};
use super::registry::{Registry, Start};
use super::state::State;
use crate::clock::Timestamp;
use crate::fanout::hub::{Audience, Origin};
use crate::ident::{AgentId, ConversationId, Epoch, Seq};
use crate::journal::{Answer as JournalAnswer, Done};
use crate::mailbox::{Posted, WeakMailbox};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use hands::{Hands, Pause};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// The journal's answer to this actor's operation; operations are answered in their order.
pub(super) struct Journaled(Done);

/// The entry that a recall points at has been read.
pub(super) struct RecallRead {
    errand: Errand<Caller>,
    seq: Seq,
    answer: JournalAnswer,
}

/// The entries that nobody may have been told of have been read.
pub(super) struct UntoldRead {
    state: Box<State>,
    answer: JournalAnswer,
}

/// Somebody else has written in the conversation, up to there where it is known, or may have.
pub(super) struct Overtaken(pub(super) Option<Seq>);

/// Who waits for an outcome, and the connection that it came from.
pub(super) struct Caller {
    origin: Option<Origin>,
    answer: AnswerTo,
}

/// One live conversation.
pub struct ConversationActor {
    id: ConversationId,
    own: WeakMailbox<Self>,
    surroundings: Arc<Surroundings>,
    registry: Weak<Registry>,
    under_way: Arc<AtomicUsize>,
    owner: Owner<Caller>,
    pause: Pause,
    /// When the present agent got it, as far as this actor saw it: waits before that are not theirs.
    assigned_at: Timestamp,
    /// The wait for an answer that is being watched, and its timer.
    watched: Option<(Timestamp, SpawnHandle)>,
    /// What the registry knows of whether an agent has it.
    is_held: bool,
}

impl Actor for ConversationActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.with_owner(context, |owner, hands, _now| owner.start(hands));
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
        let Deliver { ask, client, origin, answer } = posted.message;
        let errand = Errand { ask, client, caller: Caller { origin, answer } };
        self.with_owner(context, |owner, hands, now| owner.deliver(errand, now, hands));
        self.end_pause(context);
    }
}

impl Handler<Posted<Journaled>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Journaled>, context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let done = posted.message.0;
        self.with_owner(context, |owner, hands, now| owner.journaled(done, now, hands));
    }
}

impl Handler<Posted<RecallRead>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<RecallRead>, context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let RecallRead { errand, seq, answer } = posted.message;
        let JournalAnswer::History(page) = answer else {
            return errand.caller.answer.refuse(unavailable().about(self.id));
        };
        let entry = page.and_then(|page| page.entries.into_iter().find(|entry| entry.seq == seq));
        let target = entry.map(recall_target);
        self.with_owner(context, |owner, hands, now| owner.entry_read(errand, target, now, hands));
    }
}

impl Handler<Posted<UntoldRead>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<UntoldRead>, context: &mut Self::Context) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let UntoldRead { state, answer } = posted.message;
        let entries = match answer {
            JournalAnswer::History(page) => page.map(|page| page.entries),
            _ => None,
        };
        self.with_owner(context, |owner, hands, now| owner.untold_read(state, entries, now, hands));
    }
}

impl Handler<Posted<Overtaken>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Overtaken>, context: &mut Self::Context) {
        let Overtaken(head) = posted.message;
        self.with_owner(context, |owner, hands, _now| owner.overtaken(head, hands));
    }
}

impl Handler<Posted<Hint>> for ConversationActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Hint>, _context: &mut Self::Context) {
        let Hint { from, session, frame } = posted.message;
        let Some(state) = self.owner.state() else { return };
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
        epoch: Epoch,
        start: Start,
        own: WeakMailbox<Self>,
        surroundings: Arc<Surroundings>,
        registry: Weak<Registry>,
        under_way: Arc<AtomicUsize>,
    ) -> Self {
        let owner = Owner::new(id, epoch, surroundings.parked_limit, start == Start::Fresh);
        Self {
            id,
            own,
            surroundings,
            registry,
            under_way,
            owner,
            pause: Pause::default(),
            assigned_at: Timestamp::default(),
            watched: None,
            is_held: false,
        }
    }

    fn with_owner(
        &mut self,
        context: &mut Context<Self>,
        act: impl FnOnce(&mut Owner<Caller>, &mut Hands<'_>, Timestamp),
    ) {
        let mut hands = Hands {
            id: self.id,
            own: &self.own,
            surroundings: &self.surroundings,
            registry: &self.registry,
            under_way: &self.under_way,
            pause: &mut self.pause,
            assigned_at: &mut self.assigned_at,
            context,
        };
        act(&mut self.owner, &mut hands, self.surroundings.clock.now());
        self.watch_reply(context);
        self.tell_whether_held();
    }

    fn tell_whether_held(&mut self) {
        let is_held = self.owner.state().is_some_and(|state| state.phase.is_assigned());
        if is_held != self.is_held
            && let Some(registry) = self.registry.upgrade()
        {
            self.is_held = is_held;
            registry.note_held(self.id, is_held);
        }
    }

    /// Reads now where the next reading was to come later.
    fn end_pause(&mut self, context: &mut Context<Self>) {
        let Some(timer) = self.pause.take_timer() else { return };
        context.cancel_future(timer);
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        self.with_owner(context, |owner, hands, _now| owner.read_again(hands));
    }
}

fn recall_target(entry: Entry) -> RecallTarget {
    let recallable = matches!(&entry.event, Event::Message(content) if *content != Content::Redacted);
    RecallTarget { author: entry.author, at: entry.at, recallable }
}
