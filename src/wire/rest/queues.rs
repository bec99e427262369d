//! Live queues, and why a conversation waits or whom it got.

use crate::ident::{AgentId, ConversationId, GroupId, RuleId};
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
