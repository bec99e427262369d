//! What became of decisions, and what the store says about seats.

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::{AgentId, ConversationId, GroupId};
use crate::routing::capacity::Hold;
use crate::routing::decision::Decision;
use crate::routing::input::{OfferEnd, Refusal};
use crate::routing::item::{Awaiting, Item, Pending, Stage};
use crate::routing::slab::Slot;

impl Engine {
    /// An assignment was committed, or an offer is open.
    pub(super) fn confirmed(&mut self, conversation: ConversationId, agent: AgentId, now: Timestamp) {
        let Some((slot, pending)) = self.pending_on(conversation, agent) else {
            self.counters.late += 1;
            return;
        };
        match pending.awaiting {
            Awaiting::Offer { expires_at } => {
                if let Some(item) = self.items.get_mut(slot) {
                    item.stage =
                        Stage::Pending(Pending { awaiting: Awaiting::Answer { expires_at }, ..pending });
                }
                self.reschedule(slot);
            }
            Awaiting::Assignment => self.served(slot, pending, now),
            Awaiting::Answer { .. } | Awaiting::OfferEnd { .. } => self.counters.late += 1,
        }
    }

    /// The pending seats become held ones: the agent's load and standing stay as they are.
    fn served(&mut self, slot: Slot<Item>, pending: Pending, now: Timestamp) {
        let Some(item) = self.drop_item(slot) else { return };
        self.count_promise(&item, now);
        if let Some(agent) = self.agents.get_mut(pending.agent) {
            agent.forget_pending(slot, item.seats);
            agent.missed_offers = 0;
            agent.hold(Hold { conversation: item.id(), seats: item.seats, queue: Some(item.queue) });
        }
    }

    fn count_promise(&mut self, item: &Item, now: Timestamp) {
        match item.promised_by {
            Some(by) if now <= by => self.counters.promises_kept += 1,
            Some(_) => self.counters.promises_broken += 1,
            None => {}
        }
    }

    fn pending_on(&self, conversation: ConversationId, agent: AgentId) -> Option<(Slot<Item>, Pending)> {
        let slot = self.items.find(&conversation)?;
        let Stage::Pending(pending) = self.items.get(slot)?.stage else { return None };
        self.agents.get(pending.agent).is_some_and(|row| row.id == agent).then_some((slot, pending))
    }

    pub(super) fn refused(
        &mut self,
        conversation: ConversationId,
        agent: AgentId,
        reason: Refusal,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        let Some((slot, _)) = self.pending_on(conversation, agent) else {
            self.counters.late += 1;
            return;
        };
        self.counters.refused += 1;
        self.give_back(slot);
        match reason {
            Refusal::AgentAway | Refusal::AtCapacity => {
                if let Some((_, row)) = self.agent_mut(agent) {
                    row.stale = true;
                }
                self.relist(slot, now, out);
            }
            Refusal::Stale | Refusal::Unavailable => {
                let number = self.await_outcome(slot, now);
                if let Some(item) = self.items.get_mut(slot) {
                    item.stage = Stage::Parked { number };
                }
                self.enter_order(slot);
                self.reschedule(slot);
            }
        }
    }

    pub(super) fn offer_ended(
        &mut self,
        conversation: ConversationId,
        agent: AgentId,
        how: OfferEnd,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        match self.pending_on(conversation, agent) {
            Some((slot, _)) => self.close_offer(slot, how, now, out),
            None => self.counters.late += 1,
        }
    }

    /// The item goes back to its place; the agent is asked again for it only if nobody else can.
    pub(super) fn close_offer(
        &mut self,
        slot: Slot<Item>,
        how: OfferEnd,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        let Some(Stage::Pending(pending)) = self.items.get(slot).map(|item| item.stage) else { return };
        self.give_back(slot);
        let most = self.settings.missed_offers;
        let Some(agent) = self.agents.get_mut(pending.agent) else { return };
        match how {
            OfferEnd::Declined => {
                self.counters.declined += 1;
                agent.missed_offers = 0;
            }
            OfferEnd::Expired => {
                self.counters.missed += 1;
                agent.missed_offers += 1;
            }
            OfferEnd::Withdrawn => {}
        }
        let (id, missed_offers) = (agent.id, agent.missed_offers);
        let set_away = how == OfferEnd::Expired && agent.available && missed_offers >= most;
        if how != OfferEnd::Withdrawn
            && let Some(item) = self.items.get_mut(slot)
        {
            item.decline(id);
        }
        if set_away {
            out.push(Decision::SetAway { agent: id, missed_offers });
            self.agent_available(pending.agent, false, now, out);
        }
        self.relist(slot, now, out);
    }

    /// The store's word on a seat: whoever waited under that conversation waits no longer.
    pub(super) fn held(
        &mut self,
        agent: AgentId,
        conversation: ConversationId,
        seats: u32,
        group: &GroupId,
        now: Timestamp,
    ) {
        if let Some((slot, pending)) = self.pending_on(conversation, agent) {
            self.served(slot, pending, now);
        } else if let Some(item) = self.items.find(&conversation).and_then(|slot| self.remove(slot)) {
            self.count_promise(&item, now);
        }
        let queue = self.queues.find(group);
        let Some((slot, row)) = self.agent_mut(agent) else {
            self.counters.late += 1;
            return;
        };
        row.stale = false;
        if row.hold(Hold { conversation, seats, queue }) {
            row.turn.idle_since = now;
        }
        self.touched.agents.push(slot);
    }

    pub(super) fn freed(&mut self, agent: AgentId, conversation: ConversationId, now: Timestamp) {
        let Some((slot, row)) = self.agent_mut(agent) else {
            self.counters.late += 1;
            return;
        };
        row.stale = false;
        let hold = row.free(conversation);
        if hold.is_some() {
            row.turn.idle_since = now;
        }
        self.touched.agents.push(slot);
        match hold {
            Some(hold) => {
                if let Some(queue) = hold.queue.and_then(|queue| self.queues.get_mut(queue)) {
                    queue.pace.record(now);
                }
            }
            None => self.counters.late += 1,
        }
    }
}
