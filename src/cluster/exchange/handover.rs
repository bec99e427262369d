//! What becomes of the rooms when slots come to this node or go from it: what lives in a slot ends, or wakes.
//!
//! Refuses to know who should own what (`cluster::reconcile` does).

use super::Exchange;
use crate::cluster::reconcile::Heat;
use crate::cluster::slots::Slot;
use crate::wire::node::Item;

/// More than all conversations of a node.
const SUPERVISOR_HEAT: u64 = 1 << 32;

impl Exchange {
    /// Lays everything of these slots to rest that may end now, and tells which slots have nothing left.
    pub fn lay_to_rest(&self, slots: &[Slot]) -> Vec<Slot> {
        let Some(rooms) = self.rooms.get() else { return slots.to_vec() };
        rooms.agents.settle();
        rooms.supervisor.settle();
        rooms.conversations.lay_to_rest(slots)
    }

    /// How much lives in the slots of this node. A supervisor is hotter than anything: while it moves nobody is assigned.
    pub fn heat(&self) -> Heat {
        let Some(rooms) = self.rooms.get() else { return Heat::new() };
        let domains = rooms.supervisor.own_domains();
        let mut heat: Heat =
            domains.iter().map(|domain| (Slot::of_domain(domain), SUPERVISOR_HEAT)).collect();
        let mut warm = |slot| *heat.entry(slot).or_default() += 1;
        rooms.conversations.each_slot(&mut warm);
        rooms.agents.each_slot(&mut warm);
        heat
    }

    /// These slots are another node's: what still lives of them here can do nothing any more.
    pub fn lost(&self, slots: &[Slot]) {
        if let Some(rooms) = self.rooms.get() {
            rooms.conversations.forget(slots);
            rooms.agents.settle();
            rooms.supervisor.settle();
        }
    }

    /// Slots have come or gone: the supervisor and the agents of the new ones wake, and other nodes look at once.
    pub fn slots_changed(&self) {
        if let Some(rooms) = self.rooms.get() {
            rooms.supervisor.settle();
            rooms.agents.wake_own();
        }
        self.tell_everybody(&Item::Moved);
    }
}
