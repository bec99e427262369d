//! The engine: a pure function from inputs to decisions, with the state it needs to be quick.
//!
//! One input touches few agents and items; `matching.rs` then restores the invariant that no eligible pair is left
//! unmatched (RT-5), which is what makes the next input cheap. No clock, no chance, no order of hash maps (RT-7).
//! Refuses to guard the truth: the store does.

mod arrivals;
mod ask;
mod configure;
mod due;
mod explain;
mod lanes;
mod matching;
mod outcomes;
mod parts;
mod people;
mod place;

pub use ask::{GroupLoad, QueueRow, Standing as QueueStanding};
pub use explain::{AgentView, Explanation, Verdict, WaitReason};
pub use place::Question;

use super::capacity::{AgentRow, Agents};
use super::decision::{Decision, RoutingError};
use super::input::Input;
use super::item::{Awaiting, Item, Items, Stage};
use super::queue::Queues;
use super::score::{Rules, ScoreLimits};
use super::signature::Signatures;
use super::slab::Slot;
use crate::clock::Timestamp;
use crate::ident::{AgentId, GroupId};
use std::collections::{BTreeSet, VecDeque};

/// The desk's own numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where arrivals go that neither ask for a group nor match a rule that names one.
    pub default_group: GroupId,
    /// The most that rules and bumps add up to, in seconds: the bound on being passed (RT-6).
    pub max_head_start_s: u64,
    /// Whether a rule's strict class counts.
    pub strict_allowed: bool,
    /// Offers missed in a row that set an agent away.
    pub missed_offers: u32,
    /// How long an outcome is awaited before a decision counts as lost, in milliseconds.
    pub outcome_ms: u64,
    /// Assumed handle time until one is measured, in seconds.
    pub handle_s: u64,
}

impl Settings {
    /// The product's defaults, with `general` as the group of those who name none.
    pub fn new(default_group: GroupId) -> Self {
        Self {
            default_group,
            max_head_start_s: 900,
            strict_allowed: false,
            missed_offers: 3,
            outcome_ms: 10_000,
            handle_s: 300,
        }
    }

    const fn score_limits(&self) -> ScoreLimits {
        ScoreLimits { max_head_start_s: self.max_head_start_s, strict_allowed: self.strict_allowed }
    }
}

/// What the engine has seen since it was made; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub assigned: u64,
    pub offered: u64,
    pub declined: u64,
    pub missed: u64,
    pub refused: u64,
    /// Decisions whose outcome never came.
    pub lost: u64,
    pub overflowed: u64,
    /// Served within the p90 that was promised.
    pub promises_kept: u64,
    pub promises_broken: u64,
    /// Reports about unknown conversations or agents.
    pub late: u64,
    /// Needs given up because every signature was in use.
    pub needs_given_up: u64,
}

/// What an input changed, until `matching` has looked at it.
#[derive(Debug, Default)]
struct Touched {
    agents: Vec<Slot<AgentRow>>,
    items: Vec<Slot<Item>>,
}

impl std::iter::Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), |sum, more| Self {
            assigned: sum.assigned + more.assigned,
            offered: sum.offered + more.offered,
            declined: sum.declined + more.declined,
            missed: sum.missed + more.missed,
            refused: sum.refused + more.refused,
            lost: sum.lost + more.lost,
            overflowed: sum.overflowed + more.overflowed,
            promises_kept: sum.promises_kept + more.promises_kept,
            promises_broken: sum.promises_broken + more.promises_broken,
            late: sum.late + more.late,
            needs_given_up: sum.needs_given_up + more.needs_given_up,
        })
    }
}

/// Routing of one domain: the groups that share agents.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    rules: Rules,
    queues: Queues,
    agents: Agents,
    items: Items,
    signatures: Signatures,
    /// Items that stand in side lists of agents.
    named: BTreeSet<Slot<Item>>,
    /// When an item's step, bump, overflow or open offer is due; one entry per item.
    deadlines: BTreeSet<(Timestamp, Slot<Item>)>,
    /// When an outcome is overdue, by number of the wait. All waits last `outcome_ms`, so they end in order.
    outcomes_due: VecDeque<(Timestamp, Slot<Item>, u64)>,
    touched: Touched,
    /// Numbers waits for outcomes and turns.
    latest_number: u64,
    counters: Counters,
}

impl Engine {
    /// An engine that knows nobody yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            rules: Rules::default(),
            queues: Queues::default(),
            agents: Agents::default(),
            items: Items::default(),
            signatures: Signatures::default(),
            named: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            outcomes_due: VecDeque::new(),
            touched: Touched::default(),
            latest_number: 0,
            counters: Counters::default(),
        }
    }

    /// Takes one input and appends what follows from it to `out`. An error leaves the engine as it was. `now` never
    /// runs backwards.
    pub fn step(
        &mut self,
        input: Input,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) -> Result<(), RoutingError> {
        match input {
            Input::GroupUpserted(group) => self.group_upserted(*group, now, out)?,
            Input::GroupRemoved(group) => self.group_removed(&group, now, out)?,
            Input::RulesReplaced(rules) => self.rules_replaced(rules, now, out)?,
            Input::AgentUpserted(agent) => self.agent_upserted(agent, now, out)?,
            Input::AgentRemoved(agent) => self.agent_removed(agent, now, out),
            Input::AgentAvailable { agent, available } => {
                let slot = self.agents.find(&agent).ok_or(RoutingError::UnknownAgent(agent))?;
                self.agent_available(slot, available, now, out);
            }
            Input::Held { agent, conversation, seats, group } => {
                self.held(agent, conversation, seats, &group, now);
            }
            Input::Freed { agent, conversation } => self.freed(agent, conversation, now),
            Input::Arrived(arrival) => self.arrived(arrival, now, out)?,
            Input::FactsChanged { conversation, facts } => {
                self.facts_changed(conversation, facts, now, out);
            }
            Input::Left { conversation } => self.left(conversation),
            Input::Suspended { conversation } => self.suspended(conversation),
            Input::Resumed { conversation } => self.resumed(conversation, now, out),
            Input::Confirmed { conversation, agent } => self.confirmed(conversation, agent, now),
            Input::Refused { conversation, agent, reason } => {
                self.refused(conversation, agent, reason, now, out);
            }
            Input::OfferEnded { conversation, agent, how } => {
                self.offer_ended(conversation, agent, how, now, out);
            }
            Input::Promised { conversation, served_by } => self.promised(conversation, served_by),
            Input::Tick => self.tick(now, out),
        }
        self.settle(now, out);
        while self.outcomes_due.front().is_some_and(|(_, item, number)| !self.is_awaited(*item, *number)) {
            self.outcomes_due.pop_front();
        }
        Ok(())
    }

    /// When `Input::Tick` is due; `None` while nothing happens by itself.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let item = self.deadlines.first().map(|(at, _)| *at);
        let outcome = self.outcomes_due.front().map(|(at, _, _)| *at);
        item.into_iter().chain(outcome).min()
    }

    /// What was seen since the start.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Agents known to the engine.
    pub fn agents_known(&self) -> usize {
        self.agents.rows.len()
    }

    /// Conversations that wait, offers and pending assignments included.
    pub fn items_waiting(&self) -> usize {
        self.items.rows.len()
    }

    /// Seats of `agent` that are taken, pending decisions included; `None` where the agent is not known.
    pub fn load_of(&self, agent: AgentId) -> Option<u32> {
        self.agents.get(self.agents.find(&agent)?).map(AgentRow::load)
    }

    fn next_number(&mut self) -> u64 {
        self.latest_number += 1;
        self.latest_number
    }

    /// Begins a wait for an outcome and says its number.
    fn await_outcome(&mut self, item: Slot<Item>, now: Timestamp) -> u64 {
        let number = self.next_number();
        self.outcomes_due.push_back((now.plus_millis(self.settings.outcome_ms), item, number));
        number
    }

    /// Whether the wait of that number goes on.
    fn is_awaited(&self, item: Slot<Item>, number: u64) -> bool {
        self.items.get(item).is_some_and(|item| match item.stage {
            Stage::Waiting => false,
            Stage::Parked { number: parked } => parked == number,
            Stage::Pending(pending) => {
                pending.number == number && !matches!(pending.awaiting, Awaiting::Answer { .. })
            }
        })
    }
}
