//! Agents: what they are, what they hold, and how they stand among the free.
//!
//! The load is the sum of the seats that the store reported as held and of those that pending decisions hold, and
//! of nothing else (RT-1). Refuses to trust itself against the store: after a refusal an agent is stale and gets
//! nothing until the next input about them.

use super::group::Policy;
use super::input::Agent;
use super::item::Item;
use super::line::Entry;
use super::queue::{Place, Queue};
use super::register::{Known, Register};
use super::signature::Signature;
use super::slab::Slot;
use crate::clock::Timestamp;
use crate::ident::{AgentId, ConversationId};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// What an agent's last turn left. A turn counts once it is decided, whether or not it is refused or missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) idle_since: Timestamp,
    /// Larger for later turns.
    pub(super) number: u64,
}

/// Seats that a conversation holds of an agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) conversation: ConversationId,
    pub(super) seats: u32,
    pub(super) queue: Option<Slot<Queue>>,
}

/// A signature that the agent can serve, with the level that `best_skill` looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) signature: Slot<Signature>,
    pub(super) level: u16,
}

/// How an agent with a free seat compares with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) free: u32,
    capacity: u32,
    turn: Turn,
}

/// An agent's place among the free of one signature: smaller is chosen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AgentKey {
    first: u64,
    agent: AgentId,
    pub(super) slot: Slot<AgentRow>,
    /// The standing that it belongs to (`line.rs`).
    stamp: u32,
}

impl Entry for AgentKey {
    type Row = AgentRow;
    fn slot(&self) -> Slot<AgentRow> {
        self.slot
    }
    fn stamp(&self) -> u32 {
        self.stamp
    }
}

/// Bits of a key below the policy's measure: milliseconds until the year 10889.
const IDLE_BITS: u32 = 48;
/// Different shares of seats stay different in this many steps, since capacities end at 200.
const SHARES: u64 = (1 << 16) - 1;

impl Standing {
    /// The key under `policy`. Ties of the measure go to the longest idle, then to the lower id; turns never tie.
    pub(super) fn key(
        self,
        policy: Policy,
        level: u16,
        who: (AgentId, Slot<AgentRow>),
        stamp: u32,
    ) -> AgentKey {
        let idle = self.turn.idle_since.millis().min((1 << IDLE_BITS) - 1);
        let first = match policy {
            Policy::LongestIdle => idle,
            Policy::LeastLoaded => (self.share() << IDLE_BITS) | idle,
            Policy::RoundRobin => self.turn.number,
            Policy::BestSkill => (u64::from(u16::MAX - level) << IDLE_BITS) | idle,
        };
        AgentKey { first, agent: who.0, slot: who.1, stamp }
    }

    /// The share of seats in use.
    fn share(self) -> u64 {
        u64::from(self.capacity - self.free) * SHARES / u64::from(self.capacity).max(1)
    }
}

/// One agent.
#[derive(Debug)]
pub(super) struct AgentRow {
    pub(super) id: AgentId,
    /// Seats.
    pub(super) capacity: u32,
    pub(super) profile: Box<Agent>,
    pub(super) groups: Vec<Slot<Queue>>,
    pub(super) available: bool,
    pub(super) stale: bool,
    held: Vec<Hold>,
    held_seats: u32,
    /// Items whose decisions hold seats of this agent.
    pub(super) pending: SmallVec<[Slot<Item>; 2]>,
    pub(super) pending_seats: u32,
    pub(super) turn: Turn,
    /// Offers missed in a row.
    pub(super) missed_offers: u32,
    pub(super) members: SmallVec<[Member; 4]>,
    /// Under which standing the signatures list them; `None` while they list them not.
    pub(super) indexed: Option<Standing>,
    /// Items whose present step names this agent.
    pub(super) side: BTreeMap<Place, Slot<Item>>,
}

impl AgentRow {
    pub(super) fn new(profile: Box<Agent>, groups: Vec<Slot<Queue>>, turn: Turn) -> Self {
        Self {
            id: profile.id,
            capacity: profile.capacity,
            profile,
            groups,
            available: false,
            stale: false,
            held: Vec::new(),
            held_seats: 0,
            pending: SmallVec::new(),
            pending_seats: 0,
            turn,
            missed_offers: 0,
            members: SmallVec::new(),
            indexed: None,
            side: BTreeMap::new(),
        }
    }

    pub(super) const fn load(&self) -> u32 {
        self.held_seats + self.pending_seats
    }

    /// Free seats, whether or not the agent may get anything now.
    pub(super) const fn free_seats(&self) -> u32 {
        self.capacity.saturating_sub(self.load())
    }

    /// How the agent stands now; `None` where they may get nothing.
    pub(super) fn standing(&self) -> Option<Standing> {
        let free = self.free_seats();
        if !self.available || self.stale || free == 0 {
            return None;
        }
        Some(Standing { free, capacity: self.capacity, turn: self.turn })
    }

    pub(super) fn level_in(&self, signature: Slot<Signature>) -> Option<u16> {
        self.members.iter().find(|member| member.signature == signature).map(|member| member.level)
    }

    /// Notes a hold; one conversation holds once, however often it is reported. Says whether it was new.
    pub(super) fn hold(&mut self, hold: Hold) -> bool {
        let known = self.held.iter_mut().find(|known| known.conversation == hold.conversation);
        let new = known.is_none();
        match known {
            Some(known) => {
                self.held_seats = self.held_seats - known.seats + hold.seats;
                *known = hold;
            }
            None => {
                self.held_seats += hold.seats;
                self.held.push(hold);
            }
        }
        new
    }

    pub(super) fn free(&mut self, conversation: ConversationId) -> Option<Hold> {
        let at = self.held.iter().position(|hold| hold.conversation == conversation)?;
        let hold = self.held.swap_remove(at);
        self.held_seats -= hold.seats;
        Some(hold)
    }

    pub(super) fn forget_pending(&mut self, item: Slot<Item>, seats: u32) {
        if let Some(at) = self.pending.iter().position(|pending| *pending == item) {
            self.pending.swap_remove(at);
            self.pending_seats -= seats;
        }
    }

    /// Drops what is known of a group that is gone.
    pub(super) fn forget_queue(&mut self, queue: Slot<Queue>) {
        self.groups.retain(|group| *group != queue);
        for hold in &mut self.held {
            hold.queue = hold.queue.filter(|group| *group != queue);
        }
    }
}

/// All agents.
pub(super) type Agents = Register<AgentRow>;

impl Known for AgentRow {
    type Id = AgentId;
    fn known_as(&self) -> AgentId {
        self.id
    }
    fn number(id: &AgentId) -> u128 {
        id.as_u128()
    }
}
