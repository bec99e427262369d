//! Signatures: all conversations of one group with the same needs and weight, and the agents who can serve them.
//!
//! Needs are evaluated once per agent and signature; a decision then looks at the front of a line. Weight is
//! part of the signature, so that an agent with too few seats is simply not among the free. Their number is
//! bounded: past the bound those without conversations are dropped, and if all are in use a conversation falls
//! back to the plain signature of its group (any agent), which is counted.

use super::capacity::{AgentKey, AgentRow, Agents, Member, Standing};
use super::group::Policy;
use super::item::Item;
use super::line::{Entry, Line, Stamps};
use super::queue::{Place, Queue};
use super::slab::{Slab, Slot};
use super::steps::Needs;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// Most signatures with expressions; plain ones (a group and a weight) come on top.
pub const MAX_SIGNATURES: usize = 4_096;

/// What makes two conversations alike for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SignatureKey {
    /// The group's slot.
    pub(super) queue: u32,
    /// The number of the expression among the rules'; 0 is anyone.
    pub(super) needs: usize,
    pub(super) seats: u32,
}

/// A conversation in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) place: Place,
    pub(super) item: Slot<Item>,
    stamp: u32,
}

impl Entry for Waiting {
    type Row = Item;
    fn slot(&self) -> Slot<Item> {
        self.item
    }
    fn stamp(&self) -> u32 {
        self.stamp
    }
}

/// Conversations alike, and who can serve them.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) key: SignatureKey,
    queue: Slot<Queue>,
    needs: Needs,
    policy: Policy,
    /// Members who are available, free or not.
    pub(super) available: u32,
    /// Members with enough free seats, in the order of the group's policy.
    pub(super) free: Line<AgentKey>,
    /// Its front is clear.
    pub(super) waiting: Line<Waiting>,
    /// Those of `waiting` that somebody declined.
    pub(super) declined: BTreeMap<Place, Slot<Item>>,
}

impl Signature {
    fn serves(&self, agent: &AgentRow) -> bool {
        (agent.groups.contains(&self.queue) || self.needs.names_groups()) && self.needs.met_by(&agent.profile)
    }

    /// Whether that standing has the seats that are needed here.
    fn suffices(&self, standing: Option<Standing>) -> bool {
        standing.is_some_and(|standing| standing.free >= self.key.seats)
    }

    /// Lists `agent` by their standing, where it suffices.
    fn list(&mut self, slot: Slot<AgentRow>, agent: &AgentRow, level: u16, stamps: &Stamps<AgentRow>) {
        if let Some(standing) = agent.indexed.filter(|standing| standing.free >= self.key.seats) {
            self.free.add(standing.key(self.policy, level, (agent.id, slot), stamps.of(slot)), stamps);
        }
    }
}

/// All signatures.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) rows: Slab<Signature>,
    by_key: HashMap<SignatureKey, Slot<Signature>>,
    pub(super) agent_stamps: Stamps<AgentRow>,
    pub(super) item_stamps: Stamps<Item>,
}

impl Signatures {
    pub(super) fn find(&self, key: &SignatureKey) -> Option<Slot<Signature>> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, slot: Slot<Signature>) -> Option<&Signature> {
        self.rows.get(slot)
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= MAX_SIGNATURES
    }

    /// Adds a signature and finds its members.
    pub(super) fn add(
        &mut self,
        key: SignatureKey,
        queue: Slot<Queue>,
        needs: Needs,
        policy: Policy,
        agents: &mut Agents,
    ) -> Slot<Signature> {
        let slot = self.rows.insert(Signature {
            key,
            queue,
            needs,
            policy,
            available: 0,
            free: Line::default(),
            waiting: Line::default(),
            declined: BTreeMap::new(),
        });
        self.by_key.insert(key, slot);
        for (agent_slot, agent) in agents.rows.iter_mut() {
            self.admit(slot, agent_slot, agent);
        }
        slot
    }

    /// Makes `agent` a member of every signature that they can serve. They must be a member of none.
    pub(super) fn admit_everywhere(&mut self, agent_slot: Slot<AgentRow>, agent: &mut AgentRow) {
        let slots: Vec<_> = self.rows.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.admit(slot, agent_slot, agent);
        }
    }

    fn admit(&mut self, slot: Slot<Signature>, agent_slot: Slot<AgentRow>, agent: &mut AgentRow) {
        let Some(signature) = self.rows.get_mut(slot) else { return };
        if !signature.serves(agent) {
            return;
        }
        let level = signature.needs.level_of(&agent.profile);
        agent.members.push(Member { signature: slot, level });
        signature.available += u32::from(agent.available);
        signature.list(agent_slot, agent, level, &self.agent_stamps);
    }

    /// Ends every membership of `agent`. Says in which signatures it stood.
    pub(super) fn dismiss(
        &mut self,
        agent_slot: Slot<AgentRow>,
        agent: &mut AgentRow,
    ) -> SmallVec<[Member; 4]> {
        let members = std::mem::take(&mut agent.members);
        self.agent_stamps.renew(agent_slot);
        for member in &members {
            let Some(signature) = self.rows.get_mut(member.signature) else { continue };
            if signature.suffices(agent.indexed) {
                signature.free.outdated();
            }
            signature.available -= u32::from(agent.available);
        }
        members
    }

    /// Brings the lists of the free up to the agent's present standing.
    pub(super) fn reindex(&mut self, agent_slot: Slot<AgentRow>, agent: &mut AgentRow) {
        let standing = agent.standing();
        if standing == agent.indexed {
            return;
        }
        let before = std::mem::replace(&mut agent.indexed, standing);
        self.agent_stamps.renew(agent_slot);
        for member in &agent.members {
            let Some(signature) = self.rows.get_mut(member.signature) else { continue };
            if signature.suffices(before) {
                signature.free.outdated();
            }
            signature.list(agent_slot, agent, member.level, &self.agent_stamps);
        }
    }

    /// Makes the first free agent of a signature quick to find.
    pub(super) fn clear_front(&mut self, slot: Slot<Signature>) {
        if let Some(signature) = self.rows.get_mut(slot) {
            signature.free.clear_front(&self.agent_stamps);
        }
    }

    /// Puts an item into a signature's lane.
    pub(super) fn stand(&mut self, signature: Slot<Signature>, slot: Slot<Item>, item: &Item) {
        let Some(signature) = self.rows.get_mut(signature) else { return };
        let entry = Waiting { place: item.place, item: slot, stamp: self.item_stamps.of(slot) };
        signature.waiting.add(entry, &self.item_stamps);
        if item.was_declined {
            signature.declined.insert(item.place, slot);
        }
    }

    /// Takes an item out of the signature's lane that it stands in.
    pub(super) fn leave(
        &mut self,
        signature: Slot<Signature>,
        slot: Slot<Item>,
        place: &Place,
        was_declined: bool,
    ) {
        self.item_stamps.renew(slot);
        let Some(signature) = self.rows.get_mut(signature) else { return };
        signature.waiting.outdated();
        signature.waiting.clear_front(&self.item_stamps);
        if was_declined {
            signature.declined.remove(place);
        }
    }

    /// Counts an agent's coming or going in the signatures they are a member of.
    pub(super) fn count_available(&mut self, agent: &AgentRow, came: bool) {
        for member in &agent.members {
            if let Some(signature) = self.rows.get_mut(member.signature) {
                signature.available = if came { signature.available + 1 } else { signature.available - 1 };
            }
        }
    }

    /// Drops signatures that nobody waits under.
    pub(super) fn drop_unused(&mut self, agents: &mut Agents) {
        let unused: BTreeSet<_> =
            self.rows.iter().filter(|(_, row)| row.waiting.len() == 0).map(|(slot, _)| slot).collect();
        for slot in &unused {
            if let Some(row) = self.rows.remove(*slot) {
                self.by_key.remove(&row.key);
            }
        }
        for (_, agent) in agents.rows.iter_mut() {
            agent.members.retain(|member| !unused.contains(&member.signature));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, agents: &mut Agents) {
        *self = Self::default();
        for (_, agent) in agents.rows.iter_mut() {
            agent.members.clear();
        }
    }
}
