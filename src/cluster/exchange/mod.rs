//! Where what is for another node goes out, and what other nodes say comes in.
//!
//! Out: commands for conversations, words for agents and questions for the supervisor whose slots are not this node's.
//! Each question has an answer or a deadline (`under_way`); where none comes, a command is carried out here in the
//! owner's place, a conversation is placed by the configuration alone, and a presence is written past its actor. So a
//! dead owner costs a shopper a moment and not its lease. In (`hearing`): the same doors that this node's own people use.
//!
//! Refuses to decide anything, and to wait.

mod caught;
mod handover;
mod hearing;
mod order;
mod saying;
pub mod shared_clock;
mod silence;
pub mod under_way;
mod without;

pub use hearing::Ear;

use super::bus::{Bus, To};
use super::meters::TailMeters;
use super::placement::Whose;
use crate::agent::actor::{AgentWord, SetPresence};
use crate::agent::registry::AgentRegistry;
use crate::clock::{Clock, Timestamp, fresh_uuid};
use crate::conversation::delivery::{Hint, Parcel};
use crate::conversation::registry::Registry;
use crate::fanout::hub::Hub;
use crate::ident::{AgentId, ConversationId, DomainId, NodeId};
use crate::journal::Journal;
use crate::refusal::Refusal;
use crate::supervisor::message::{AskExplanation, AskPlace, AskQueues, Heard};
use crate::supervisor::registry::SupervisorRegistry;
use crate::wire::node::{Frame, Item, encode};
use order::TakenIn;
use parking_lot::Mutex;
use saying::Bounds;
use shared_clock::SharedClock;
use silence::Silence;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;
use under_way::{ANSWER_WITHIN_MS, Due, UnderWay};
use without::refuse;

/// How often who lives is compared with whose people are known.
const SETTLE_EVERY_MS: u64 = 5_000;

/// The number of a question.
pub type Request = crate::wire::node::Request;

/// The rooms that other nodes speak to.
pub struct Rooms {
    pub conversations: Arc<Registry>,
    pub agents: Arc<AgentRegistry>,
    pub supervisor: Arc<SupervisorRegistry>,
    pub hub: Arc<Hub>,
    pub journal: Arc<dyn Journal>,
}

/// A question to another node.
enum Question {
    Command(Box<Parcel>),
    Place(DomainId, AskPlace),
    Queues(DomainId, AskQueues),
    Explanation(AskExplanation),
    Presence(AgentId, SetPresence),
}

impl Question {
    /// Whose order it has to keep.
    fn lane(&self) -> Option<ConversationId> {
        match self {
            Self::Command(parcel) => Some(parcel.conversation),
            Self::Place(..) | Self::Queues(..) | Self::Explanation(_) | Self::Presence(..) => None,
        }
    }
}

/// Counters of the exchange, read by telemetry.
#[derive(Debug, Default)]
pub struct ExchangeMeters {
    /// Commands that were sent to their owner on another node.
    pub forwarded: AtomicU64,
    /// Commands of other nodes that came in.
    pub taken_in: AtomicU64,
    /// Commands that came to a node which did not own the conversation.
    pub misdirected: AtomicU64,
    /// Questions whose answer did not come in time.
    pub unanswered: AtomicU64,
    /// Questions of other nodes that came when their askers had done without already.
    pub overdue: AtomicU64,
    /// Items of other nodes that could not be read.
    pub unread: AtomicU64,
    /// Panics in what other nodes said or what was done in their place; each ended that one thing.
    pub panicked: AtomicU64,
}

/// The exchange of a node. Without a bus (one node) nothing is ever sent.
pub struct Exchange {
    own: Weak<Self>,
    clock: Arc<dyn Clock>,
    bus: OnceLock<Arc<dyn Bus>>,
    rooms: OnceLock<Rooms>,
    /// Has the membership look at once who owns what.
    look: OnceLock<Box<dyn Fn() + Send + Sync>>,
    under_way: Mutex<UnderWay<Question>>,
    /// Questions under way as last counted: most desks have none most of the time, and need not look further.
    lanes: AtomicUsize,
    /// The other nodes that live, as the membership said last.
    others: Mutex<Vec<NodeId>>,
    settled_at: Mutex<Timestamp>,
    /// By which questions say when they are over.
    pub shared_clock: SharedClock,
    silence: Silence,
    taken_in: Mutex<TakenIn>,
    /// Has the node look at once what another one has changed of the configuration.
    configured: OnceLock<Box<dyn Fn() + Send + Sync>>,
    pub meters: ExchangeMeters,
    pub tail: TailMeters,
}

impl Exchange {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            own: own.clone(),
            clock,
            bus: OnceLock::new(),
            rooms: OnceLock::new(),
            look: OnceLock::new(),
            under_way: Mutex::new(UnderWay::from(fresh_uuid().as_u64_pair().1 >> 2)),
            lanes: AtomicUsize::new(0),
            others: Mutex::default(),
            settled_at: Mutex::default(),
            shared_clock: SharedClock::default(),
            silence: Silence::default(),
            taken_in: Mutex::default(),
            configured: OnceLock::new(),
            meters: ExchangeMeters::default(),
            tail: TailMeters::default(),
        })
    }

    /// Lays the ways to the rooms, which are built after the exchange. Only the first call counts.
    pub fn open(&self, rooms: Rooms, look: Box<dyn Fn() + Send + Sync>) {
        if self.rooms.set(rooms).is_err() || self.look.set(look).is_err() {
            tracing::debug!("the exchange was open already");
        }
    }

    /// What is done when another node says that it has changed the configuration. Only the first call counts.
    pub fn when_configured(&self, look: Box<dyn Fn() + Send + Sync>) {
        if self.configured.set(look).is_err() {
            tracing::debug!("somebody looks at the configuration already");
        }
    }

    /// Lays the way out. Only the first call counts.
    pub fn join(&self, bus: Arc<dyn Bus>) {
        let is_first = self.rooms.get().is_some_and(|rooms| rooms.hub.join_others(bus.clone()));
        if !is_first || self.bus.set(bus).is_err() {
            tracing::error!("the exchange was to join a bus before it was open, or twice");
        }
        self.silence.has_joined(Instant::now());
        self.settle_others();
    }

    /// What was told here may not stand in the store any more: owners read again, and every session compares.
    pub fn another_history(&self) {
        if let Some(rooms) = self.rooms.get() {
            rooms.conversations.reread_all();
            rooms.hub.another_history();
        }
    }

    /// Whether this node can be heard by others; true where it is the only one.
    pub fn carries(&self) -> bool {
        self.bus.get().is_none_or(|bus| bus.carries())
    }

    /// Questions whose answers are still to come.
    pub fn under_way(&self) -> usize {
        self.under_way.lock().len()
    }

    /// Sends a command to the owner of its conversation. It is answered in any case.
    pub fn deliver(&self, parcel: Parcel) {
        self.put(Question::Command(Box::new(parcel)));
    }

    /// Whether commands for the conversation are on their way to another node, or wait for one: what comes later follows
    /// them, also where the conversation is this node's by now.
    pub fn has_under_way(&self, conversation: ConversationId) -> bool {
        self.lanes.load(Ordering::Acquire) > 0 && self.under_way.lock().has_lane(conversation)
    }

    /// Tells or asks the supervisor of a routing domain on another node.
    ///
    /// # Errors
    /// What can be said again later, where it could not be sent now.
    pub fn tell_supervisor(
        &self,
        node: Option<&NodeId>,
        domain: &DomainId,
        heard: Heard,
    ) -> Result<(), Heard> {
        match heard {
            Heard::AskPlace(asked) => self.put(Question::Place(domain.clone(), asked)),
            Heard::AskQueues(asked) => self.put(Question::Queues(domain.clone(), asked)),
            Heard::AskExplanation(asked) => self.put(Question::Explanation(asked)),
            news => {
                let (Some(node), Some(item)) = (node, saying::news(domain, &news)) else { return Err(news) };
                if !self.say(To::Node(node), &item) {
                    return Err(news);
                }
            }
        }
        Ok(())
    }

    /// Tells the actor of an agent on another node.
    ///
    /// # Errors
    /// What can be said again later, where it could not be sent now.
    pub fn tell_agent(
        &self,
        node: Option<&NodeId>,
        agent: AgentId,
        word: AgentWord,
    ) -> Result<(), AgentWord> {
        match word {
            AgentWord::SetPresence(wish) => {
                self.put(Question::Presence(agent, wish));
                Ok(())
            }
            word => {
                let (Some(node), Some(form)) = (node, saying::word(&word)) else { return Err(word) };
                let is_said = self.say(To::Node(node), &Item::Agent { agent, word: form });
                if is_said { Ok(()) } else { Err(word) }
            }
        }
    }

    /// Sends a hint to the node that owns the conversation; it may be lost.
    pub fn hint(&self, node: &NodeId, conversation: ConversationId, hint: &Hint) {
        let (from, session, frame) = ((&hint.from).into(), hint.session, Frame(hint.frame.clone()));
        if !self.say(To::Node(node), &Item::Hint { conversation, from, session, frame }) {
            tracing::debug!(%node, "a hint was dropped");
        }
    }

    /// Tells every other node.
    pub fn tell_everybody(&self, item: &Item) {
        if !self.say(To::Everybody, item) {
            tracing::debug!("the other nodes could not be told; they look by themselves");
        }
    }

    /// These are all nodes that live now, `own` among them.
    pub fn living(&self, nodes: &[NodeId], own: &NodeId) {
        *self.others.lock() = nodes.iter().filter(|node| *node != own).cloned().collect();
        self.settle_others();
    }

    /// The other nodes that live.
    pub fn others(&self) -> Vec<NodeId> {
        self.others.lock().clone()
    }

    /// A node that does not live any more may still have been heard of after it was forgotten.
    fn settle_others_now_and_then(&self) {
        let now = self.clock.now();
        let is_time = {
            let mut settled_at = self.settled_at.lock();
            let is_time = now.since_millis(*settled_at) >= SETTLE_EVERY_MS;
            if is_time {
                *settled_at = now;
            }
            is_time
        };
        if is_time && self.bus.get().is_some() {
            self.settle_others();
        }
    }

    fn settle_others(&self) {
        if let Some(rooms) = self.rooms.get() {
            hearing::moved(rooms, rooms.hub.live_nodes(&self.others(), self.clock.now()));
        }
    }

    /// Says what has gathered and looks at what has waited: called every few tens of milliseconds.
    pub fn tick(&self) {
        self.caught(|| {
            if let Some(rooms) = self.rooms.get() {
                rooms.hub.flush(self.clock.now());
            }
        });
        self.caught(|| self.settle_others_now_and_then());
        self.caught(|| self.see_to_what_is_due());
    }

    fn see_to_what_is_due(&self) {
        let due = {
            let mut under_way = self.under_way.lock();
            self.lanes.store(under_way.len(), Ordering::Release);
            if under_way.is_empty() {
                return;
            }
            under_way.due(self.clock.now())
        };
        for Due { request, lane, since, question, is_over } in due {
            self.caught(|| {
                if is_over && !self.under_way.lock().is_next(request, lane, None) {
                    // What was sent before it has its own end, and goes first (JR-2).
                    self.keep(request, question, None, since);
                } else if is_over {
                    self.meters.unanswered.fetch_add(1, Ordering::Relaxed);
                    self.take_over(question);
                } else {
                    self.ask(request, question, since);
                }
            });
            self.under_way.lock().settled(request, lane);
        }
    }

    fn say(&self, to: To<'_>, item: &Item) -> bool {
        let Some(bus) = self.bus.get() else { return false };
        match encode(item) {
            Ok(line) => bus.send(to, line),
            Err(error) => {
                tracing::error!(%error, "something for another node could not be written");
                false
            }
        }
    }

    fn put(&self, question: Question) {
        let request = self.under_way.lock().number();
        self.ask(request, question, self.clock.now());
    }

    /// Asks whoever is to be asked now; keeps the question until there is somebody, and until nothing that was asked of
    /// somebody else stands before it (JR-2).
    fn ask(&self, request: Request, question: Question, since: Timestamp) {
        let Some(rooms) = self.rooms.get() else { return };
        let lane = question.lane();
        let is_next = |node: Option<&NodeId>| self.under_way.lock().is_next(request, lane, node);
        if lane.is_some_and(|conversation| rooms.conversations.has_guest(conversation)) {
            if is_next(None) {
                self.take_over(question);
            } else {
                self.keep(request, question, None, since);
            }
            return;
        }
        match whose(rooms, &question) {
            Whose::Here(_) if is_next(None) => self.ask_here(rooms, question),
            Whose::There(node) if !self.can_ask(&node) && is_next(None) => self.take_over(question),
            Whose::There(node) if self.can_ask(&node) && is_next(Some(&node)) => {
                self.ask_of(&node, request, question, since);
            }
            Whose::Nobody | Whose::Here(_) | Whose::There(_) => {
                self.keep(request, question, None, since);
            }
        }
    }

    fn can_ask(&self, node: &NodeId) -> bool {
        self.bus.get().is_some_and(|bus| bus.carries()) && !self.under_way.lock().is_silent(node)
    }

    fn ask_of(&self, node: &NodeId, request: Request, question: Question, since: Timestamp) {
        let until_ms = self.shared_clock.after(ANSWER_WITHIN_MS, Instant::now());
        let after = self.under_way.lock().before(request, question.lane(), node);
        let Some(item) = saying::question(request, Bounds { until_ms, after }, &question) else {
            return self.take_over(question);
        };
        // Kept first: the answer may come before this call returns.
        if !self.keep(request, question, Some(node.clone()), since) {
            return;
        }
        if self.say(To::Node(node), &item) {
            self.meters.forwarded.fetch_add(1, Ordering::Relaxed);
        } else {
            // Looked at again in a moment, in its order.
            self.under_way.lock().not_theirs(request);
        }
    }

    /// False where too much is under way; who asked has been told so.
    fn keep(&self, request: Request, question: Question, asked: Option<NodeId>, since: Timestamp) -> bool {
        let (lane, times) = (question.lane(), (since, self.clock.now()));
        let (kept, count) = {
            let mut under_way = self.under_way.lock();
            (under_way.keep(request, (question, lane), asked, times), under_way.len())
        };
        self.lanes.store(count, Ordering::Release);
        let Err(question) = kept else { return true };
        refuse(question, &Refusal::overloaded("too much waits for other nodes; repeat it", 500));
        false
    }

    /// The slot has come to this node meanwhile.
    fn ask_here(&self, rooms: &Rooms, question: Question) {
        match question {
            Question::Command(parcel) => {
                let Parcel { conversation, start, deliver } = *parcel;
                if let Err(deliver) = rooms.conversations.deliver_here(conversation, start, deliver) {
                    self.put(Question::Command(Box::new(Parcel { conversation, start, deliver })));
                }
            }
            Question::Place(domain, asked) => {
                let untold = rooms.supervisor.tell_to(&domain, asked.into()).err();
                if let Some(Heard::AskPlace(asked)) = untold {
                    self.take_over(Question::Place(domain, asked));
                }
            }
            Question::Queues(domain, asked) => drop(rooms.supervisor.tell_to(&domain, asked.into())),
            Question::Explanation(asked) => drop(rooms.supervisor.tell(asked)),
            Question::Presence(agent, wish) => {
                if let Err(AgentWord::SetPresence(wish)) = rooms.agents.tell(agent, wish) {
                    (wish.answer)(Err(Refusal::overloaded("too much is under way for this agent", 300)));
                }
            }
        }
    }
}

fn whose(rooms: &Rooms, question: &Question) -> Whose {
    let placement = rooms.conversations.placement();
    match question {
        Question::Command(parcel) => placement.of_conversation(parcel.conversation),
        Question::Presence(agent, _) => placement.of_agent(*agent),
        Question::Place(domain, _) | Question::Queues(domain, _) => placement.of_supervisor(domain),
        Question::Explanation(asked) => placement.of_supervisor(&asked.domain),
    }
}
