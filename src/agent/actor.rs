//! The actor of one agent: carries out what `state` says follows.
//!
//! It owns the agent's grace and leaving wish; whether they are connected it reads from the hub, at each hint and every
//! two seconds. Mailbox: `limits.agent_mailbox` (64), then the
//! sender hears `overloaded`. A presence takes effect when the journal has committed it. Exits: never by itself; a
//! panic ends it and the registry starts another from the last committed presence, which counts as connected anew when
//! a socket says so.

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
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often undone things are tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

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

/// A socket of the agent has signed in or gone. A hint: it is looked at every two seconds all the same.
pub struct ConnectionsChanged;
/// Routing begins anew and knows nobody.
pub struct TellAvailability;
/// A conversation has left the agent; perhaps it was the last.
pub struct Freed;

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

/// One agent.
pub struct AgentActor {
    id: AgentId,
    state: AgentState,
    own: WeakMailbox<Self>,
    workplace: Arc<Workplace>,
    registry: Weak<AgentRegistry>,
    committing: VecDeque<Committing>,
    grace: Option<SpawnHandle>,
    /// Why everything is to be given back, until nothing is held any more.
    owed: Option<Lost>,
    /// Routing could not be told of the present availability.
    untold: bool,
}

impl Actor for AgentActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.wait_for_grace(context);
        self.look_at_connections(context);
        context.run_interval(LOOK_AGAIN, |actor, context| actor.look_again(context));
    }
}

impl Handler<Posted<ConnectionsChanged>> for AgentActor {
    type Result = ();

    fn handle(&mut self, _posted: Posted<ConnectionsChanged>, context: &mut Self::Context) {
        self.look_at_connections(context);
    }
}

impl Handler<Posted<TellAvailability>> for AgentActor {
    type Result = ();

    fn handle(&mut self, _posted: Posted<TellAvailability>, _context: &mut Self::Context) {
        self.tell_routing(self.state.is_available());
    }
}

impl Handler<Posted<SetPresence>> for AgentActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<SetPresence>, _context: &mut Self::Context) {
        let wish = posted.message;
        if wish.after_current {
            self.ask_held(Purpose::Decide(wish));
        } else {
            self.decide(wish, false);
        }
    }
}

impl Handler<Posted<Freed>> for AgentActor {
    type Result = ();

    fn handle(&mut self, _posted: Posted<Freed>, _context: &mut Self::Context) {
        if self.state.leaving.is_some() {
            self.ask_held(Purpose::Leave);
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
        if let Answer::States(states) = answer {
            return self.held(states, purpose);
        }
        match purpose {
            Purpose::GiveBack(lost) => self.owed = Some(lost),
            Purpose::Leave => {}
            Purpose::Decide(wish) => {
                (wish.answer)(Err(Refusal::unavailable("the store could not be read; repeat it", 500)));
            }
        }
    }
}

impl AgentActor {
    fn held(&mut self, states: Vec<State>, purpose: Purpose) {
        match purpose {
            Purpose::GiveBack(lost) => {
                states.iter().for_each(|state| self.give_back(state, lost));
                // Looked at again until nothing is held: a conversation may have been too busy to hear it.
                self.owed = (!states.is_empty()).then_some(lost);
            }
            Purpose::Leave if states.is_empty() => {
                let consequences = self.state.holds_nothing();
                self.carry_out(consequences, None);
            }
            Purpose::Leave => {}
            Purpose::Decide(wish) => self.decide(wish, !states.is_empty()),
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
                Consequence::GiveBack(lost) => self.ask_held(Purpose::GiveBack(lost)),
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
        if self.untold {
            self.tell_routing(self.state.is_available());
        }
        let still_gone = |lost| match lost {
            Lost::Connection => !self.state.connected,
            Lost::Offline => self.state.presence == Presence::Offline,
        };
        if let Some(lost) = self.owed.take().filter(|lost| still_gone(*lost)) {
            self.ask_held(Purpose::GiveBack(lost));
        }
        if self.state.leaving.is_some() {
            self.ask_held(Purpose::Leave);
        }
    }

    fn ask_held(&mut self, purpose: Purpose) {
        let Some(own) = self.own.upgrade() else { return };
        let owed = if let Purpose::GiveBack(lost) = &purpose { Some(*lost) } else { None };
        let answer = Box::new(move |answer| {
            if own.answer(Held { answer, purpose }).is_err() {
                tracing::debug!("an agent's actor was gone when the held conversations were read");
            }
        });
        if self.workplace.journal.ask(Query::HeldBy(self.id), answer).is_err() {
            tracing::warn!(agent = ?self.id, "the store's readers are busy; it is asked again");
            self.owed = owed;
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
