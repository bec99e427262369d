//! Bringing conversations and agents together, so that no eligible pair is left (RT-5) and order holds (RT-3).
//!
//! Before an input no free agent can serve any waiting item. So a single freed agent only has to look at the first
//! item of each signature they serve, and a single new item only at the first free agent of its signature. Where
//! an input touches more, the first in order is placed, again and again. Refuses to look at the whole queue.

use super::Engine;
use crate::clock::Timestamp;
use crate::routing::capacity::{AgentRow, Turn};
use crate::routing::decision::{Chosen, Decision, Match, Reason};
use crate::routing::group::Accept;
use crate::routing::item::{Awaiting, Item, Lane, Pending, Stage};
use crate::routing::queue::Place;
use crate::routing::signature::Signature;
use crate::routing::slab::Slot;

/// An agent for an item, and how they were found.
struct Pick {
    agent: Slot<AgentRow>,
    chosen: Chosen,
    free_agents: u32,
}

impl Engine {
    /// Restores the invariant after an input.
    pub(super) fn settle(&mut self, now: Timestamp, out: &mut Vec<Decision>) {
        match (self.touched.agents.len(), self.touched.items.len()) {
            (0, 0) => {}
            (1, 0) => {
                if let Some(agent) = self.touched.agents.pop() {
                    self.fill(agent, now, out);
                }
            }
            (0, 1) => {
                if let Some(item) = self.touched.items.pop()
                    && !self.place_item(item, now, out)
                {
                    self.queue_up(item);
                }
            }
            _ => self.settle_many(now, out),
        }
    }

    fn settle_many(&mut self, now: Timestamp, out: &mut Vec<Decision>) {
        let mut agents = std::mem::take(&mut self.touched.agents);
        agents.sort_unstable();
        agents.dedup();
        for agent in &agents {
            self.reindex(*agent);
        }
        let mut items: Vec<(Place, Slot<Item>)> = std::mem::take(&mut self.touched.items)
            .into_iter()
            .filter_map(|slot| Some((self.items.get(slot)?.place, slot)))
            .collect();
        items.sort_unstable_by(|a, b| b.cmp(a));
        items.dedup();
        for (_, item) in &items {
            self.stand_in_lane(*item);
        }
        let touched: Vec<_> = items.iter().map(|(_, item)| *item).collect();
        self.place_in_order(agents, items, now, out);
        for item in touched {
            if self.items.get(item).is_some_and(Item::is_matchable) {
                self.queue_up(item);
            }
        }
    }

    /// Places the first in order of these items and of what these agents could get, until nothing more is found.
    /// The items are sorted, the first in order last.
    fn place_in_order(
        &mut self,
        mut agents: Vec<Slot<AgentRow>>,
        mut items: Vec<(Place, Slot<Item>)>,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        loop {
            let first_item = items.last().copied();
            let mut first = first_item;
            agents.retain(|agent| {
                let best = self.best_item(*agent);
                first = [first, best].into_iter().flatten().min();
                best.is_some()
            });
            let Some((_, slot)) = first else { return };
            let placed = self.place_item(slot, now, out);
            if first == first_item {
                items.pop();
            } else if !placed {
                // An agent's best item always finds somebody, at the least that agent.
                agents.clear();
            }
        }
    }

    /// Gives a freed agent what waits for them, first in order first, until the seats are taken.
    fn fill(&mut self, agent: Slot<AgentRow>, now: Timestamp, out: &mut Vec<Decision>) {
        while let Some((_, item)) = self.best_item(agent) {
            let pick = Pick { agent, chosen: Chosen::FirstInOrder, free_agents: 1 };
            self.hold(item, &pick, now, out);
        }
        self.reindex(agent);
    }

    /// The first in order whom the agent can serve now.
    fn best_item(&self, slot: Slot<AgentRow>) -> Option<(Place, Slot<Item>)> {
        let agent = self.agents.get(slot)?;
        let free = agent.standing()?.free;
        let listed = agent.members.iter().filter_map(|member| {
            let signature = self.signatures.get(member.signature)?;
            if signature.key.seats > free {
                return None;
            }
            if signature.declined.is_empty() {
                return signature.waiting.first();
            }
            let open = |item| !self.is_barred(item, signature, agent);
            signature.waiting.find(&self.signatures.item_stamps, open)
        });
        let listed = listed.map(|entry| (&entry.place, &entry.item));
        let fits = |item: &Slot<Item>| self.items.get(*item).is_some_and(|item| item.seats <= free);
        let named = agent.side.iter().find(|(_, item)| fits(item));
        listed.chain(named).min().map(|(place, item)| (*place, *item))
    }

    /// Whether the agent declined the item while others can serve it.
    fn is_barred(&self, item: Slot<Item>, signature: &Signature, agent: &AgentRow) -> bool {
        self.items
            .get(item)
            .is_some_and(|item| item.arrival.declined.contains(&agent.id) && self.others_can(item, signature))
    }

    /// Whether some available member of the signature has not declined the item.
    fn others_can(&self, item: &Item, signature: &Signature) -> bool {
        let Lane::Signature(slot) = item.lane else { return false };
        let declined_there = item
            .arrival
            .declined
            .iter()
            .filter_map(|agent| self.agents.get(self.agents.find(agent)?))
            .filter(|agent| agent.available && agent.level_in(slot).is_some())
            .count();
        signature.available as usize > declined_there
    }

    /// Gives a listed item to the best agent who is free for it; says whether there was one.
    fn place_item(&mut self, slot: Slot<Item>, now: Timestamp, out: &mut Vec<Decision>) -> bool {
        if let Some(Lane::Signature(signature)) = self.items.get(slot).map(|item| &item.lane) {
            self.signatures.clear_front(*signature);
        }
        let Some(pick) = self.pick_for(slot) else { return false };
        self.hold(slot, &pick, now, out);
        self.reindex(pick.agent);
        true
    }

    fn pick_for(&self, slot: Slot<Item>) -> Option<Pick> {
        let item = self.items.get(slot)?;
        match &item.lane {
            Lane::Unlisted => None,
            Lane::Signature(signature) => self.pick_of_signature(item, *signature),
            Lane::Named(agents) => self.pick_of_named(item, agents),
        }
    }

    fn pick_of_signature(&self, item: &Item, slot: Slot<Signature>) -> Option<Pick> {
        let signature = self.signatures.get(slot)?;
        let free_agents = u32::try_from(signature.free.len()).unwrap_or(u32::MAX);
        let is_member = |agent| self.agents.get(agent).is_some_and(|row| row.level_in(slot).is_some());
        if let Some(agent) = self.wanted_and_free(item).filter(|agent| is_member(*agent)) {
            return Some(Pick { agent, chosen: Chosen::Wanted, free_agents });
        }
        let bar = item.was_declined && self.others_can(item, signature);
        let declined = |agent: Slot<AgentRow>| {
            self.agents.get(agent).is_some_and(|row| item.arrival.declined.contains(&row.id))
        };
        let first = if bar {
            signature.free.find(&self.signatures.agent_stamps, |agent| !declined(agent))?
        } else {
            signature.free.first()?
        };
        let policy = self.queues.get(item.queue)?.group.policy;
        Some(Pick { agent: first.slot, chosen: Chosen::Policy(policy), free_agents })
    }

    fn pick_of_named(&self, item: &Item, agents: &[Slot<AgentRow>]) -> Option<Pick> {
        let policy = self.queues.get(item.queue)?.group.policy;
        let needs = self.step_view(item).needs;
        let keys = agents.iter().filter_map(|agent| {
            let row = self.agents.get(*agent)?;
            let standing = row.standing().filter(|standing| standing.free >= item.seats)?;
            Some(standing.key(policy, needs.level_of(&row.profile), (row.id, *agent), 0))
        });
        let free_agents = u32::try_from(keys.clone().count()).unwrap_or(u32::MAX);
        if let Some(agent) = self.wanted_and_free(item).filter(|agent| agents.contains(agent)) {
            return Some(Pick { agent, chosen: Chosen::Wanted, free_agents });
        }
        keys.min().map(|key| Pick { agent: key.slot, chosen: Chosen::Named, free_agents })
    }

    /// The agent of before, where they have seats for the item and did not decline it.
    fn wanted_and_free(&self, item: &Item) -> Option<Slot<AgentRow>> {
        let wanted = item.arrival.wanted?.agent;
        let slot = self.agents.find(&wanted)?;
        let standing = self.agents.get(slot)?.standing()?;
        (standing.free >= item.seats && !item.arrival.declined.contains(&wanted)).then_some(slot)
    }

    /// Takes the agent's seats for the item and says so. The caller brings the agent's index up to date.
    fn hold(&mut self, slot: Slot<Item>, pick: &Pick, now: Timestamp, out: &mut Vec<Decision>) {
        self.unlist(slot);
        let number = self.await_outcome(slot, now);
        let Some(item) = self.items.get_mut(slot) else { return };
        let Some(agent) = self.agents.get_mut(pick.agent) else { return };
        let Some(queue) = self.queues.get(item.queue) else { return };
        agent.turn = Turn { idle_since: now, number };
        agent.pending_seats += item.seats;
        agent.pending.push(slot);
        let decided = Match {
            conversation: item.id(),
            agent: agent.id,
            group: queue.group.id.clone(),
            seats: item.seats,
            assign_seq: item.assign_seq,
            reason: Reason {
                chosen: pick.chosen,
                free_agents: pick.free_agents,
                head_start_ms: item.head_start_ms,
                waited_ms: item.waited_ms(now),
            },
        };
        let (awaiting, decision) = match queue.group.accept {
            Accept::Auto => {
                self.counters.assigned += 1;
                (Awaiting::Assignment, Decision::Assign(decided))
            }
            Accept::Manual => {
                self.counters.offered += 1;
                let expires_at = now.plus_secs(queue.group.offer_s);
                (Awaiting::Offer { expires_at }, Decision::Offer { offer: decided, expires_at })
            }
        };
        let offered = matches!(awaiting, Awaiting::Offer { .. });
        let pending = Pending { agent: pick.agent, awaiting, number };
        item.stage = Stage::Pending(pending);
        out.push(decision);
        if offered {
            self.enter_order(slot);
        }
        self.reschedule(slot);
    }

    /// Undoes a decision: the seats are free again and the item waits, unlisted, at its place.
    pub(super) fn give_back(&mut self, slot: Slot<Item>) {
        let Some(item) = self.items.get_mut(slot) else { return };
        let Stage::Pending(pending) = item.stage else { return };
        item.stage = Stage::Waiting;
        if let Some(agent) = self.agents.get_mut(pending.agent) {
            agent.forget_pending(slot, item.seats);
            self.touched.agents.push(pending.agent);
        }
    }

    /// Brings an agent's standing in the lists of the free up to date.
    pub(super) fn reindex(&mut self, slot: Slot<AgentRow>) {
        if let Some(agent) = self.agents.get_mut(slot) {
            self.signatures.reindex(slot, agent);
        }
    }
}
