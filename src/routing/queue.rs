//! The order in which conversations wait, and the live side of a group.
//!
//! Priority is time: a place is a moment, so it never changes by itself and nothing is ever re-sorted. Refuses to
//! know agents; who can serve whom is `signature.rs`.

use super::estimate::Pace;
use super::group::Group;
use super::ranked::Ranked;
use super::slab::{Slab, Slot};
use crate::clock::Timestamp;
use crate::ident::{ConversationId, GroupId};
use hashbrown::HashMap;

/// By how much a strict class is set before everybody else: longer than any wait.
const STRICT_LEAD_MS: i64 = 1 << 50;

/// A conversation's place: smaller is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// `enqueued_at − waited_before − head_start`, in milliseconds since 1970; may lie before.
    pub(super) virtual_start_ms: i64,
    pub(super) enqueued_at: Timestamp,
    pub(super) conversation: ConversationId,
}

impl Place {
    pub(super) fn new(
        conversation: ConversationId,
        enqueued_at: Timestamp,
        waited_before_ms: u64,
        head_start_ms: u64,
        strict: bool,
    ) -> Self {
        let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
        let start = signed(enqueued_at.millis())
            .saturating_sub(signed(waited_before_ms))
            .saturating_sub(signed(head_start_ms))
            .saturating_sub(if strict { STRICT_LEAD_MS } else { 0 });
        Self { virtual_start_ms: start, enqueued_at, conversation }
    }
}

/// A group with those who wait in it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) group: Group,
    /// Everybody who waits and is not suspended.
    pub(super) order: Ranked,
    /// Everybody who waits.
    pub(super) items: usize,
    /// Other groups with which at least one available agent is shared, and how many.
    pub(super) rivals: Vec<(Slot<Queue>, u32)>,
    /// When the order, or who competes, last changed, in changes of the whole engine.
    pub(super) changed: u64,
    /// Available agents.
    pub(super) online: u32,
    /// Their seats, free or not.
    pub(super) seats_in_play: u32,
    pub(super) pace: Pace,
}

impl Queue {
    pub(super) fn new(group: Group, pace: Pace) -> Self {
        Self {
            group,
            order: Ranked::default(),
            items: 0,
            rivals: Vec::new(),
            changed: 0,
            online: 0,
            seats_in_play: 0,
            pace,
        }
    }

    /// One available agent more (or fewer) serves both this group and `other`.
    pub(super) fn share_with(&mut self, other: Slot<Self>, more: bool) {
        match self.rivals.binary_search_by_key(&other, |(rival, _)| *rival) {
            Ok(at) => {
                if let Some((_, agents)) = self.rivals.get_mut(at) {
                    *agents = if more { *agents + 1 } else { agents.saturating_sub(1) };
                    if *agents == 0 {
                        self.rivals.remove(at);
                    }
                }
            }
            Err(at) if more => self.rivals.insert(at, (other, 1)),
            Err(_) => {}
        }
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Queues {
    pub(super) rows: Slab<Queue>,
    by_id: HashMap<GroupId, Slot<Queue>>,
    changes: u64,
}

impl Queues {
    pub(super) fn find(&self, id: &GroupId) -> Option<Slot<Queue>> {
        self.by_id.get(id).copied()
    }

    pub(super) fn get(&self, slot: Slot<Queue>) -> Option<&Queue> {
        self.rows.get(slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot<Queue>) -> Option<&mut Queue> {
        self.rows.get_mut(slot)
    }

    pub(super) fn insert(&mut self, queue: Queue) {
        let id = queue.group.id.clone();
        let slot = self.rows.insert(queue);
        self.by_id.insert(id, slot);
    }

    pub(super) fn remove(&mut self, id: &GroupId) -> Option<Slot<Queue>> {
        let slot = self.by_id.remove(id)?;
        self.rows.remove(slot).map(|_| slot)
    }

    /// Slots in the order of the groups' names.
    pub(super) fn by_name(&self) -> Vec<(Slot<Queue>, &Queue)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|(_, a), (_, b)| a.group.id.cmp(&b.group.id));
        rows
    }

    /// Whose ranks may have changed: those of this group and of its rivals.
    pub(super) fn mark_changed(&mut self, slot: Slot<Queue>) {
        self.changes += 1;
        let changes = self.changes;
        if let Some(queue) = self.rows.get_mut(slot) {
            queue.changed = changes;
        }
    }

    /// Rises whenever a rank of this group may have changed.
    pub(super) fn generation(&self, slot: Slot<Queue>) -> u64 {
        let Some(queue) = self.rows.get(slot) else { return 0 };
        let rivals = queue.rivals.iter().filter_map(|(rival, _)| self.rows.get(*rival));
        rivals.map(|rival| rival.changed).fold(queue.changed, u64::max)
    }

    pub(super) fn enter(&mut self, slot: Slot<Queue>, place: Place) {
        if let Some(queue) = self.rows.get_mut(slot)
            && queue.order.insert(place)
        {
            self.mark_changed(slot);
        }
    }

    pub(super) fn leave(&mut self, slot: Slot<Queue>, place: &Place) {
        if let Some(queue) = self.rows.get_mut(slot)
            && queue.order.remove(place)
        {
            self.mark_changed(slot);
        }
    }

    /// How many of this group and its rivals come before `place`.
    pub(super) fn ahead(&self, slot: Slot<Queue>, place: &Place) -> usize {
        self.competing(slot).map(|queue| queue.order.before(place)).sum()
    }

    /// How many wait in this group and its rivals.
    pub(super) fn waiting(&self, slot: Slot<Queue>) -> usize {
        self.competing(slot).map(|queue| queue.order.len()).sum()
    }

    fn competing(&self, slot: Slot<Queue>) -> impl Iterator<Item = &Queue> {
        let own = self.rows.get(slot);
        let rivals = own.map_or(&[][..], |queue| &queue.rivals);
        own.into_iter().chain(rivals.iter().filter_map(|(rival, _)| self.rows.get(*rival)))
    }
}
