//! Finds the actor of an agent and remembers the last committed presence and capacity of each.
//!
//! Agents are few and live as long as the node, so their actors are never laid to rest. That a connection came or went is
//! only a hint to them: they look at the hub themselves, again and again.

use super::actor::{AgentActor, TellAvailability, Workplace};
use crate::ident::AgentId;
use crate::journal::{AgentSeats, Presence};
use crate::mailbox::{Home, Mailbox, Posted, Undelivered, Why};
use actix::dev::ToEnvelope;
use actix::{Context, Handler};
use dashmap::DashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

/// Counters of the agents, read by telemetry.
#[derive(Debug, Default)]
pub struct AgentMeters {
    /// Times that a lost agent's conversations had to be given back once more.
    pub give_backs_repeated: AtomicU64,
}

/// The agents of this node.
pub struct AgentRegistry {
    live: DashMap<AgentId, Mailbox<AgentActor>>,
    seats: DashMap<AgentId, AgentSeats>,
    home: Arc<Home>,
    workplace: Arc<Workplace>,
    own: Weak<Self>,
    pub meters: AgentMeters,
}

impl AgentRegistry {
    /// `home` is the thread that agents' actors live on.
    pub fn new(workplace: Arc<Workplace>, home: Arc<Home>) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            live: DashMap::new(),
            seats: DashMap::new(),
            home,
            workplace,
            own: own.clone(),
            meters: AgentMeters::default(),
        })
    }

    /// What the store last committed about the agent.
    pub fn seats(&self, agent: AgentId) -> Option<AgentSeats> {
        self.seats.get(&agent).map(|seats| *seats)
    }

    /// Remembers what the store has committed. Loads are not kept here: they are sums over conversations.
    pub fn note(&self, seats: AgentSeats) {
        self.seats.insert(seats.agent, seats);
    }

    /// Wakes the actor of an agent who holds something, so that the grace runs after a restart.
    pub fn wake(&self, agent: AgentId) {
        self.live.entry(agent).or_insert_with(|| self.start(agent));
    }

    /// Has every agent who is awake say to routing whether they take new work.
    pub fn tell_availability(&self) {
        for agent in &self.live {
            if agent.value().tell(TellAvailability).is_err() {
                tracing::warn!(agent = ?agent.key(), "an agent has too much under way to tell routing of themselves");
            }
        }
    }

    /// Posts a message to the agent's actor.
    ///
    /// # Errors
    /// The message, when the mailbox is full or the actor cannot be started.
    pub fn tell<M>(&self, agent: AgentId, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        AgentActor: Handler<Posted<M>>,
        Context<AgentActor>: ToEnvelope<AgentActor, Posted<M>>,
    {
        let mut message = message;
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
