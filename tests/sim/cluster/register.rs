//! The rows of nodes and slots, moved as the statements of the desk's register move them: by compare-and-swap, with epochs
//! above the store's timeline, and silence by the store's clock.

use rushdesk::clock::Timestamp;
use rushdesk::cluster::reconcile::{Member, MemberState, SlotRow};
use rushdesk::cluster::slots::Slot;
use rushdesk::ident::{Epoch, NodeId};
use rushdesk::planted::{Bug, is_planted};
use std::collections::BTreeMap;
use std::time::Duration;

/// A start of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) id: NodeId,
    pub(crate) incarnation: u64,
}

/// One statement.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    Enter(Start),
    Beat(Start),
    Leave(Start),
    Remove(Start),
    Claim(Start, Vec<(Slot, Epoch)>),
    Release(Start, Vec<(Slot, Epoch)>),
}

#[derive(Debug)]
struct NodeRow {
    incarnation: u64,
    beat_at: Timestamp,
    leaves: bool,
}

#[derive(Debug)]
pub(crate) struct Register {
    nodes: BTreeMap<NodeId, NodeRow>,
    slots: BTreeMap<Slot, SlotRow>,
}

impl Register {
    pub(crate) fn new(slots: &[Slot]) -> Self {
        let row = |slot: &Slot| SlotRow { slot: *slot, epoch: 0, owner: None, released: true };
        Self { nodes: BTreeMap::new(), slots: slots.iter().map(|slot| (*slot, row(slot))).collect() }
    }

    /// As it was before anything was written.
    pub(crate) fn empty(&self) -> Self {
        Self::new(&self.slots.keys().copied().collect::<Vec<_>>())
    }

    pub(crate) fn write(&mut self, row: &Row, now: Timestamp, timeline: u64) -> Vec<(Slot, Epoch)> {
        match row {
            Row::Enter(Start { id, incarnation }) => {
                let row = NodeRow { incarnation: *incarnation, beat_at: now, leaves: false };
                self.nodes.insert(id.clone(), row);
            }
            Row::Beat(start) => {
                if let Some(row) = self.row(start) {
                    row.beat_at = now;
                }
            }
            Row::Leave(start) => {
                if let Some(row) = self.row(start) {
                    row.leaves = true;
                }
            }
            Row::Remove(start) => {
                if self.is_entered(start) {
                    self.nodes.remove(&start.id);
                }
            }
            Row::Claim(start, seen) => return self.claim(start, seen, timeline),
            Row::Release(start, held) => {
                for (slot, epoch) in held {
                    if let Some(row) = self.slots.get_mut(slot)
                        && row.epoch == *epoch
                        && row.owner.as_ref() == Some(&start.id)
                    {
                        row.released = true;
                    }
                }
            }
        }
        Vec::new()
    }

    fn claim(&mut self, start: &Start, seen: &[(Slot, Epoch)], timeline: u64) -> Vec<(Slot, Epoch)> {
        if !self.is_entered(start) {
            return Vec::new();
        }
        let floor = if is_planted(Bug::EpochBelowTimeline) { 0 } else { timeline << 40 };
        let mut claimed = Vec::new();
        for (slot, epoch) in seen {
            let Some(row) = self.slots.get_mut(slot).filter(|row| row.epoch == *epoch) else { continue };
            row.epoch = (row.epoch + 1).max(floor);
            (row.owner, row.released) = (Some(start.id.clone()), false);
            claimed.push((*slot, row.epoch));
        }
        claimed
    }

    fn row(&mut self, start: &Start) -> Option<&mut NodeRow> {
        self.nodes.get_mut(&start.id).filter(|row| row.incarnation == start.incarnation)
    }

    pub(crate) fn is_entered(&self, start: &Start) -> bool {
        self.nodes.get(&start.id).is_some_and(|row| row.incarnation == start.incarnation)
    }

    /// How long a node has been silent; `None` where it has no row.
    pub(crate) fn silence_ms(&self, id: &NodeId, now: Timestamp) -> Option<u64> {
        self.nodes.get(id).map(|row| now.since_millis(row.beat_at))
    }

    pub(crate) fn slot(&self, slot: Slot) -> Option<&SlotRow> {
        self.slots.get(&slot)
    }

    /// All rows, with silence as of `now`.
    pub(crate) fn look(&self, now: Timestamp) -> (Vec<Member>, Vec<SlotRow>) {
        let member = |(id, row): (&NodeId, &NodeRow)| Member {
            id: id.clone(),
            state: if row.leaves { MemberState::Leaving } else { MemberState::Serving },
            silent: Duration::from_millis(now.since_millis(row.beat_at)),
        };
        (self.nodes.iter().map(member).collect(), self.slots.values().cloned().collect())
    }
}
