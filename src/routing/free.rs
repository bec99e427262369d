//! The free agents of one signature in the order of its policy.
//!
//! Nobody is taken out of the middle. A change of an agent's standing outdates their entries everywhere by one stamp
//! and adds new ones; outdated entries are dropped where they come to the front, or swept when they outnumber the
//! others. Since time and turns only grow, new entries mostly belong at the end, so that a change costs neither a
//! search nor a cold node. Refuses to know what a key is made of; `capacity.rs` does.

use super::capacity::{AgentKey, AgentRow};
use super::slab::Slot;
use std::collections::{BTreeSet, VecDeque};

/// Outdated entries that are tolerated beside as many as there are free agents.
const TOLERATED: usize = 64;

/// How far from the end an entry may belong and is still put in line: more agents than change in one millisecond.
const REACH: usize = 32;

/// The standing that each agent's entries must belong to. An agent's stamp only grows, whoever has the slot.
#[derive(Debug, Default)]
pub(super) struct Stamps(Vec<u32>);

impl Stamps {
    pub(super) fn of(&self, agent: Slot<AgentRow>) -> u32 {
        self.0.get(agent.index() as usize).copied().unwrap_or(0)
    }

    /// Outdates every entry of `agent`; new ones carry the stamp that is returned.
    pub(super) fn renew(&mut self, agent: Slot<AgentRow>) -> u32 {
        let at = agent.index() as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        match self.0.get_mut(at) {
            Some(stamp) => {
                *stamp = stamp.wrapping_add(1);
                *stamp
            }
            None => 0,
        }
    }

    fn hold(&self, entry: &AgentKey) -> bool {
        self.of(entry.slot) == entry.stamp
    }
}

/// Members of a signature with enough free seats.
#[derive(Debug, Default)]
pub(super) struct FreeAgents {
    /// In order; grows at its end.
    line: VecDeque<AgentKey>,
    /// Entries that did not belong near the end when they came.
    aside: BTreeSet<AgentKey>,
    /// Entries that are not outdated.
    count: usize,
}

impl FreeAgents {
    /// How many are free.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Lists an agent who is not listed under their present stamp.
    pub(super) fn add(&mut self, key: AgentKey, stamps: &Stamps) {
        self.count += 1;
        let later = self.line.iter().rev().take(REACH).take_while(|entry| **entry > key).count();
        if later < REACH {
            self.line.insert(self.line.len() - later, key);
        } else {
            self.aside.insert(key);
        }
        if self.line.len() + self.aside.len() > 2 * self.count + TOLERATED {
            self.line.retain(|entry| stamps.hold(entry));
            self.aside.retain(|entry| stamps.hold(entry));
        }
    }

    /// An agent's stamp was renewed who was listed here.
    pub(super) const fn outdated(&mut self) {
        self.count -= 1;
    }

    /// Drops what is outdated at the front.
    pub(super) fn clear_front(&mut self, stamps: &Stamps) {
        while self.line.front().is_some_and(|entry| !stamps.hold(entry)) {
            self.line.pop_front();
        }
        while self.aside.first().is_some_and(|entry| !stamps.hold(entry)) {
            self.aside.pop_first();
        }
    }

    /// The first in order whom `suits` takes.
    pub(super) fn first(
        &self,
        stamps: &Stamps,
        suits: impl Fn(Slot<AgentRow>) -> bool,
    ) -> Option<Slot<AgentRow>> {
        let fits = |entry: &&AgentKey| stamps.hold(entry) && suits(entry.slot);
        let (in_line, aside) = (self.line.iter().find(fits), self.aside.iter().find(fits));
        in_line.into_iter().chain(aside).min().map(|entry| entry.slot)
    }
}
