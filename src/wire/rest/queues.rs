//! Live queues, and why a conversation waits or whom it got.

use crate::ident::{AgentId, ConversationId, GroupId, RuleId};
use crate::routing::{self, Verdict};
use crate::wire::server::Eta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One waiting conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuedItem {
    pub conversation: ConversationId,
    /// 1 is next.
    pub rank: u64,
    pub waited_ms: u64,
    pub head_start_s: u64,
    /// `null` while nothing has been measured.
    pub eta_s: Option<Eta>,
}

/// `GET /routing/queues`: one group's queue; `id` is the group's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueResource {
    pub id: GroupId,
    pub waiting: u64,
    /// Of the conversation that waits longest; 0 while nobody waits.
    pub oldest_waited_ms: u64,
    pub agents_online: u32,
    pub free_seats: u32,
    /// In the order of the queue, from its head.
    pub items: Vec<QueuedItem>,
}

/// What one rule adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeadStartPart {
    pub rule: RuleId,
    pub head_start_s: u64,
}

/// One agent, and why they were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    pub agent: AgentId,
    /// A code: `eligible`, `no_skill`, `no_seat`, `away`, `declined`, …
    pub verdict: String,
}

/// `GET /routing/explain/{conversation}`; `id` is the conversation's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub id: ConversationId,
    pub state: String,
    pub group: Option<GroupId>,
    /// After the clamp.
    pub head_start_s: u64,
    pub head_start_parts: Vec<HeadStartPart>,
    /// Number of the step that is tried now, from 1; `null` where it does not wait.
    pub step: Option<u32>,
    pub rank: Option<u64>,
    pub waited_ms: u64,
    pub eta_s: Option<Eta>,
    /// Why it still waits, or why this agent got it.
    pub reason: String,
    pub agent: Option<AgentId>,
    pub candidates: Vec<Candidate>,
}

impl From<routing::Eta> for Eta {
    /// Rounded up to whole seconds.
    fn from(eta: routing::Eta) -> Self {
        Self { p50: eta.p50_ms.div_ceil(1_000), p90: eta.p90_ms.div_ceil(1_000) }
    }
}

impl From<routing::QueueRow> for QueuedItem {
    fn from(row: routing::QueueRow) -> Self {
        Self {
            conversation: row.conversation,
            rank: row.standing.rank as u64,
            waited_ms: row.waited_ms,
            head_start_s: row.head_start_ms / 1_000,
            eta_s: row.standing.eta.map(Into::into),
        }
    }
}

impl From<routing::Explanation> for Explanation {
    /// `state` stays empty: routing does not know it.
    fn from(explanation: routing::Explanation) -> Self {
        let parts = explanation.head_start_parts.into_iter();
        let agent = match explanation.reason {
            routing::WaitReason::BeingAssigned { agent } | routing::WaitReason::Offered { agent } => {
                Some(agent)
            }
            _ => None,
        };
        let candidates = explanation.candidates.into_iter();
        Self {
            id: explanation.conversation,
            state: String::new(),
            group: Some(explanation.group),
            head_start_s: explanation.head_start_ms / 1_000,
            head_start_parts: parts
                .map(|(rule, head_start_s)| HeadStartPart { rule, head_start_s })
                .collect(),
            step: explanation.step.and_then(|step| u32::try_from(step + 1).ok()),
            rank: Some(explanation.standing.rank as u64),
            waited_ms: explanation.waited_ms,
            eta_s: explanation.standing.eta.map(Into::into),
            reason: explanation.reason.name().to_owned(),
            agent,
            candidates: candidates
                .map(|view| Candidate { agent: view.agent, verdict: verdict(view.verdict).to_owned() })
                .collect(),
        }
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Taken => "taken",
        Verdict::Eligible => "eligible",
        Verdict::NotNamed => "not_named",
        Verdict::LacksNeeds => "no_skill",
        Verdict::Away => "away",
        Verdict::NoSeat { .. } => "no_seat",
        Verdict::DeclinedBefore => "declined",
        Verdict::Unsure => "unsure",
    }
}
