//! Agents come, change, pause and go.

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::AgentId;
use crate::routing::capacity::{AgentRow, Member, Turn};
use crate::routing::decision::{Decision, RoutingError};
use crate::routing::input::{Agent, OfferEnd};
use crate::routing::item::{Awaiting, Item, Stage};
use crate::routing::slab::Slot;
use smallvec::SmallVec;

impl Engine {
    pub(super) fn agent_upserted(
        &mut self,
        agent: Box<Agent>,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) -> Result<(), RoutingError> {
        agent.check()?;
        let mut groups = Vec::with_capacity(agent.groups.len());
        for group in &agent.groups {
            let slot = self.queues.find(group).ok_or_else(|| RoutingError::UnknownGroup(group.clone()))?;
            if !groups.contains(&slot) {
                groups.push(slot);
            }
        }
        let Some(slot) = self.agents.find(&agent.id) else {
            let turn = Turn { idle_since: now, number: self.next_number() };
            let slot = self.agents.insert(AgentRow::new(agent, groups, turn));
            if let Some(row) = self.agents.get_mut(slot) {
                self.signatures.admit_everywhere(slot, row);
            }
            self.relist_named(now, out);
            return Ok(());
        };
        let available = self.agents.get(slot).is_some_and(|row| row.available);
        self.count_presence(slot, false);
        let Some(row) = self.agents.get_mut(slot) else { return Ok(()) };
        let members = self.signatures.dismiss(slot, row);
        row.capacity = agent.capacity;
        row.profile = agent;
        row.groups = groups;
        row.stale = false;
        self.signatures.admit_everywhere(slot, row);
        if available {
            self.count_presence(slot, true);
        }
        self.relist_named(now, out);
        self.touch_declined(&members);
        self.touched.agents.push(slot);
        Ok(())
    }

    pub(super) fn agent_removed(&mut self, agent: AgentId, now: Timestamp, out: &mut Vec<Decision>) {
        let Some(slot) = self.agents.find(&agent) else {
            self.counters.late += 1;
            return;
        };
        self.agent_available(slot, false, now, out);
        let pending = self.agents.get(slot).map_or_else(SmallVec::new, |row| row.pending.clone());
        for item in pending {
            self.close_offer(item, OfferEnd::Withdrawn, now, out);
        }
        if let Some(row) = self.agents.get_mut(slot) {
            self.signatures.dismiss(slot, row);
        }
        let side: Vec<_> =
            self.agents.get(slot).map_or_else(Vec::new, |row| row.side.values().copied().collect());
        for item in &side {
            self.unlist(*item);
        }
        self.agents.remove(slot);
        self.touched.agents.retain(|touched| *touched != slot);
        for item in side {
            self.relist(item, now, out);
        }
    }

    /// Comes or goes. Going withdraws open offers and ends the steps that waited for this agent alone.
    pub(super) fn agent_available(
        &mut self,
        slot: Slot<AgentRow>,
        available: bool,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        let Some(row) = self.agents.get_mut(slot) else { return };
        row.stale = false;
        self.touched.agents.push(slot);
        if row.available == available {
            return;
        }
        if available {
            row.available = true;
            row.missed_offers = 0;
            row.turn.idle_since = now;
            self.signatures.count_available(row, true);
            self.count_presence(slot, true);
            return;
        }
        self.count_presence(slot, false);
        let Some(row) = self.agents.get_mut(slot) else { return };
        self.signatures.count_available(row, false);
        row.available = false;
        let (members, pending) = (row.members.clone(), row.pending.clone());
        self.reindex(slot);
        for item in pending {
            let answer = self.items.get(item).is_some_and(|item| match item.stage {
                Stage::Pending(pending) => matches!(pending.awaiting, Awaiting::Answer { .. }),
                Stage::Waiting | Stage::Parked { .. } => false,
            });
            if answer {
                self.end_offer(item, false, now, out);
            }
        }
        self.relist_side(slot, now, out);
        self.touch_declined(&members);
    }

    /// Lists anew whatever waits for this agent by name.
    fn relist_side(&mut self, slot: Slot<AgentRow>, now: Timestamp, out: &mut Vec<Decision>) {
        let side: Vec<Slot<Item>> =
            self.agents.get(slot).map_or_else(Vec::new, |row| row.side.values().copied().collect());
        for item in side {
            self.relist(item, now, out);
        }
    }

    /// Lists anew whatever waits for agents by name: a new profile may have made one of them fit, or not.
    fn relist_named(&mut self, now: Timestamp, out: &mut Vec<Decision>) {
        let named: Vec<_> = self.named.iter().copied().collect();
        for item in named {
            self.relist(item, now, out);
        }
    }

    /// With one agent fewer, those who declined may be all that is left for an item.
    fn touch_declined(&mut self, members: &[Member]) {
        for member in members {
            if let Some(signature) = self.signatures.get(member.signature) {
                self.touched.items.extend(signature.declined.values());
            }
        }
    }

    /// Counts an available agent's coming or going in their groups.
    fn count_presence(&mut self, slot: Slot<AgentRow>, came: bool) {
        let Some(row) = self.agents.get(slot).filter(|row| row.available) else { return };
        for group in &row.groups {
            let Some(queue) = self.queues.get_mut(*group) else { continue };
            if came {
                queue.online += 1;
                queue.seats_in_play += row.capacity;
            } else {
                queue.online -= 1;
                queue.seats_in_play -= row.capacity;
            }
            for other in row.groups.iter().filter(|other| *other != group) {
                queue.share_with(*other, came);
            }
        }
        for group in &row.groups {
            self.queues.mark_changed(*group);
        }
    }
}
