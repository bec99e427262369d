//! Frames about waiting and assignment: the visitor's place in the queue, the agent's offers, assignments and alerts.

use crate::ident::{AssignSeq, ChannelId, ConversationId, GroupId, OfferId};
use crate::wire::event::VisitorRef;
use crate::wire::text_form::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Expected wait in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Eta {
    pub p50: u64,
    pub p90: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    pub conversation: ConversationId,
    /// 1 is next.
    pub rank: u64,
    pub waiting: u64,
    /// `null` while nothing has been measured.
    pub eta_s: Option<Eta>,
}

/// What an agent sees of a conversation before reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary<'a> {
    #[serde(borrow)]
    pub visitor: VisitorRef<'a>,
    pub channel: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// Head start in seconds that the rules gave it.
    pub priority: u64,
    pub waited_ms: u64,
    #[serde(borrow)]
    pub intent: Option<Text<'a>>,
    #[serde(borrow)]
    pub sentiment: Option<Text<'a>>,
    #[serde(borrow)]
    pub bot_transcript_head: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub order: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Offer<'a> {
    pub offer: OfferId,
    pub conversation: ConversationId,
    #[serde(borrow)]
    pub summary: Summary<'a>,
    /// From now.
    pub expires_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferWithdrawn<'a> {
    pub offer: OfferId,
    #[serde(borrow)]
    pub reason: Text<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Assigned<'a> {
    pub conversation: ConversationId,
    pub assign_seq: AssignSeq,
    #[serde(borrow)]
    pub summary: Summary<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unassigned<'a> {
    pub conversation: ConversationId,
    #[serde(borrow)]
    pub reason: Text<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    SlowReply,
    Sla,
}

/// What an alert is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertData {
    pub waited_ms: u64,
    pub target_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    pub conversation: ConversationId,
    pub kind: AlertKind,
    /// 1 is the mildest.
    pub level: u8,
    pub data: AlertData,
}
