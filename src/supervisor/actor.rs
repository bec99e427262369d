//! The actor of a routing domain: feeds the engine and carries out its decisions. Of the store's conversations and agents
//! it takes those of its domain; groups and rules it knows all, because conversations come from and go to any.
//!
//! It owns the engine and what routing was told of each conversation (`tracking`). Mailbox: `limits.supervisor_mailbox`
//! (4096). A change that finds it full is dropped and counted; arrivals are durable, and the sweep presents them again.
//! Exits: never by itself; after a panic the node starts another, which is filled from the store. Everything in here
//! may be wrong or late without harm: the journal checks each assignment.

use super::facts::Stickiness;
pub use super::message::{
    AskCounters, AskExplanation, AskPlace, AskQueues, Availability, Changed, Heard, Place, QueueView, Queues,
    QueuesAnswer, Reconfigured, RoutingCounts, VisitorConnection,
};
use super::rounds::Sweep;
use super::tracking::{Told, inputs, is_news, parting};
use super::watch::{AbsenceWatch, Returning};
use crate::agent::registry::AgentRegistry;
use crate::clock::{Clock, Timestamp};
use crate::conversation::command::Landing;
use crate::conversation::delivery::Reply;
use crate::conversation::event::RequeueReason;
use crate::conversation::registry::Registry;
use crate::conversation::state::State;
use crate::desk::OpenOffers;
use crate::desk::directory::Directory;
use crate::fanout::hub::Hub;
use crate::ident::{AgentId, ConversationId, DomainId, GroupId, OfferId, VisitorId};
use crate::journal::Journal;
use crate::mailbox::{Posted, WeakMailbox};
use crate::refusal::{Code, Refusal};
use crate::routing::{Decision, Engine, GroupFact, Input, Match, Placement, Question, Refusal as Rejection};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};
use hashbrown::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What the supervisor works with.
pub struct Surroundings {
    pub journal: Arc<dyn Journal>,
    pub conversations: Arc<Registry>,
    pub agents: Arc<AgentRegistry>,
    pub hub: Arc<Hub>,
    pub clock: Arc<dyn Clock>,
    pub offers: Arc<OpenOffers>,
    pub sticky: Stickiness,
    pub rank_push_ms: u64,
    pub node_start: Timestamp,
    /// Has all agents, of whichever node, say whether they take new work.
    pub begun: Box<dyn Fn() + Send + Sync>,
}

/// What a decision came to.
pub(super) struct Settled {
    pub(super) matched: Match,
    pub(super) offer: Option<OfferId>,
    pub(super) reply: Reply,
}

/// A conversation that was to move to another queue could not hear of it.
pub(super) struct NotMoved(pub(super) ConversationId);

/// The supervisor of one routing domain.
pub struct SupervisorActor {
    pub(super) domain: DomainId,
    pub(super) engine: Engine,
    pub(super) told: HashMap<ConversationId, Told>,
    pub(super) waiting_of: HashMap<VisitorId, Vec<ConversationId>>,
    pub(super) absences: AbsenceWatch,
    returning: Returning,
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) directory: Arc<Directory>,
    pub(super) own: WeakMailbox<Self>,
    pub(super) pushed: HashMap<GroupId, u64>,
    pub(super) sweep: Sweep,
    deadline: Option<(Timestamp, SpawnHandle)>,
    decisions: Vec<Decision>,
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        (self.surroundings.begun)();
        self.begin_rounds(context);
    }
}

/// The domain's slot is another node's now.
pub(super) struct Retire;

impl Handler<Posted<Retire>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, _posted: Posted<Retire>, context: &mut Self::Context) {
        context.stop();
    }
}

impl Handler<Posted<Heard>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Heard>, context: &mut Self::Context) {
        match posted.message {
            Heard::AskPlace(asked) => return self.place(asked),
            Heard::AskQueues(asked) => return self.queues(asked),
            Heard::AskExplanation(AskExplanation { conversation, answer, .. }) => {
                let explained = self.engine.explain(&conversation, self.surroundings.clock.now());
                return answer(explained.map(Into::into));
            }
            Heard::Changed(Changed { state, requeued }) => self.take_in(&state, requeued),
            Heard::Availability(Availability { agent, available }) => {
                self.note_availability(agent, available)
            }
            Heard::VisitorConnection(VisitorConnection { visitor, connected }) => {
                self.visitor_connection(&visitor, connected);
            }
        }
        self.carry_out(context);
    }
}

impl Handler<Posted<Reconfigured>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Reconfigured>, context: &mut Self::Context) {
        let known = self.directory.clone();
        self.reconfigure(posted.message.0);
        // Their node may have heard of them before this one and told of them in vain.
        let came = |agent: &AgentId| {
            self.directory.serves(*agent, &self.domain) && !known.serves(*agent, &self.domain)
        };
        if self.directory.agents.keys().any(came) {
            (self.surroundings.begun)();
        }
        let was_others = |group: &GroupId| known.domain_of_group(Some(group)) != &self.domain;
        let own = self.directory.groups.iter().filter(|(_, group)| group.domain == self.domain);
        if own.filter(|(id, _)| was_others(id)).count() > 0 {
            self.sweep.fall_behind();
        }
        self.carry_out(context);
    }
}

impl Handler<Posted<Settled>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Settled>, context: &mut Self::Context) {
        let Settled { matched, offer, reply } = posted.message;
        let (conversation, agent) = (matched.conversation, matched.agent);
        if let (Some(offer), false) = (offer, matches!(reply, Reply::Done(_))) {
            self.surroundings.offers.remove(&offer);
        }
        match reply {
            // The assignment itself has been told by the conversation's change; only an offer's opening is news.
            Reply::Done(_) if offer.is_some() => self.step(Input::Confirmed { conversation, agent }),
            Reply::Done(_) => {}
            Reply::Exists(_) => self.step(Input::Refused { conversation, agent, reason: Rejection::Stale }),
            Reply::Refused(refusal) => {
                tracing::debug!(?conversation, ?agent, code = %refusal.code, "a decision was refused");
                self.step(Input::Refused { conversation, agent, reason: rejection(refusal.code) });
            }
        }
        self.carry_out(context);
    }
}

impl Handler<Posted<NotMoved>> for SupervisorActor {
    type Result = ();

    /// The engine says once that a wait overflows; it says so again of whoever arrives anew, and the sweep presents them.
    fn handle(&mut self, posted: Posted<NotMoved>, _context: &mut Self::Context) {
        if let Some(told) = self.told.get_mut(&posted.message.0) {
            told.forget_arrival();
        }
    }
}

impl Handler<Posted<AskCounters>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<AskCounters>, _context: &mut Self::Context) {
        (posted.message.answer)(RoutingCounts {
            counters: self.engine.counters(),
            waiting: self.engine.items_waiting(),
            agents: self.engine.agents_known(),
        });
    }
}

impl SupervisorActor {
    pub fn new(
        domain: DomainId,
        engine: Engine,
        directory: Arc<Directory>,
        surroundings: Arc<Surroundings>,
        own: WeakMailbox<Self>,
    ) -> Self {
        let mut actor = Self {
            domain,
            engine,
            told: HashMap::new(),
            waiting_of: HashMap::new(),
            absences: AbsenceWatch::default(),
            returning: Returning::default(),
            surroundings,
            directory: Arc::new(Directory::empty(directory.defaults)),
            own,
            pushed: HashMap::new(),
            sweep: Sweep::default(),
            deadline: None,
            decisions: Vec::new(),
        };
        actor.reconfigure(directory);
        actor
    }

    fn place(&mut self, asked: AskPlace) {
        let AskPlace { wish, answer } = asked;
        if let Some((conversation, wanted)) = wish.returning {
            self.returning.expect(conversation, wanted);
        }
        answer(placed(&self.engine, &wish, self.surroundings.clock.now()));
    }

    fn queues(&self, asked: AskQueues) {
        let AskQueues { items_per_group, answer } = asked;
        let now = self.surroundings.clock.now();
        let groups = self.engine.groups(now).into_iter();
        let own = groups.filter(|load| *self.directory.domain_of_group(Some(&load.group)) == self.domain);
        let groups = own.map(|load| {
            let page =
                |skip, limit| self.engine.queue_page(&load.group, skip, limit, now).unwrap_or_default();
            let items = page(0, items_per_group);
            let last = page(load.waiting.saturating_sub(1), 1).pop();
            QueueView { load, items, last }
        });
        answer(groups.collect());
    }

    /// Gives one input to the engine; decisions gather until `carry_out`.
    pub(super) fn step(&mut self, input: Input) {
        let now = self.surroundings.clock.now();
        if let Err(error) = self.engine.step(input, now, &mut self.decisions) {
            tracing::warn!(%error, "routing refused an input");
        }
    }

    /// Tells the engine what is new in `state`.
    pub(super) fn take_in(&mut self, state: &State, requeued: Option<RequeueReason>) {
        let seats = self.directory.seats_of(&state.channel);
        let before = self.told.get(&state.id);
        if !is_news(before, state) {
            return;
        }
        if *self.directory.domain_of_state(state) != self.domain {
            return self.part_with(state.id);
        }
        let known_from_before = self.returning.take(state.id);
        let mut news = inputs(before, state, requeued, seats, self.surroundings.sticky);
        for input in &mut news {
            if let Input::Arrived(arrival) = input {
                arrival.wanted = arrival.wanted.or(known_from_before);
            }
        }
        let offer_before = before.and_then(|told| told.offer).map(|(offer, _)| offer);
        let after = Told::of(state, before);
        self.note_offer(state, offer_before);
        self.note_visitor(state.id, before.cloned().as_ref(), after.as_ref());
        match after {
            Some(told) => self.told.insert(state.id, told),
            None => self.told.remove(&state.id),
        };
        for input in news {
            self.step(input);
        }
    }

    /// The conversation is another domain's now.
    fn part_with(&mut self, conversation: ConversationId) {
        let Some(told) = self.told.remove(&conversation) else { return };
        if let Some((offer, _)) = told.offer {
            self.surroundings.offers.remove(&offer);
        }
        self.note_visitor(conversation, Some(&told), None);
        for input in parting(&told, conversation) {
            self.step(input);
        }
    }

    fn note_offer(&self, state: &State, before: Option<OfferId>) {
        let now = state.offer.as_ref().map(|open| open.offer);
        if let Some(gone) = before.filter(|_| before != now) {
            self.surroundings.offers.remove(&gone);
        }
        if let Some(open) = now {
            self.surroundings.offers.insert(open, state.id);
        }
    }

    fn reconfigure(&mut self, directory: Arc<Directory>) {
        let before = std::mem::replace(&mut self.directory, directory.clone());
        if before.groups != directory.groups {
            for group in directory.groups.values() {
                self.step(Input::GroupUpserted(Box::new(group.routing.clone())));
            }
        }
        self.step(Input::RulesReplaced(directory.rules.clone()));
        // Before their agents, whose seats they held.
        self.part_with_those_of_others();
        let is_own = |directory: &Directory, agent: AgentId| directory.serves(agent, &self.domain);
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for agent in directory.agents.values().filter(|agent| is_own(&directory, agent.id)) {
            if before.agent(agent.id) != Some(agent) {
                came.push(Input::AgentUpserted(Box::new(agent.routing.clone())));
            }
        }
        for agent in before.agents.keys().filter(|agent| is_own(&before, **agent)) {
            if !is_own(&directory, *agent) {
                went.push(Input::AgentRemoved(*agent));
            }
        }
        came.into_iter().chain(went).for_each(|input| self.step(input));
        for group in before.groups.keys().filter(|id| directory.group(id).is_none()) {
            self.step(Input::GroupRemoved(group.clone()));
        }
    }

    fn part_with_those_of_others(&mut self) {
        let is_others =
            |told: &Told| *self.directory.domain_of(told.held_by, told.group.as_ref()) != self.domain;
        let others: Vec<_> = self
            .told
            .iter()
            .filter(|(_, told)| is_others(told))
            .map(|(conversation, _)| *conversation)
            .collect();
        others.into_iter().for_each(|conversation| self.part_with(conversation));
    }

    /// Carries out what has been decided, and waits for the engine's next deadline.
    pub(super) fn carry_out(&mut self, context: &mut Context<Self>) {
        for decision in std::mem::take(&mut self.decisions) {
            self.act(decision);
        }
        let next = self.engine.next_deadline();
        if self.deadline.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        if let Some((_, timer)) = self.deadline.take() {
            context.cancel_future(timer);
        }
        self.deadline = next.map(|at| {
            let wait_ms = at.since_millis(self.surroundings.clock.now());
            let timer = context.run_later(Duration::from_millis(wait_ms), |actor, context| {
                actor.deadline = None;
                actor.step(Input::Tick);
                actor.carry_out(context);
            });
            (at, timer)
        });
    }
}

/// Where a conversation belongs by this engine's rules and queues.
pub(super) fn placed(engine: &Engine, wish: &Place, now: Timestamp) -> Result<Landing, Refusal> {
    let asked = wish.group.as_ref().map(|group| GroupFact { group, trusted: wish.trusted });
    match engine.place(&Question { facts: &wish.facts, asked }, now) {
        Ok(Placement::Queue { group, .. }) => Ok(Landing::Queue(group)),
        Ok(Placement::LeaveMessage { group, .. }) => Ok(Landing::CallBack(group)),
        Err(error) => Err(Refusal::unavailable(format!("{error}; nobody can be reached before that"), 5_000)),
    }
}

pub(super) const fn rejection(code: Code) -> Rejection {
    match code {
        Code::AtCapacity => Rejection::AtCapacity,
        Code::Expired => Rejection::AgentAway,
        Code::RateLimited | Code::Overloaded | Code::Unavailable => Rejection::Unavailable,
        _ => Rejection::Stale,
    }
}
