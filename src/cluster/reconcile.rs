//! Which slots a node should take and which it should give up, from the rows of nodes and slots alone. Pure.
//!
//! Every node plans for itself; nobody tells another what to do. What a plan says is carried out by compare-and-swap, so
//! a plan made from rows that have changed since does nothing (CL-1). All nodes judge silence by the database's clock,
//! so they come to the same answer, and after a few rounds every slot has its wanted owner.
//!
//! Refuses to know how rows are read and moved (`journal::postgres` does).

use super::placement::Whose;
use super::slots::{Slot, wanted};
use crate::ident::{Epoch, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Slots that one node hands over at a time: a node that joins must not stop the desk while conversations move.
pub const HANDED_AT_ONCE: usize = 128;

/// What a node is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    Serving,
    /// It wants no slot and gives up those it has.
    Leaving,
}

/// A node as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: NodeId,
    pub state: MemberState,
    /// Since its last beat, by the database's clock.
    pub silent: Duration,
}

/// A slot as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    pub slot: Slot,
    pub epoch: Epoch,
    pub owner: Option<NodeId>,
    /// Its owner has given it up.
    pub released: bool,
}

/// A slot that this incarnation of the node has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mine {
    pub epoch: Epoch,
    /// It is being handed over and will be released, whatever the rows say meanwhile.
    pub is_handed: bool,
}

/// What a node knows when it plans.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub me: &'a NodeId,
    pub members: &'a [Member],
    pub slots: &'a [SlotRow],
    pub mine: &'a BTreeMap<Slot, Mine>,
    /// A node that was silent for so long has lost its slots to whoever should have them.
    pub lease: Duration,
    /// False for a lease after this node itself was cut off: the others may have been too, and be about to beat again.
    pub trusts_silence: bool,
}

/// What a node should do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be taken, each with the epoch that its row had.
    pub claim: Vec<(Slot, Epoch)>,
    /// To be given up, each with the epoch that its row had; `turn` says which of them now.
    pub release: Vec<(Slot, Epoch)>,
    /// This node's no more: somebody else has taken them.
    pub lost: Vec<Slot>,
    /// Whose the slots are that are not this node's.
    pub elsewhere: Vec<(Slot, Whose)>,
}

/// What `view.me` should do now.
pub fn plan(view: &View<'_>) -> Plan {
    let live: Vec<&Member> = view.members.iter().filter(|member| member.silent < view.lease).collect();
    let serving: Vec<NodeId> = live
        .iter()
        .filter(|member| member.state == MemberState::Serving)
        .map(|member| member.id.clone())
        .collect();
    let alive = |id: &NodeId| live.iter().any(|member| member.id == *id);
    let has_died = |id: &NodeId| {
        let has_row = view.members.iter().any(|member| member.id == *id);
        !alive(id) && (view.trusts_silence || !has_row)
    };
    // Who could not beat for a lease knows nothing of the others' plans: it looks, and plans when it has beaten again.
    let may_plan = alive(view.me);
    let mut plan = Plan::default();
    for row in view.slots {
        let mine = view.mine.get(&row.slot);
        if mine.is_some_and(|mine| mine.is_handed) {
            continue;
        }
        let owner = row.owner.as_ref().filter(|_| !row.released);
        let is_own = owner == Some(view.me);
        let is_held = is_own && mine.is_some_and(|mine| mine.epoch == row.epoch);
        if mine.is_some() && !is_held {
            plan.lost.push(row.slot);
        }
        let is_wanted = wanted(row.slot, &serving) == Some(view.me);
        // A row in this node's name that it does not hold is a former incarnation's, or that of a claim without an answer.
        let is_free = is_own || owner.is_none_or(has_died);
        if may_plan && is_wanted && is_free && !is_held {
            plan.claim.push((row.slot, row.epoch));
        } else if may_plan && is_own && !is_wanted {
            plan.release.push((row.slot, row.epoch));
        }
        if !is_held {
            let there = owner.filter(|owner| *owner != view.me && alive(owner));
            plan.elsewhere.push((row.slot, there.cloned().map_or(Whose::Nobody, Whose::There)));
        }
    }
    plan
}

/// How much lives in the slots that are not empty.
pub type Heat = BTreeMap<Slot, u64>;

/// Those of `release` whose turn it is beside `handed` that are being handed over: the coldest first, so that most of what
/// moves has moved before anybody is disturbed, and a busy slot waits where the newcomer leaves again.
pub fn turn(
    mut release: Vec<(Slot, Epoch)>,
    handed: usize,
    heat: impl FnOnce() -> Heat,
) -> Vec<(Slot, Epoch)> {
    let room = HANDED_AT_ONCE.saturating_sub(handed);
    if release.len() > room && room > 0 {
        let heat = heat();
        release.sort_by_key(|(slot, _)| (heat.get(slot).copied().unwrap_or(0), *slot));
    }
    release.truncate(room);
    release
}

#[cfg(test)]
mod tests;
