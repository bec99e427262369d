//! Seats over time: whether any agent ever held more conversations than the capacity allowed (RT-1).
//!
//! Pure. Stays come from settled logs, so the stamps are the store's own. Stamps are whole milliseconds: within one
//! millisecond what was freed counts before what was taken, so that the order inside it never accuses anybody.

use super::verdict::{Invariant, Violation};
use crate::ident::AgentId;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct SeatBook {
    moves: BTreeMap<AgentId, Vec<Move>>,
    capacities: BTreeMap<AgentId, Vec<Capacity>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    at_ms: u64,
    /// `false` sorts first: freed before taken.
    taken: bool,
}

#[derive(Debug, Clone, Copy)]
struct Capacity {
    since_ms: u64,
    seats: u32,
}

impl SeatBook {
    /// From `since_ms` on the agent may hold `seats`. Told in order of time: a raise before it is asked for, a
    /// lowering after it was answered, so that the moment in between accuses nobody.
    pub(super) fn capacity(&mut self, agent: AgentId, since_ms: u64, seats: u32) {
        self.capacities.entry(agent).or_default().push(Capacity { since_ms, seats });
    }

    pub(super) fn stay(&mut self, agent: AgentId, from_ms: u64, until_ms: Option<u64>) {
        let moves = self.moves.entry(agent).or_default();
        moves.push(Move { at_ms: from_ms, taken: true });
        if let Some(at_ms) = until_ms {
            moves.push(Move { at_ms, taken: false });
        }
    }

    /// One violation per agent at most, at the worst moment: a single leak would else be told at each assignment.
    pub(super) fn judge(mut self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (agent, moves) in &mut self.moves {
            let Some(capacities) = self.capacities.get(agent) else { continue };
            moves.sort_unstable();
            if let Some((at_ms, load, seats)) = worst(moves, capacities) {
                found.push(Violation {
                    invariant: Invariant::Rt1,
                    conversation: None,
                    sentence: format!(
                        "{agent:?} held {load} conversations with {seats} seats, assigned at {at_ms} ms"
                    ),
                });
            }
        }
        found
    }
}

fn worst(moves: &[Move], capacities: &[Capacity]) -> Option<(u64, i64, u32)> {
    let mut load = 0_i64;
    let mut worst: Option<(u64, i64, u32)> = None;
    for step in moves {
        if !step.taken {
            load -= 1;
            continue;
        }
        load += 1;
        let in_force = capacities.iter().rev().find(|c| c.since_ms <= step.at_ms).or(capacities.first());
        let Some(seats) = in_force.map(|c| c.seats) else { continue };
        let over = load - i64::from(seats);
        if over > 0 && worst.is_none_or(|(_, l, s)| over > l - i64::from(s)) {
            worst = Some((step.at_ms, load, seats));
        }
    }
    worst
}
