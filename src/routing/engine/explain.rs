//! Why a conversation still waits, and why each agent was not taken (RT-4). Nothing changes by asking.
//!
//! Asked while a decision's outcome is awaited it shows the winner beside the others. Refuses to be quick: it looks at
//! every agent of the group, up to a bound.

use super::Engine;
use super::ask::Standing;
use crate::clock::Timestamp;
use crate::ident::{AgentId, ConversationId, GroupId, RuleId};
use crate::routing::capacity::AgentRow;
use crate::routing::item::{Awaiting, Item, Stage, StepAt};
use crate::routing::score::GroupFact;
use crate::routing::slab::Slot;
use crate::routing::steps::Needs;

/// Most agents in an explanation.
const MAX_CANDIDATES: usize = 200;

/// Why an agent does not get the conversation now, or that they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The decision is under way.
    Taken,
    /// Could get it this moment; only asked in the middle of things is this seen.
    Eligible,
    /// The step names others.
    NotNamed,
    /// Lacks a skill, a level, a language or a group that the step asks for.
    LacksNeeds,
    Away,
    /// Fewer free seats than the conversation takes.
    NoSeat {
        free: u32,
    },
    /// Declined or missed an offer of it before.
    DeclinedBefore,
    /// The store refused the last decision about them; waits for news.
    Unsure,
}

/// One agent in an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentView {
    pub agent: AgentId,
    pub verdict: Verdict,
}

/// Why a conversation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// Its visitor has had no connection for too long.
    VisitorAbsent,
    BeingAssigned {
        agent: AgentId,
    },
    /// An offer is out, or its end is under way.
    Offered {
        agent: AgentId,
    },
    /// The store said that it had moved on; waits for news.
    AwaitingNews,
    /// No agent of the desk meets the step.
    NobodyQualifies,
    /// Those who meet the step are away.
    NobodyOnline,
    /// Those who meet the step and are there have no seat for it.
    AllSeatsTaken,
    /// Only those who declined it have a seat, and others could serve it.
    OnlyDeclinersFree,
}

impl WaitReason {
    /// The reason's name for REST and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VisitorAbsent => "visitor_absent",
            Self::BeingAssigned { .. } => "being_assigned",
            Self::Offered { .. } => "offered",
            Self::AwaitingNews => "awaiting_news",
            Self::NobodyQualifies => "nobody_qualifies",
            Self::NobodyOnline => "nobody_online",
            Self::AllSeatsTaken => "all_seats_taken",
            Self::OnlyDeclinersFree => "only_decliners_free",
        }
    }
}

/// Everything that bears on a waiting conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub conversation: ConversationId,
    pub group: GroupId,
    pub reason: WaitReason,
    pub standing: Standing,
    pub waited_ms: u64,
    /// The matching rules and what each adds, in seconds, before the clamp.
    pub head_start_parts: Vec<(RuleId, u64)>,
    /// The rise that the group's bump gave, in seconds; 0 before it came.
    pub bump_s: u64,
    /// What counts, after the clamp.
    pub head_start_ms: u64,
    pub strict: bool,
    /// 0 for the first; `None` once anyone in the group will do.
    pub step: Option<usize>,
    pub step_ends_at: Option<Timestamp>,
    pub needs: Needs,
    /// Agents that the step names; none means whoever meets the needs.
    pub named: Vec<AgentId>,
    /// By id; at most 200, of those who belong to the group or meet the step.
    pub candidates: Vec<AgentView>,
}

impl Engine {
    /// Why it waits, with everything that bears on it; `None` where it does not wait.
    pub fn explain(&self, conversation: &ConversationId, now: Timestamp) -> Option<Explanation> {
        let item = self.items.get(self.items.find(conversation)?)?;
        let queue = self.queues.get(item.queue)?;
        let standing = self.estimate(conversation, now)?;
        let fact = GroupFact { group: &queue.group.id, trusted: true };
        let step = self.step_view(item);
        let candidates = self.candidates(item);
        let before_rule = usize::from(item.arrival.wanted.is_some_and(|wanted| wanted.hard_for_s > 0));
        Some(Explanation {
            conversation: *conversation,
            group: queue.group.id.clone(),
            reason: self.wait_reason(item, &candidates),
            standing,
            waited_ms: item.waited_ms(now),
            head_start_parts: self.rules.parts(&item.arrival.facts, Some(fact)),
            bump_s: queue.group.bump.filter(|_| item.bumped).map_or(0, |bump| bump.head_start_s),
            head_start_ms: item.head_start_ms,
            strict: item.strict,
            step: match item.step {
                StepAt::Wanted => Some(0),
                StepAt::Rule(number) => Some(number as usize + before_rule),
                StepAt::Open => None,
            },
            step_ends_at: item.step_ends_at,
            needs: step.needs.clone(),
            named: step.agents.to_vec(),
            candidates: candidates.into_iter().take(MAX_CANDIDATES).collect(),
        })
    }

    fn candidates(&self, item: &Item) -> Vec<AgentView> {
        let step = self.step_view(item);
        let mut rows: Vec<_> = self
            .agents
            .rows
            .iter()
            .filter(|(_, row)| row.groups.contains(&item.queue) || step.takes(row, item.queue))
            .map(|(slot, row)| AgentView { agent: row.id, verdict: self.verdict(item, slot, row) })
            .collect();
        rows.sort_unstable_by_key(|view| view.agent);
        rows
    }

    fn verdict(&self, item: &Item, slot: Slot<AgentRow>, row: &AgentRow) -> Verdict {
        let step = self.step_view(item);
        let taken = matches!(item.stage, Stage::Pending(pending) if pending.agent == slot);
        if taken {
            Verdict::Taken
        } else if !step.agents.is_empty() && !step.agents.contains(&row.id) {
            Verdict::NotNamed
        } else if !step.takes(row, item.queue) {
            Verdict::LacksNeeds
        } else if !row.available {
            Verdict::Away
        } else if row.free_seats() < item.seats {
            Verdict::NoSeat { free: row.free_seats() }
        } else if item.arrival.declined.contains(&row.id) {
            Verdict::DeclinedBefore
        } else if row.stale {
            Verdict::Unsure
        } else {
            Verdict::Eligible
        }
    }

    fn wait_reason(&self, item: &Item, candidates: &[AgentView]) -> WaitReason {
        match (item.stage, self.holder(item)) {
            (Stage::Pending(pending), Some(agent)) => {
                return if pending.awaiting == Awaiting::Assignment {
                    WaitReason::BeingAssigned { agent }
                } else {
                    WaitReason::Offered { agent }
                };
            }
            (Stage::Parked { .. }, _) => return WaitReason::AwaitingNews,
            (Stage::Waiting | Stage::Pending(_), _) => {}
        }
        let some = |wanted: fn(&Verdict) -> bool| candidates.iter().any(|view| wanted(&view.verdict));
        if item.suspended {
            WaitReason::VisitorAbsent
        } else if some(|verdict| matches!(verdict, Verdict::DeclinedBefore)) {
            WaitReason::OnlyDeclinersFree
        } else if some(|verdict| {
            matches!(verdict, Verdict::NoSeat { .. } | Verdict::Unsure | Verdict::Eligible)
        }) {
            WaitReason::AllSeatsTaken
        } else if some(|verdict| matches!(verdict, Verdict::Away)) {
            WaitReason::NobodyOnline
        } else {
            WaitReason::NobodyQualifies
        }
    }
}
