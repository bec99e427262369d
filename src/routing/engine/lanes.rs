//! Where a waiting item is found: its step, the signature or the side lists of that step, and its deadlines.
//!
//! Refuses to match; it only makes items findable.

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::AgentId;
use crate::routing::capacity::AgentRow;
use crate::routing::decision::Decision;
use crate::routing::item::{Item, Lane, StepAt};
use crate::routing::queue::Queue;
use crate::routing::signature::{Signature, SignatureKey};
use crate::routing::slab::Slot;
use crate::routing::steps::Needs;

/// What the present step asks.
pub(super) struct StepView<'a> {
    pub(super) needs: &'a Needs,
    /// The number of the expression among the rules'.
    pub(super) number: usize,
    /// None: whoever meets the needs.
    pub(super) agents: &'a [AgentId],
    pub(super) any_group: bool,
}

impl StepView<'_> {
    /// Whether the step may go to `agent`, as far as groups and needs are concerned.
    pub(super) fn takes(&self, agent: &AgentRow, queue: Slot<Queue>) -> bool {
        (self.any_group || agent.groups.contains(&queue)) && self.needs.met_by(&agent.profile)
    }
}

impl Engine {
    /// Finds the lane of a matchable item that is not listed, after what is due by now has happened. It stands
    /// there as soon as it is clear that nobody is free for it (`queue_up`).
    pub(super) fn enlist(&mut self, slot: Slot<Item>, now: Timestamp, out: &mut Vec<Decision>) {
        self.bump_if_due(slot, now);
        self.overflow_if_due(slot, now, out);
        self.steps_until(slot, now);
        let lane = loop {
            match self.lane(slot) {
                Some(Lane::Unlisted) => self.next_step(slot, now),
                Some(lane) => break lane,
                None => return,
            }
        };
        if let Some(item) = self.items.get_mut(slot) {
            item.lane = lane;
        }
    }

    /// Takes an item out of its lane.
    pub(super) fn unlist(&mut self, slot: Slot<Item>) {
        let Some(item) = self.items.get_mut(slot) else { return };
        if item.lane == Lane::Unlisted {
            return;
        }
        let place = item.place;
        let lane = std::mem::replace(&mut item.lane, Lane::Unlisted);
        if !std::mem::replace(&mut item.in_lane, false) {
            return;
        }
        match lane {
            Lane::Unlisted => {}
            Lane::Signature(signature) => {
                self.signatures.leave(signature, slot, &place, item.was_declined);
            }
            Lane::Named(agents) => {
                self.named.remove(&slot);
                for agent in &agents {
                    if let Some(agent) = self.agents.get_mut(*agent) {
                        agent.side.remove(&place);
                    }
                }
            }
        }
    }

    /// Nobody is free for it: it waits where agents find it, and counts in the ranks.
    pub(super) fn queue_up(&mut self, slot: Slot<Item>) {
        self.stand_in_lane(slot);
        self.enter_order(slot);
        self.reschedule(slot);
    }

    /// Puts an item into its lane, where it is not there yet.
    pub(super) fn stand_in_lane(&mut self, slot: Slot<Item>) {
        let Some(item) = self.items.get_mut(slot) else { return };
        if item.in_lane {
            return;
        }
        item.in_lane = item.lane != Lane::Unlisted;
        match &item.lane {
            Lane::Unlisted => {}
            Lane::Signature(signature) => self.signatures.stand(*signature, slot, item),
            Lane::Named(agents) => {
                self.named.insert(slot);
                for agent in agents {
                    if let Some(agent) = self.agents.get_mut(*agent) {
                        agent.side.insert(item.place, slot);
                    }
                }
            }
        }
    }

    /// From now on it counts in the ranks.
    pub(super) fn enter_order(&mut self, slot: Slot<Item>) {
        if let Some(item) = self.items.get_mut(slot)
            && !item.suspended
            && !std::mem::replace(&mut item.in_order, true)
        {
            self.queues.enter(item.queue, item.place);
        }
    }

    /// From now on it counts no longer.
    pub(super) fn leave_order(&mut self, slot: Slot<Item>) {
        if let Some(item) = self.items.get_mut(slot)
            && std::mem::replace(&mut item.in_order, false)
        {
            self.queues.leave(item.queue, &item.place);
        }
    }

    /// The lane of the present step; unlisted where the step names agents of whom none is there, `None` where the
    /// item is gone.
    fn lane(&mut self, slot: Slot<Item>) -> Option<Lane> {
        let item = self.items.get(slot)?;
        let step = self.step_view(item);
        if step.agents.is_empty() {
            let queue = item.queue;
            let key = SignatureKey { queue: queue.index(), needs: step.number, seats: item.seats };
            return self.signature(key, queue).map(Lane::Signature);
        }
        let named: Box<[_]> = step
            .agents
            .iter()
            .filter(|agent| !item.arrival.declined.contains(agent))
            .filter_map(|agent| self.agents.find(agent))
            .filter(|agent| self.agents.get(*agent).is_some_and(|row| step.takes(row, item.queue)))
            .collect();
        let somebody_there =
            named.iter().any(|agent| self.agents.get(*agent).is_some_and(|row| row.available));
        Some(if somebody_there { Lane::Named(named) } else { Lane::Unlisted })
    }

    pub(super) fn step_view<'a>(&'a self, item: &'a Item) -> StepView<'a> {
        static ANYONE: Needs = Needs::Anyone;
        let open = StepView { needs: &ANYONE, number: 0, agents: &[], any_group: false };
        match item.step {
            StepAt::Open => open,
            StepAt::Rule(number) => {
                let step = item.deciding.and_then(|rule| self.rules.step(rule, number));
                step.map_or(open, |(step, needs)| StepView {
                    needs: &step.needs,
                    number: needs,
                    agents: &step.agents,
                    any_group: step.needs.names_groups(),
                })
            }
            StepAt::Wanted => item.arrival.wanted.as_ref().map_or(open, |wanted| StepView {
                needs: &ANYONE,
                number: 0,
                agents: std::slice::from_ref(&wanted.agent),
                any_group: wanted.any_group,
            }),
        }
    }

    /// The signature of that key, made where it is new; the group's plain one where there is room for no more.
    fn signature(&mut self, key: SignatureKey, queue: Slot<Queue>) -> Option<Slot<Signature>> {
        if let Some(known) = self.signatures.find(&key) {
            return Some(known);
        }
        let policy = self.queues.get(queue)?.group.policy;
        if key.needs != 0 && self.signatures.is_full() {
            self.signatures.drop_unused(&mut self.agents);
        }
        if key.needs != 0 && self.signatures.is_full() {
            self.counters.needs_given_up += 1;
            return self.signature(SignatureKey { needs: 0, ..key }, queue);
        }
        let needs = self.rules.needs(key.needs).clone();
        Some(self.signatures.add(key, queue, needs, policy, &mut self.agents))
    }
}
