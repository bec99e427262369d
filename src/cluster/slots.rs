//! Which slot a thing falls to, and which node a slot should belong to. Pure.
//!
//! Rendezvous hashing (Thaler and Ravishankar, 1998): each live node scores each slot, the highest score owns it. So a
//! node that joins takes its fair share from everybody, and one that leaves gives to everybody, and nothing else moves.

use crate::ident::{AgentId, ConversationId, DomainId, NodeId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Slots of every cluster, for ever: a stored slot number means the same to every version.
pub const SLOTS: u16 = 1_024;

/// One of `SLOTS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// `None` where there is no such slot.
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOTS { Some(Self(number)) } else { None }
    }

    pub const fn number(self) -> u16 {
        self.0
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..SLOTS).map(Self)
    }

    pub fn of_conversation(conversation: ConversationId) -> Self {
        Self::of(&conversation.as_u128().to_be_bytes())
    }

    pub fn of_agent(agent: AgentId) -> Self {
        Self::of(&agent.as_u128().to_be_bytes())
    }

    /// The slot of the routing domain's supervisor.
    pub fn of_domain(domain: &DomainId) -> Self {
        Self::of(domain.as_str().as_bytes())
    }

    fn of(name: &[u8]) -> Self {
        Self((xxh3_64(name) % u64::from(SLOTS)) as u16)
    }
}

const WORDS: usize = SLOTS as usize / 64;

/// Some of the slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSet(Box<[u64; WORDS]>);

impl SlotSet {
    /// Every slot.
    pub fn all() -> Self {
        Self(Box::new([u64::MAX; WORDS]))
    }

    pub fn has(&self, slot: Slot) -> bool {
        self.0.get(slot.index() / 64).is_some_and(|word| word >> (slot.index() % 64) & 1 == 1)
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self(Box::new([0; WORDS]));
        for slot in slots {
            if let Some(word) = set.0.get_mut(slot.index() / 64) {
                *word |= 1 << (slot.index() % 64);
            }
        }
        set
    }
}

/// The node that `slot` should belong to; `None` where there is no node. The order of `nodes` does not matter.
pub fn wanted(slot: Slot, nodes: &[NodeId]) -> Option<&NodeId> {
    nodes.iter().max_by_key(|node| (xxh3_64_with_seed(node.as_str().as_bytes(), u64::from(slot.0)), *node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<NodeId> {
        (0..count).map(|n| NodeId::new(&format!("node-{n}")).unwrap()).collect()
    }

    #[test]
    fn a_node_that_joins_takes_its_fair_share_and_nothing_else_moves() {
        for before in 1..6 {
            let (old, new) = (nodes(before), nodes(before + 1));
            let joined = &new[before];
            let moved: Vec<Slot> =
                Slot::all().filter(|slot| wanted(*slot, &old) != wanted(*slot, &new)).collect();
            assert!(moved.iter().all(|slot| wanted(*slot, &new) == Some(joined)));
            let fair = usize::from(SLOTS) / (before + 1);
            assert!(moved.len() > fair / 2 && moved.len() < fair * 2, "{} of {fair}", moved.len());
        }
    }

    #[test]
    fn every_node_comes_to_the_same_answer_whatever_order_it_knows_the_others_in() {
        let forwards = nodes(5);
        let backwards: Vec<NodeId> = forwards.iter().rev().cloned().collect();
        assert!(Slot::all().all(|slot| wanted(slot, &forwards) == wanted(slot, &backwards)));
        assert_eq!(wanted(Slot(0), &[]), None);
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let odd: SlotSet = Slot::all().filter(|slot| slot.number() % 2 == 1).collect();
        assert!(Slot::all().all(|slot| odd.has(slot) == (slot.number() % 2 == 1)));
        assert_eq!(Slot::all().collect::<SlotSet>(), SlotSet::all());
    }

    #[test]
    fn a_slot_number_means_the_same_for_ever() {
        assert_eq!(Slot::of_conversation(ConversationId::from_u128(1)).number(), EXPECTED[0]);
        assert_eq!(Slot::of_agent(AgentId::from_u128(2)).number(), EXPECTED[1]);
        assert_eq!(Slot::of_domain(&DomainId::default_domain()).number(), EXPECTED[2]);
        assert_eq!(Slot::new(SLOTS), None);
    }

    const EXPECTED: [u16; 3] = [955, 671, 26];
}
