//! Questions about the queues: rank, expected wait, listings. Nothing changes by asking.

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::{AgentId, ConversationId, GroupId};
use crate::routing::estimate::Eta;
use crate::routing::item::{Item, Stage};
use crate::routing::queue::Queue;
use crate::routing::slab::Slot;

/// Where a conversation stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// 1 for the first. Counts everybody before it in its group and in groups that share an available agent with
    /// its group, offered ones included; suspended ones and those assigned the moment they arrived not.
    pub rank: usize,
    /// How many wait there in all.
    pub waiting: usize,
    /// `None` while nobody is there to serve.
    pub eta: Option<Eta>,
}

/// One group at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLoad {
    pub group: GroupId,
    /// Conversations that wait, without the suspended ones.
    pub waiting: usize,
    pub suspended: usize,
    /// The longest total wait, in milliseconds; 0 where nobody waits.
    pub oldest_waited_ms: u64,
    /// Available agents.
    pub agents_online: u32,
    /// Seats of those agents, and how many of them are free.
    pub seats: u32,
    pub free_seats: u32,
    /// See `Engine::generation`.
    pub generation: u64,
}

/// One conversation in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    pub conversation: ConversationId,
    pub standing: Standing,
    /// Over all queueings.
    pub waited_ms: u64,
    pub head_start_ms: u64,
    /// The agent whose seats it holds while an offer or an assignment is under way.
    pub held_by: Option<AgentId>,
}

impl Engine {
    /// The exact rank, 1 for the first; `None` where it does not wait. O(log n).
    pub fn rank(&self, conversation: &ConversationId) -> Option<usize> {
        let item = self.items.get(self.items.find(conversation)?)?;
        Some(self.queues.ahead(item.queue, &item.place) + 1)
    }

    /// Rank, length and expected wait; `None` where it does not wait.
    pub fn estimate(&self, conversation: &ConversationId, now: Timestamp) -> Option<Standing> {
        self.standing(self.items.get(self.items.find(conversation)?)?, now)
    }

    fn standing(&self, item: &Item, now: Timestamp) -> Option<Standing> {
        let queue = self.queues.get(item.queue)?;
        let own_ahead = queue.order.before(&item.place);
        let rank =
            if queue.rivals.is_empty() { own_ahead } else { self.queues.ahead(item.queue, &item.place) } + 1;
        let eta = queue.pace.eta(now, own_ahead, queue.seats_in_play, self.settings.handle_s);
        // A suspended one stands beside the order, where its rank may lie past the end.
        let waiting = self.queues.waiting(item.queue).max(rank);
        Some(Standing { rank, waiting, eta })
    }

    /// Rises whenever the rank of somebody in `group` may have changed; a caller that saw the same number has
    /// nothing to push. `None` where the group is not known.
    pub fn generation(&self, group: &GroupId) -> Option<u64> {
        self.queues.find(group).map(|slot| self.queues.generation(slot))
    }

    /// Every group in the order of its name. Costs a pass over items and agents.
    pub fn groups(&self, now: Timestamp) -> Vec<GroupLoad> {
        self.queues.by_name().into_iter().map(|(slot, queue)| self.group_load(slot, queue, now)).collect()
    }

    fn group_load(&self, slot: Slot<Queue>, queue: &Queue, now: Timestamp) -> GroupLoad {
        let waiting = self.items.rows.iter().map(|(_, item)| item);
        let waiting = waiting.filter(|item| item.queue == slot && !item.suspended);
        let suspended = self.items.rows.iter().map(|(_, item)| item);
        let agents = self.agents.rows.iter().map(|(_, agent)| agent);
        let agents = agents.filter(|agent| agent.available && agent.groups.contains(&slot));
        GroupLoad {
            group: queue.group.id.clone(),
            waiting: queue.order.len(),
            suspended: suspended.filter(|item| item.queue == slot && item.suspended).count(),
            oldest_waited_ms: waiting.map(|item| item.waited_ms(now)).max().unwrap_or(0),
            agents_online: queue.online,
            seats: queue.seats_in_play,
            free_seats: agents.map(|agent| agent.free_seats()).sum(),
            generation: self.queues.generation(slot),
        }
    }

    /// Up to `limit` of those who wait in `group`, in order, after the first `skip`; `None` where the group is not
    /// known.
    pub fn queue_page(
        &self,
        group: &GroupId,
        skip: usize,
        limit: usize,
        now: Timestamp,
    ) -> Option<Vec<QueueRow>> {
        let queue = self.queues.get(self.queues.find(group)?)?;
        let page = queue.order.page(skip, limit);
        Some(page.iter().filter_map(|place| self.row(&place.conversation, now)).collect())
    }

    fn row(&self, conversation: &ConversationId, now: Timestamp) -> Option<QueueRow> {
        let item = self.items.get(self.items.find(conversation)?)?;
        Some(QueueRow {
            conversation: *conversation,
            standing: self.standing(item, now)?,
            waited_ms: item.waited_ms(now),
            head_start_ms: item.head_start_ms,
            held_by: self.holder(item),
        })
    }

    /// The agent whose seats the item holds.
    pub(super) fn holder(&self, item: &Item) -> Option<AgentId> {
        match item.stage {
            Stage::Pending(pending) => self.agents.get(pending.agent).map(|row| row.id),
            Stage::Waiting | Stage::Parked { .. } => None,
        }
    }
}
