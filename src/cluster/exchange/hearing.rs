//! What other nodes say, given to the rooms of this one; and their answers, given to whoever asked.
//!
//! Refuses to believe a sender's view of who owns what: what is not this node's is sent back.

use super::under_way::Due;
use super::{Exchange, Question, Request, Rooms};
use crate::agent::actor::{AgentWord, SetPresence};
use crate::clock::Timestamp;
use crate::cluster::bus::{Listener, To};
use crate::cluster::placement::Whose;
use crate::conversation::command::Landing;
use crate::conversation::delivery::{AnswerTo, Deliver, Hint, Reply};
use crate::conversation::event::Event;
use crate::conversation::registry::Start;
use crate::fanout::hub::Origin;
use crate::fanout::retell::{moves, retell};
use crate::ident::{AgentId, DomainId, NodeId};
use crate::journal::{Change, ClientKey};
use crate::presence::whereabouts::{Moved, Name};
use crate::refusal::Refusal;
use crate::supervisor::addressing::Reach;
use crate::supervisor::message::{
    AskExplanation, AskPlace, AskQueues, Availability, Heard, Queues, VisitorConnection,
};
use crate::wire::node::{AgentWordForm, CommandItem, Item, decode};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The exchange as the bus's listener.
pub struct Ear(pub Arc<Exchange>);

impl Listener for Ear {
    fn heard(&self, from: &NodeId, items: Vec<Bytes>) {
        let exchange = &self.0;
        exchange.caught(|| exchange.under_way.lock().heard(from, exchange.clock.now()));
        for line in items {
            exchange.caught(|| hear(exchange, from, &line));
        }
    }

    fn interrupted(&self) {
        let exchange = &self.0;
        exchange.caught(|| exchange.in_rooms(|rooms| rooms.hub.interrupted()));
        // The others are to know of it at once: they read the log while this node cannot tell them what it commits.
        exchange.caught(|| exchange.look_at_slots());
        let asked = exchange.under_way.lock().take_all_asked();
        for Due { request, lane, question, .. } in asked {
            exchange.caught(|| exchange.take_over(question));
            exchange.under_way.lock().settled(request, lane);
        }
    }

    fn resumed(&self) {
        let exchange = &self.0;
        exchange.silence.has_carried();
        exchange.caught(|| exchange.in_rooms(|rooms| rooms.hub.resumed()));
        // Guests of other nodes may have written what this one's owners have not heard of.
        exchange.caught(|| exchange.in_rooms(|rooms| rooms.conversations.reread_all()));
        exchange.under_way.lock().forgive();
        exchange.caught(|| exchange.look_at_slots());
        exchange.tell_everybody(&Item::Moved);
    }

    fn lost(&self, from: &NodeId) {
        tracing::debug!(%from, "something that another node said was lost");
        self.0.caught(|| self.0.in_rooms(|rooms| rooms.hub.lost(from)));
    }
}

fn hear(exchange: &Arc<Exchange>, from: &NodeId, line: &[u8]) {
    let item = decode(line).map_err(|error| error.to_string());
    if let Err(error) = item.and_then(|item| take_in(exchange, from, item)) {
        exchange.meters.unread.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%from, %error, "an item was passed over");
    }
}

impl Exchange {
    fn in_rooms(&self, act: impl FnOnce(&Rooms)) {
        if let Some(rooms) = self.rooms.get() {
            act(rooms);
        }
    }

    pub(super) fn look_at_slots(&self) {
        if let Some(look) = self.look.get() {
            look();
        }
    }

    fn taken(&self, from: &NodeId, request: Request) -> Option<Question> {
        self.under_way.lock().answered_by(from, request)
    }
}

impl Exchange {
    /// Takes in what the log has, whoever committed it: for people here, and for the supervisor where it is here.
    pub fn read_in_the_log(&self, changes: Vec<Change>) {
        let Some(rooms) = self.rooms.get() else { return };
        for Change { state, entries } in changes {
            self.tail.entries.fetch_add(entries.len() as u64, Ordering::Relaxed);
            retell(&rooms.hub, &state, &entries);
            rooms.conversations.reread(state.id, Some(state.head));
            if entries.iter().any(|entry| moves(&entry.event)) {
                let held_before = entries.iter().find_map(|entry| match entry.event {
                    Event::Requeued { agent, .. } | Event::Transferred { from: agent, .. } => agent,
                    _ => None,
                });
                if !rooms.supervisor.tell_of_change(Reach::Here, held_before, &state, &entries) {
                    tracing::debug!("routing is busy; what the log says is found by the sweep");
                }
            }
        }
    }
}

fn take_in(exchange: &Arc<Exchange>, from: &NodeId, item: Item) -> Result<(), String> {
    let Some(rooms) = exchange.rooms.get() else { return Ok(()) };
    if exchange.shared_clock.is_over(item.until_ms(), Instant::now()) {
        exchange.meters.overdue.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%from, "a question came when its asker had done without already");
        return Ok(());
    }
    match item {
        Item::Fan(fan) => rooms.hub.replay(*fan),
        Item::People(people) => {
            moved(rooms, rooms.hub.hear_people(from, people, exchange.clock.now()));
        }
        Item::Command(command) => take_command(exchange, rooms, from, *command)?,
        Item::NotMine { request } => {
            exchange.meters.misdirected.fetch_add(1, Ordering::Relaxed);
            exchange.under_way.lock().not_theirs(request);
            exchange.look_at_slots();
        }
        Item::Hint { conversation, from, session, frame } => {
            if matches!(rooms.conversations.placement().of_conversation(conversation), Whose::Here(_)) {
                let (from, frame) = (from.into(), frame.0);
                rooms.conversations.hint(conversation, Hint { from, session, frame });
            }
        }
        Item::Changed(form) => tell(rooms, &form.domain.clone(), form.changed()?),
        Item::Available { agent, available, domain } => {
            tell(rooms, &domain, Availability { agent, available });
        }
        Item::Visitor { visitor, connected, domain } => {
            tell(rooms, &domain, VisitorConnection { visitor, connected });
        }
        Item::AskPlace { .. } | Item::AskQueues { .. } | Item::AskExplanation { .. } => {
            answer_for_the_supervisor(exchange, rooms, from, item);
        }
        Item::RoutingBegan => rooms.agents.tell_availability(),
        Item::Agent { agent, word } => tell_agent(rooms, agent, word),
        Item::SetPresence { request, agent, presence, reason, after_current, until_ms: _ } => {
            let answer = say_back(exchange, from, move |outcome: Result<Timestamp, Refusal>| {
                let (at_ms, refused) = match outcome {
                    Ok(at) => (Some(at.millis()), None),
                    Err(refusal) => (None, Some((&refusal).into())),
                };
                Item::PresenceSet { request, at_ms, refused }
            });
            let wish = SetPresence { presence: presence.into(), reason, after_current, answer };
            if !matches!(rooms.conversations.placement().of_agent(agent), Whose::Here(_)) {
                exchange.say(To::Node(from), &Item::NotMine { request });
            } else if let Err(AgentWord::SetPresence(wish)) = rooms.agents.tell(agent, wish) {
                (wish.answer)(Err(Refusal::overloaded("too much is under way for this agent", 300)));
            }
        }
        Item::Moved => exchange.look_at_slots(),
        Item::Configured => exchange.configured.get().into_iter().for_each(|look| look()),
        Item::Overtaken { conversation } => rooms.conversations.reread(conversation, None),
        Item::Reply { .. }
        | Item::Placed { .. }
        | Item::Queues { .. }
        | Item::Explained { .. }
        | Item::PresenceSet { .. } => answered(exchange, from, item),
    }
    Ok(())
}

/// Hands an answer to whoever asked. One that comes after its time finds nobody.
fn answered(exchange: &Exchange, from: &NodeId, item: Item) {
    match item {
        Item::Reply { request, reply } => {
            if let Some(Question::Command(parcel)) = exchange.taken(from, request) {
                parcel.deliver.answer.give(reply.into());
            }
        }
        Item::Placed { request, placed } => {
            if let Some(Question::Place(_, asked)) = exchange.taken(from, request) {
                (asked.answer)(placed.into());
            }
        }
        Item::Queues { request, queues } => {
            if let Some(Question::Queues(_, asked)) = exchange.taken(from, request) {
                (asked.answer)(queues.into_iter().map(Into::into).collect());
            }
        }
        Item::Explained { request, explanation } => {
            if let Some(Question::Explanation(asked)) = exchange.taken(from, request) {
                (asked.answer)(explanation);
            }
        }
        Item::PresenceSet { request, at_ms, refused } => {
            let Some(Question::Presence(_, wish)) = exchange.taken(from, request) else { return };
            (wish.answer)(match (at_ms, refused) {
                (Some(at_ms), _) => Ok(Timestamp::from_millis(at_ms)),
                (None, Some(refused)) => Err(refused.into()),
                (None, None) => {
                    Err(Refusal::unavailable("the other node's answer was empty; repeat it", 500))
                }
            });
        }
        _ => {}
    }
}

fn take_command(
    exchange: &Arc<Exchange>,
    rooms: &Rooms,
    from: &NodeId,
    command: CommandItem,
) -> Result<(), String> {
    let CommandItem { request, conversation, fresh, ask, client, origin, after, until_ms: _ } = command;
    let is_ours = matches!(rooms.conversations.placement().of_conversation(conversation), Whose::Here(_));
    let is_next = exchange.taken_in.lock().is_next(conversation, from, after);
    // Before the first thread that conversations live on, the asker waits a moment and asks again.
    if !is_ours || !is_next || !rooms.conversations.has_home() {
        exchange.say(To::Node(from), &Item::NotMine { request });
        return Ok(());
    }
    exchange.meters.taken_in.fetch_add(1, Ordering::Relaxed);
    let answer =
        say_back(exchange, from, move |reply: Reply| Item::Reply { request, reply: (&reply).into() });
    let key = |(high, low, digest): (u64, u64, u64)| ClientKey {
        key: u128::from(high) << 64 | u128::from(low),
        digest,
    };
    let deliver = Deliver {
        ask: ask.ask()?,
        client: client.map(key),
        origin: origin.map(|(session, re)| Origin { session, re }),
        answer: AnswerTo::new(answer),
    };
    let start = if fresh { Start::Fresh } else { Start::Stored };
    match rooms.conversations.deliver_here(conversation, start, deliver) {
        Ok(()) => exchange.taken_in.lock().note(conversation, from, request, exchange.clock.now()),
        Err(_) => {
            tracing::debug!(?conversation, "a slot went while a command for it came in; it is repeated")
        }
    }
    Ok(())
}

/// The way of an answer back to the node that asked.
fn say_back<T: 'static>(
    exchange: &Arc<Exchange>,
    to: &NodeId,
    form: impl FnOnce(T) -> Item + Send + 'static,
) -> Box<dyn FnOnce(T) + Send> {
    let (exchange, to) = (Arc::downgrade(exchange), to.clone());
    Box::new(move |outcome| {
        if let Some(exchange) = exchange.upgrade()
            && !exchange.say(To::Node(&to), &form(outcome))
        {
            tracing::debug!(%to, "an answer could not be sent; the asker does without");
        }
    })
}

/// People came to other nodes or left them: the agents and the supervisor of this node look.
pub(super) fn moved(rooms: &Rooms, moved: Moved) {
    let came = moved.came.into_iter().map(|name| (name, true));
    for (name, connected) in came.chain(moved.left.into_iter().map(|name| (name, false))) {
        match name {
            Name::Visitor(visitor) => {
                let word = VisitorConnection { visitor, connected };
                if !rooms.supervisor.tell_of_connection(Reach::Here, word) {
                    tracing::debug!("routing is busy; that a visitor came or went is found by the sweep");
                }
            }
            Name::Agent(agent) => tell_agent(rooms, agent, AgentWordForm::ConnectionsChanged),
            Name::Watched(_) => {}
        }
    }
}

fn tell(rooms: &Rooms, domain: &DomainId, heard: impl Into<Heard>) {
    if rooms.supervisor.is_ours(domain) && rooms.supervisor.tell_to(domain, heard.into()).is_err() {
        tracing::debug!("routing is busy; what another node said is found by the sweep");
    }
}

fn answer_for_the_supervisor(exchange: &Arc<Exchange>, rooms: &Rooms, from: &NodeId, item: Item) {
    let (request, domain, heard): (_, _, Heard) = match item {
        Item::AskPlace { request, place, domain, .. } => {
            let answer = say_back(exchange, from, move |placed: Result<Landing, Refusal>| Item::Placed {
                request,
                placed: (&placed).into(),
            });
            (request, domain, AskPlace { wish: Box::new(place.into()), answer }.into())
        }
        Item::AskQueues { request, items_per_group, domain, .. } => {
            let answer = say_back(exchange, from, move |queues: Queues| Item::Queues {
                request,
                queues: queues.iter().map(Into::into).collect(),
            });
            (request, domain, AskQueues { items_per_group, answer }.into())
        }
        Item::AskExplanation { request, conversation, domain, .. } => {
            let answer =
                say_back(exchange, from, move |explanation| Item::Explained { request, explanation });
            (request, domain.clone(), AskExplanation { conversation, domain, answer }.into())
        }
        _ => return,
    };
    // A node that has not heard of the domain yet does not know its groups either: the asker asks again in a moment.
    if !rooms.supervisor.is_ours(&domain) {
        exchange.say(To::Node(from), &Item::NotMine { request });
        return;
    }
    if let Err(Heard::AskPlace(asked)) = rooms.supervisor.tell_to(&domain, heard) {
        (asked.answer)(Err(Refusal::overloaded("too many conversations arrive at once; repeat it", 500)));
    }
}

fn tell_agent(rooms: &Rooms, agent: AgentId, form: AgentWordForm) {
    let word = match form {
        AgentWordForm::ConnectionsChanged => AgentWord::ConnectionsChanged,
        AgentWordForm::Freed => AgentWord::Freed,
        AgentWordForm::Holding => AgentWord::Holding,
    };
    let is_ours = matches!(rooms.conversations.placement().of_agent(agent), Whose::Here(_));
    if is_ours && rooms.agents.tell(agent, word).is_err() {
        tracing::debug!(?agent, "an agent has too much under way to hear of what another node said");
    }
}
