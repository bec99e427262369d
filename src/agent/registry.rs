//! Finds the actor of an agent, here or by way of the node that owns the agent's slot, and remembers the last committed
//! presence and capacity of each.
//!
//! Agents are few, so their actors are laid to rest only when their slot goes. That a connection came or went is
//! only a hint to them: they look at the hub themselves, again and again.

use super::actor::{AgentActor, AgentWord, Workplace};
use crate::cluster::placement::{Placement, Whose};
use crate::cluster::slots::Slot;
use crate::ident::{AgentId, NodeId};
use crate::journal::{AgentSeats, Presence};
use crate::mailbox::{Home, Mailbox, Undelivered, Why};
use dashmap::DashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

/// Counters of the agents, read by telemetry.
#[derive(Debug, Default)]
pub struct AgentMeters {
    /// Times that a lost agent's conversations had to be given back once more.
    pub give_backs_repeated: AtomicU64,
}

/// The way to an agent's actor on another node; `None` while the slot is nobody's. What cannot be sent comes back.
pub type Elsewhere = Box<dyn Fn(Option<NodeId>, AgentId, AgentWord) -> Result<(), AgentWord> + Send + Sync>;

/// The agents of this node, and the way to all others.
pub struct AgentRegistry {
    live: DashMap<AgentId, Mailbox<AgentActor>>,
    seats: DashMap<AgentId, AgentSeats>,
    home: Arc<Home>,
    workplace: Arc<Workplace>,
    placement: Arc<Placement>,
    elsewhere: Elsewhere,
    own: Weak<Self>,
    pub meters: AgentMeters,
}

impl AgentRegistry {
    /// `home` is the thread that agents' actors live on.
    pub fn new(
        workplace: Arc<Workplace>,
        home: Arc<Home>,
        placement: Arc<Placement>,
        elsewhere: Elsewhere,
    ) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            live: DashMap::new(),
            seats: DashMap::new(),
            home,
            workplace,
            placement,
            elsewhere,
            own: own.clone(),
            meters: AgentMeters::default(),
        })
    }

    /// What time it is for the agents.
    pub fn now(&self) -> crate::clock::Timestamp {
        self.workplace.clock.now()
    }

    /// What the store last committed about the agent.
    pub fn seats(&self, agent: AgentId) -> Option<AgentSeats> {
        self.seats.get(&agent).map(|seats| *seats)
    }

    /// Remembers what the store has committed. Loads are not kept here: they are sums over conversations. An actor whose
    /// agent's presence was written past it hears of that.
    pub fn note(&self, seats: AgentSeats) {
        let mut known = self.seats.entry(seats.agent).or_insert(seats);
        let is_news = known.version < seats.version && known.presence != seats.presence;
        if known.version < seats.version {
            *known = seats;
        }
        drop(known);
        if is_news
            && let Some(mailbox) = self.live.get(&seats.agent)
            && mailbox.tell(AgentWord::Written).is_err()
        {
            tracing::debug!(agent = ?seats.agent, "an agent has too much under way to hear of their presence");
        }
    }

    /// Wakes the actor of an agent of this node who holds something, so that the grace runs after a restart.
    pub fn wake(&self, agent: AgentId) {
        if matches!(self.placement.of_agent(agent), Whose::Here(_)) {
            self.live.entry(agent).or_insert_with(|| self.start(agent));
        }
    }

    /// Wakes the actors of this node's agents who are not offline: routing wants to hear of them.
    pub fn wake_own(&self) {
        let present = self.seats.iter().filter(|entry| entry.presence != Presence::Offline);
        let present: Vec<AgentId> = present.map(|entry| *entry.key()).collect();
        present.into_iter().for_each(|agent| self.wake(agent));
    }

    /// Ends the actors of agents whose slots are another node's now.
    pub fn settle(&self) {
        self.live.retain(|agent, mailbox| {
            let is_ours = self.placement.is_here(Slot::of_agent(*agent));
            if !is_ours && mailbox.answer(AgentWord::Retire).is_err() {
                tracing::debug!(?agent, "an agent's actor had ended before its slot went");
            }
            is_ours
        });
    }

    /// Whether an actor of an agent of this slot lives here.
    pub fn lives_in(&self, slot: Slot) -> bool {
        self.live.iter().any(|entry| Slot::of_agent(*entry.key()) == slot)
    }

    /// Names the slot of each agent who is awake here.
    pub fn each_slot(&self, mut name: impl FnMut(Slot)) {
        self.live.iter().for_each(|agent| name(Slot::of_agent(*agent.key())));
    }

    /// Has every agent who is awake here say to routing whether they take new work.
    pub fn tell_availability(&self) {
        for agent in &self.live {
            if agent.value().tell(AgentWord::TellAvailability).is_err() {
                tracing::warn!(agent = ?agent.key(), "an agent has too much under way to tell routing of themselves");
            }
        }
    }

    /// Tells the agent's actor something, wherever it is.
    ///
    /// # Errors
    /// What was to be said, when the mailbox is full, the actor cannot be started, or the way to another node is closed.
    pub fn tell(&self, agent: AgentId, word: impl Into<AgentWord>) -> Result<(), AgentWord> {
        let word = word.into();
        match self.placement.of_agent(agent) {
            Whose::Here(_) => self.tell_here(agent, word).map_err(|back| back.message),
            Whose::There(node) => (self.elsewhere)(Some(node), agent, word),
            Whose::Nobody => (self.elsewhere)(None, agent, word),
        }
    }

    fn tell_here(&self, agent: AgentId, word: AgentWord) -> Result<(), Undelivered<AgentWord>> {
        let mut message = word;
        for _ in 0..2 {
            let mailbox = self.live.entry(agent).or_insert_with(|| self.start(agent)).clone();
            match mailbox.tell(message) {
                Ok(()) => return Ok(()),
                Err(back) if back.why == Why::Full => return Err(back),
                Err(back) => message = back.message,
            }
            self.live.remove_if(&agent, |_, mailbox| mailbox.is_gone());
        }
        Err(Undelivered { why: Why::Gone, message })
    }

    fn start(&self, agent: AgentId) -> Mailbox<AgentActor> {
        let presence = self.seats(agent).map_or(Presence::Offline, |seats| seats.presence);
        let (workplace, registry) = (self.workplace.clone(), self.own.clone());
        Mailbox::start_in(&self.home, self.workplace.mailbox_limit, move |own, _context| {
            AgentActor::new(agent, presence, own.downgrade(), workplace, registry)
        })
    }
}
