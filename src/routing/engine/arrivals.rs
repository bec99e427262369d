//! Conversations come, change, pause and go.

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::{AgentId, ConversationId};
use crate::routing::capacity::AgentRow;
use crate::routing::decision::{Decision, RoutingError};
use crate::routing::input::{Arrival, Facts};
use crate::routing::item::{Awaiting, Item, Pending, Stage};
use crate::routing::score::{GroupFact, Score};
use crate::routing::slab::Slot;

impl Engine {
    pub(super) fn arrived(
        &mut self,
        arrival: Box<Arrival>,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) -> Result<(), RoutingError> {
        if !(1..=Arrival::MAX_SEATS).contains(&arrival.seats) {
            return Err(RoutingError::Invalid { what: "seats", rule: "1 to 16" });
        }
        let Some(queue) = self.queues.find(&arrival.group) else {
            return Err(RoutingError::UnknownGroup(arrival.group.clone()));
        };
        if let Some(known) = self.items.find(&arrival.conversation) {
            self.remove(known);
        }
        let (offered, from) = (arrival.offered, arrival.enqueued_at);
        let slot = self.items.insert(Item::new(arrival, queue));
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.items += 1;
        }
        self.rescore(slot);
        let Some(item) = self.items.get_mut(slot) else { return Ok(()) };
        item.place = item.place_by_score();
        self.begin_steps(slot, from);
        let offered_to = offered.and_then(|offer| Some((self.agents.find(&offer.agent)?, offer.expires_at)));
        match offered_to {
            Some((agent, expires_at)) => self.resume_offer(slot, agent, expires_at),
            None => self.relist(slot, now, out),
        }
        Ok(())
    }

    /// An offer that is out already: its seats are held, its end is awaited.
    fn resume_offer(&mut self, slot: Slot<Item>, agent: Slot<AgentRow>, expires_at: Timestamp) {
        let number = self.next_number();
        let Some(item) = self.items.get_mut(slot) else { return };
        let Some(row) = self.agents.get_mut(agent) else { return };
        row.pending.push(slot);
        row.pending_seats += item.seats;
        item.stage = Stage::Pending(Pending { agent, awaiting: Awaiting::Answer { expires_at }, number });
        self.reindex(agent);
        self.enter_order(slot);
        self.reschedule(slot);
    }

    pub(super) fn facts_changed(
        &mut self,
        conversation: ConversationId,
        facts: Box<Facts>,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        let Some(slot) = self.items.find(&conversation) else {
            self.counters.late += 1;
            return;
        };
        self.unlist(slot);
        if let Some(item) = self.items.get_mut(slot) {
            item.arrival.facts = facts;
        }
        let before = self.items.get(slot).and_then(|item| item.deciding);
        self.rescore(slot);
        self.move_to_score(slot);
        if self.items.get(slot).and_then(|item| item.deciding) != before {
            self.begin_steps(slot, now);
        }
        self.relist(slot, now, out);
    }

    /// Head start and deciding rule from the item's facts, with the bump it already got.
    pub(super) fn rescore(&mut self, slot: Slot<Item>) {
        let Some(item) = self.items.get_mut(slot) else { return };
        let Some(queue) = self.queues.get(item.queue) else { return };
        let fact = GroupFact { group: &queue.group.id, trusted: true };
        let limits = self.settings.score_limits();
        let Score { head_start_ms, strict, deciding } =
            self.rules.score(&item.arrival.facts, Some(fact), limits);
        let bump_ms = queue.group.bump.filter(|_| item.bumped).map_or(0, |bump| bump.head_start_s * 1_000);
        item.head_start_ms = (head_start_ms + bump_ms).min(limits.max_head_start_s.saturating_mul(1_000));
        item.strict = strict;
        // Steps made for another group do not bind here, after a transfer or an overflow.
        let named = deciding.and_then(|rule| self.rules.get(rule)).and_then(|rule| rule.group.as_ref());
        item.deciding = deciding.filter(|_| named.is_none_or(|named| *named == queue.group.id));
    }

    pub(super) fn left(&mut self, conversation: ConversationId) {
        match self.items.find(&conversation) {
            Some(slot) => drop(self.remove(slot)),
            None => self.counters.late += 1,
        }
    }

    /// Takes an item out of everything; an agent whose seats it held is free for others.
    pub(super) fn remove(&mut self, slot: Slot<Item>) -> Option<Item> {
        self.give_back(slot);
        self.drop_item(slot)
    }

    /// Takes out an item that holds nobody's seats.
    pub(super) fn drop_item(&mut self, slot: Slot<Item>) -> Option<Item> {
        self.unlist(slot);
        self.leave_order(slot);
        let item = self.items.remove(slot)?;
        if let Some(deadline) = item.deadline {
            self.deadlines.remove(&(deadline, slot));
        }
        if let Some(queue) = self.queues.get_mut(item.queue) {
            queue.items -= 1;
        }
        Some(item)
    }

    pub(super) fn suspended(&mut self, conversation: ConversationId) {
        let Some(slot) = self.items.find(&conversation) else {
            self.counters.late += 1;
            return;
        };
        self.unlist(slot);
        self.leave_order(slot);
        if let Some(item) = self.items.get_mut(slot) {
            item.suspended = true;
        }
        self.reschedule(slot);
    }

    pub(super) fn resumed(&mut self, conversation: ConversationId, now: Timestamp, out: &mut Vec<Decision>) {
        let Some(slot) = self.items.find(&conversation) else {
            self.counters.late += 1;
            return;
        };
        if let Some(item) = self.items.get_mut(slot) {
            item.suspended = false;
            if item.stage != Stage::Waiting {
                self.enter_order(slot);
            }
        }
        self.relist(slot, now, out);
    }

    pub(super) fn promised(&mut self, conversation: ConversationId, served_by: Timestamp) {
        match self.items.find(&conversation).and_then(|slot| self.items.get_mut(slot)) {
            Some(item) => item.promised_by = Some(served_by),
            None => self.counters.late += 1,
        }
    }

    /// The agent row of that id, and its slot.
    pub(super) fn agent_mut(&mut self, agent: AgentId) -> Option<(Slot<AgentRow>, &mut AgentRow)> {
        let slot = self.agents.find(&agent)?;
        Some((slot, self.agents.get_mut(slot)?))
    }
}
