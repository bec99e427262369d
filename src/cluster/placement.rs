//! What this node believes about who owns which slot. Read for every message, written by the membership's rounds.
//!
//! A belief may be late: then a command goes to a node that sends it back or does not answer, or a write meets a fence.
//! Refuses to move anything.

use super::slots::{SLOTS, Slot, SlotSet};
use crate::ident::{AgentId, ConversationId, DomainId, Epoch, NodeId};
use parking_lot::RwLock;

/// Whose a slot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// This node's, under this epoch.
    Here(Epoch),
    There(NodeId),
    /// Nobody's now: its owner died or is handing it over, and the next one will take it.
    Nobody,
}

/// The slots as this node sees them.
#[derive(Debug)]
pub struct Placement {
    slots: RwLock<Vec<Whose>>,
}

impl Placement {
    /// Everything is here: a desk of one node.
    pub fn alone(epoch: Epoch) -> Self {
        Self { slots: RwLock::new(vec![Whose::Here(epoch); usize::from(SLOTS)]) }
    }

    /// Nothing is known yet: a node that is about to join.
    pub fn unknown() -> Self {
        Self { slots: RwLock::new(vec![Whose::Nobody; usize::from(SLOTS)]) }
    }

    pub fn of(&self, slot: Slot) -> Whose {
        self.slots.read().get(slot.index()).cloned().unwrap_or(Whose::Nobody)
    }

    pub fn of_conversation(&self, conversation: ConversationId) -> Whose {
        self.of(Slot::of_conversation(conversation))
    }

    pub fn of_agent(&self, agent: AgentId) -> Whose {
        self.of(Slot::of_agent(agent))
    }

    /// Where the supervisor of the routing domain lives.
    pub fn of_supervisor(&self, domain: &DomainId) -> Whose {
        self.of(Slot::of_domain(domain))
    }

    pub fn is_here(&self, slot: Slot) -> bool {
        matches!(self.of(slot), Whose::Here(_))
    }

    /// How many slots are this node's.
    pub fn here(&self) -> usize {
        self.slots.read().iter().filter(|whose| matches!(whose, Whose::Here(_))).count()
    }

    /// The slots that are this node's.
    pub fn own(&self) -> SlotSet {
        let slots = self.slots.read();
        let is_here =
            |slot: &Slot| slots.get(slot.index()).is_some_and(|whose| matches!(whose, Whose::Here(_)));
        Slot::all().filter(is_here).collect()
    }

    /// Tells whether it was believed otherwise before.
    pub fn set(&self, slot: Slot, whose: Whose) -> bool {
        let mut slots = self.slots.write();
        let Some(entry) = slots.get_mut(slot.index()).filter(|entry| **entry != whose) else { return false };
        *entry = whose;
        true
    }
}
