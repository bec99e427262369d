//! The actor of one agent: carries out what `state` says follows.
//!
//! It owns the agent's grace and leaving wish; whether they are connected it reads from the hub, at each hint and every
//! two seconds. Mailbox: `limits.agent_mailbox` (64), then the
//! sender hears `overloaded`. A presence takes effect when the journal has committed it. Exits: never by itself; a
//! panic ends it and the registry starts another from the last committed presence, which counts as connected anew when
//! a socket says so.

#[cfg(test)]
mod tests;

use super::registry::AgentRegistry;
use super::state::{AgentState, Consequence, Lost};
use crate::clock::{Clock, Timestamp};
use crate::conversation::command::{Ask, Command, Who};
use crate::conversation::delivery::{AnswerTo, Deliver};
use crate::conversation::event::RequeueReason;
use crate::conversation::registry::{Registry, Start};
use crate::conversation::state::State;
use crate::ident::AgentId;
use crate::journal::{AgentChange, AgentSeats, Answer, Done, Journal, Op, Presence, Query};
use crate::mailbox::{Posted, WeakMailbox};
use crate::refusal::Refusal;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often undone things are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Every so many looks routing is told again: a word to a supervisor on another node may be lost.
const TELL_EVERY: u32 = 5;
/// What was given back and is held all the same is given back again after this time, doubled each time up to the longest.
const FIRST_REPEAT_MS: u64 = 2_000;
const LONGEST_REPEAT_MS: u64 = 30_000;

/// What every agent of a node shares.
pub struct Workplace {
    pub journal: Arc<dyn Journal>,
    pub conversations: Arc<Registry>,
    pub clock: Arc<dyn Clock>,
    /// Routing hears whether an agent takes new work; false where it could not be told.
    pub tell_routing: Box<dyn Fn(AgentId, bool) -> bool + Send + Sync>,
    /// Whether any socket of the agent is open.
    pub is_connected: Box<dyn Fn(AgentId) -> bool + Send + Sync>,
    pub grace_ms: u64,
    pub mailbox_limit: usize,
}

/// The outcome of a change of presence.
pub type PresenceAnswer = Box<dyn FnOnce(Result<Timestamp, Refusal>) + Send>;

/// What an agent's actor is told, from whichever node.
pub enum AgentWord {
    /// A socket of the agent has signed in or gone. A hint: it is looked at every two seconds all the same.
    ConnectionsChanged,
    /// Routing begins anew and knows nobody.
    TellAvailability,
    /// A conversation has left the agent; perhaps it was the last.
    Freed,
    /// The sweep has found a conversation with an agent who is offline or has no connection.
    Holding,
    SetPresence(SetPresence),
    /// The store has a presence that was perhaps written past this actor.
    Written,
    /// The agent's slot is another node's now.
    Retire,
}

impl From<SetPresence> for AgentWord {
    fn from(wish: SetPresence) -> Self {
        Self::SetPresence(wish)
    }
}

/// The agent says where they are, or it is said for them.
pub struct SetPresence {
    pub presence: Presence,
    pub reason: Arc<str>,
    pub after_current: bool,
    pub answer: PresenceAnswer,
}

pub(super) struct Journaled(Done);

pub(super) struct Held {
    answer: Answer,
    purpose: Purpose,
}

/// Why the held conversations were asked for.
enum Purpose {
    GiveBack(Lost),
    Leave,
    Decide(SetPresence),
}

/// A change of presence on its way to the journal.
struct Committing {
    presence: Presence,
    answer: Option<PresenceAnswer>,
}

/// Everything is to be given back: repeated until the store says that nothing is held, because a conversation may have
/// been too busy to hear it, or its write may have failed.
#[derive(Debug, Clone, Copy)]
struct Owed {
    lost: Lost,
    /// Times that it was looked at, the first included.
    rounds: u32,
    repeat_at: Timestamp,
}

/// One agent.
pub struct AgentActor {
    id: AgentId,
    state: AgentState,
    own: WeakMailbox<Self>,
    workplace: Arc<Workplace>,
    registry: Weak<AgentRegistry>,
    committing: VecDeque<Committing>,
    grace: Option<SpawnHandle>,
    owed: Option<Owed>,
    /// Routing could not be told of the present availability.
    untold: bool,
    looks: u32,
}

impl Actor for AgentActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.wait_for_grace(context);
        self.look_at_connections(context);
        context.run_interval(LOOK_AGAIN, |actor, context| actor.look_again(context));
    }
}

impl Handler<Posted<AgentWord>> for AgentActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<AgentWord>, context: &mut Self::Context) {
        match posted.message {
            AgentWord::ConnectionsChanged => self.look_at_connections(context),
            AgentWord::TellAvailability => self.tell_routing(self.state.is_available()),
            AgentWord::SetPresence(wish) if wish.after_current => self.ask_held(Purpose::Decide(wish)),
            AgentWord::SetPresence(wish) => self.decide(wish, false),
            AgentWord::Freed if self.state.leaving.is_some() => self.ask_held(Purpose::Leave),
            AgentWord::Freed => {}
            AgentWord::Holding => self.found_holding(context),
            AgentWord::Written => self.found_written(),
            AgentWord::Retire => context.stop(),
        }
    }
}

impl Handler<Posted<Journaled>> for AgentActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Journaled>, _context: &mut Self::Context) {
        let Some(committing) = self.committing.pop_front() else { return };
        let outcome = match posted.message.0 {
            Done::Agent(seats) => {
                self.note(seats);
                let consequences = self.state.committed(committing.presence);
                self.carry_out(consequences, None);
                Ok(self.workplace.clock.now())
            }
            Done::NoAgent => Err(Refusal::not_found("the desk does not know this agent")),
            _ => Err(Refusal::unavailable("the store could not write the presence; repeat it", 500)),
        };
        if let Some(answer) = committing.answer {
            answer(outcome);
        }
    }
}

impl Handler<Posted<Held>> for AgentActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Held>, _context: &mut Self::Context) {
        let Held { answer, purpose } = posted.message;
        match answer {
            Answer::States(states) => self.held(&states, purpose),
            _ => unread(purpose),
        }
    }
}

impl AgentActor {
    fn held(&mut self, states: &[State], purpose: Purpose) {
        match purpose {
            Purpose::GiveBack(lost) if states.is_empty() || !self.state.is_still(lost) => self.owed = None,
            Purpose::GiveBack(lost) => {
                if self.owed.is_some_and(|owed| owed.rounds > 1)
                    && let Some(registry) = self.registry.upgrade()
                {
                    registry.meters.give_backs_repeated.fetch_add(1, Ordering::Relaxed);
                }
                states.iter().for_each(|state| self.give_back(state, lost));
            }
            Purpose::Leave if states.is_empty() => {
                let consequences = self.state.holds_nothing();
                self.carry_out(consequences, None);
            }
            Purpose::Leave => {}
            Purpose::Decide(wish) => self.decide(wish, !states.is_empty()),
        }
    }

    fn found_holding(&mut self, context: &mut Context<Self>) {
        if self.owed.is_none() {
            let consequences = self.state.holds(self.workplace.clock.now());
            self.carry_out(consequences, None);
            self.wait_for_grace(context);
        }
    }

    /// While own writes are under way the store's row may be older than they are; they are heard of by themselves.
    fn found_written(&mut self) {
        let stored = self.registry.upgrade().and_then(|registry| registry.seats(self.id));
        let Some(presence) = stored.map(|seats| seats.presence) else { return };
        if self.committing.is_empty() && self.state.presence != presence {
            let consequences = self.state.committed(presence);
            self.carry_out(consequences, None);
        }
    }

    pub(super) fn new(
        id: AgentId,
        presence: Presence,
        own: WeakMailbox<Self>,
        workplace: Arc<Workplace>,
        registry: Weak<AgentRegistry>,
    ) -> Self {
        let state = AgentState::stored(presence, workplace.clock.now());
        Self {
            id,
            state,
            own,
            workplace,
            registry,
            committing: VecDeque::new(),
            grace: None,
            owed: None,
            untold: false,
            looks: 0,
        }
    }

    fn decide(&mut self, wish: SetPresence, holds: bool) {
        let SetPresence { presence, reason, after_current, answer } = wish;
        let consequences = self.state.wants(presence, after_current, holds);
        self.carry_out(consequences, Some((answer, reason)));
    }

    /// `asked` is answered by the commit among the consequences, or at once where none has to be made.
    fn carry_out(&mut self, consequences: Vec<Consequence>, asked: Option<(PresenceAnswer, Arc<str>)>) {
        let mut asked = asked;
        for consequence in consequences {
            match consequence {
                Consequence::TellRouting { available } => self.tell_routing(available),
                Consequence::GiveBack(lost) => self.give_everything_back(lost),
                Consequence::Commit(presence) => {
                    let (answer, reason) = asked
                        .take()
                        .map_or((None, "after_current".into()), |(answer, reason)| (Some(answer), reason));
                    self.commit(presence, reason, answer);
                }
            }
        }
        if let Some((answer, _)) = asked {
            answer(Ok(self.workplace.clock.now()));
        }
    }

    fn commit(&mut self, presence: Presence, reason: Arc<str>, answer: Option<PresenceAnswer>) {
        let Some(own) = self.own.upgrade() else { return };
        let op = Op::Agent { agent: self.id, change: AgentChange::Presence { presence, reason } };
        let reply = Box::new(move |done| {
            if own.answer(Journaled(done)).is_err() {
                tracing::debug!("an agent's actor was gone when the presence was committed");
            }
        });
        if self.workplace.journal.submit(op, reply).is_ok() {
            self.committing.push_back(Committing { presence, answer });
        } else if let Some(answer) = answer {
            answer(Err(Refusal::overloaded("the store has as much to write as it can hold; repeat it", 300)));
        }
    }

    fn tell_routing(&mut self, available: bool) {
        self.untold = !(self.workplace.tell_routing)(self.id, available);
    }

    fn look_at_connections(&mut self, context: &mut Context<Self>) {
        let before = self.state.connected;
        let connected = (self.workplace.is_connected)(self.id);
        let consequences = self.state.seen(connected, self.workplace.clock.now());
        self.carry_out(consequences, None);
        if before != connected {
            self.wait_for_grace(context);
        }
    }

    /// What a lost message or a busy store left undone is tried again.
    fn look_again(&mut self, context: &mut Context<Self>) {
        self.look_at_connections(context);
        self.looks = self.looks.wrapping_add(1);
        if self.untold || self.looks.is_multiple_of(TELL_EVERY) {
            self.tell_routing(self.state.is_available());
        }
        self.owed = self.owed.filter(|owed| self.state.is_still(owed.lost));
        let now = self.workplace.clock.now();
        if let Some(owed) = self.owed.filter(|owed| now >= owed.repeat_at) {
            self.give_everything_back(owed.lost);
        }
        if self.state.leaving.is_some() {
            self.ask_held(Purpose::Leave);
        }
    }

    fn give_everything_back(&mut self, lost: Lost) {
        let rounds = self.owed.filter(|owed| owed.lost == lost).map_or(0, |owed| owed.rounds);
        let wait_ms = FIRST_REPEAT_MS.saturating_mul(1 << rounds.min(16)).min(LONGEST_REPEAT_MS);
        let repeat_at = self.workplace.clock.now().plus_millis(wait_ms);
        self.owed = Some(Owed { lost, rounds: rounds.saturating_add(1), repeat_at });
        self.ask_held(Purpose::GiveBack(lost));
    }

    fn ask_held(&self, purpose: Purpose) {
        let Some(own) = self.own.upgrade() else { return };
        let purpose = Arc::new(Mutex::new(Some(purpose)));
        let asked = purpose.clone();
        let answer = Box::new(move |answer| {
            let Some(purpose) = asked.lock().take() else { return };
            if own.answer(Held { answer, purpose }).is_err() {
                tracing::debug!("an agent's actor was gone when the held conversations were read");
            }
        });
        if self.workplace.journal.ask(Query::HeldBy(self.id), answer).is_err() {
            tracing::warn!(agent = ?self.id, "the store's readers are busy; it is asked again");
            purpose.lock().take().into_iter().for_each(unread);
        }
    }

    fn give_back(&self, state: &State, lost: Lost) {
        let reason = match lost {
            Lost::Connection => RequeueReason::AgentLost,
            Lost::Offline => RequeueReason::AgentOffline,
        };
        let command = match &state.offer {
            Some(open) => Command::EndOffer { offer: open.offer, reason: RequeueReason::OfferWithdrawn },
            None => Command::Requeue { agent: self.id, reason },
        };
        let ask = Ask { who: Who::System, under: None, command };
        let deliver = Deliver { ask, client: None, origin: None, answer: AnswerTo::nobody() };
        self.workplace.conversations.deliver(state.id, Start::Stored, deliver);
    }

    fn note(&self, seats: AgentSeats) {
        if let Some(registry) = self.registry.upgrade() {
            registry.note(seats);
        }
    }

    fn wait_for_grace(&mut self, context: &mut Context<Self>) {
        if let Some(grace) = self.grace.take() {
            context.cancel_future(grace);
        }
        let Some(deadline) = self.state.next_deadline(self.workplace.grace_ms) else { return };
        let wait_ms = deadline.since_millis(self.workplace.clock.now());
        let grace = context.run_later(Duration::from_millis(wait_ms), |actor, _context| {
            let consequences = actor.state.tick(actor.workplace.grace_ms, actor.workplace.clock.now());
            actor.carry_out(consequences, None);
        });
        self.grace = Some(grace);
    }
}

/// What is held could not be read. What the agent owes and whether they leave is looked at again; who waits is told.
fn unread(purpose: Purpose) {
    match purpose {
        Purpose::GiveBack(_) | Purpose::Leave => {}
        Purpose::Decide(wish) => {
            (wish.answer)(Err(Refusal::unavailable("the store could not be read; repeat it", 500)));
        }
    }
}
