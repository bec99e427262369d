//! Groups and rules change while people wait: everything is looked at anew, which is rare and costs O(n log n).

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::GroupId;
use crate::routing::decision::{Decision, RoutingError};
use crate::routing::estimate::Pace;
use crate::routing::group::Group;
use crate::routing::item::{Item, Lane};
use crate::routing::queue::Queue;
use crate::routing::score::{Rule, Rules};
use crate::routing::slab::Slot;

/// Most groups of a domain.
const MAX_GROUPS: usize = 1_024;

impl Engine {
    pub(super) fn group_upserted(
        &mut self,
        group: Group,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) -> Result<(), RoutingError> {
        group.check()?;
        match self.queues.find(&group.id) {
            Some(slot) => {
                if let Some(queue) = self.queues.get_mut(slot) {
                    queue.group = group;
                }
            }
            None if self.queues.rows.len() >= MAX_GROUPS => {
                return Err(RoutingError::Invalid { what: "groups", rule: "at most 1024" });
            }
            None => self.queues.insert(Queue::new(group, Pace::from(now))),
        }
        self.rebuild(now, out);
        Ok(())
    }

    pub(super) fn group_removed(
        &mut self,
        group: &GroupId,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) -> Result<(), RoutingError> {
        let slot = self.queues.find(group).ok_or_else(|| RoutingError::UnknownGroup(group.clone()))?;
        let waiting = self.queues.get(slot).map_or(0, |queue| queue.items);
        if waiting > 0 {
            return Err(RoutingError::GroupInUse { group: group.clone(), waiting });
        }
        self.queues.remove(group);
        for (_, agent) in self.agents.rows.iter_mut() {
            agent.forget_queue(slot);
            agent.profile.groups.retain(|known| known != group);
        }
        for (_, queue) in self.queues.rows.iter_mut() {
            queue.rivals.retain(|(rival, _)| *rival != slot);
        }
        self.rebuild(now, out);
        Ok(())
    }

    pub(super) fn rules_replaced(
        &mut self,
        list: Vec<Rule>,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) -> Result<(), RoutingError> {
        self.rules = Rules::new(list)?;
        self.rebuild(now, out);
        Ok(())
    }

    /// Scores, steps, signatures and lanes of everybody who waits, from what is configured now. Steps are counted
    /// from the enqueueing again, so that whoever waited through them does not wait through them twice.
    pub(super) fn rebuild(&mut self, now: Timestamp, out: &mut Vec<Decision>) {
        let mut waiting: Vec<_> = self.items.rows.iter().map(|(slot, item)| (item.place, slot)).collect();
        waiting.sort_unstable();
        let waiting: Vec<_> = waiting.into_iter().map(|(_, slot)| slot).collect();
        self.signatures.clear(&mut self.agents);
        self.forget_lanes(&waiting);
        for slot in waiting {
            self.rescore(slot);
            self.move_to_score(slot);
            let enqueued_at = self.items.get(slot).map_or(now, |item| item.place.enqueued_at);
            self.begin_steps(slot, enqueued_at);
            self.relist(slot, now, out);
        }
    }

    fn forget_lanes(&mut self, waiting: &[Slot<Item>]) {
        self.named.clear();
        for (_, agent) in self.agents.rows.iter_mut() {
            agent.side.clear();
        }
        for slot in waiting {
            if let Some(item) = self.items.get_mut(*slot) {
                item.lane = Lane::Unlisted;
                item.in_lane = false;
            }
        }
    }
}
