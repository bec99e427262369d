//! The log's events as clients see them: a code with parameters, which clients put into words (protocol 6).
//!
//! One shape serves both views: what a visitor may not know is absent. Which fields those are is decided in `convert`.

use super::text_form::Text;
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ChannelId, GroupId, OfferId, Seq, ShopId, VisitorId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Who a visitor is, as events and summaries tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitorRef<'a> {
    pub id: VisitorId,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Text<'a>>,
}

/// Where a transfer leads: `{"group"}` or `{"agent"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferTo {
    Group(GroupId),
    Agent(AgentId),
}

/// Why a conversation came back to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequeueReason {
    Declined,
    OfferExpired,
    OfferWithdrawn,
    Released,
    AgentOffline,
    AgentLost,
    Overflow,
}

/// Who or what ended a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    Visitor,
    Agent,
    Idle,
    Abandoned,
    System,
}

/// `event` and `data` of an entry whose `content.kind` is `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum EventContent<'a> {
    Opened {
        shop: ShopId,
        channel: ChannelId,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        visitor: Option<VisitorRef<'a>>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        locale: Option<Text<'a>>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        subject: Option<Text<'a>>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        intent: Option<Text<'a>>,
        #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<Text<'a>, Text<'a>>,
    },
    Queued {
        group: GroupId,
    },
    MessageLeft {
        group: GroupId,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        contact: Option<Text<'a>>,
    },
    Offered {
        offer: OfferId,
        agent: AgentId,
        expires_at: Timestamp,
    },
    Assigned {
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
        #[serde(borrow)]
        name: Text<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        assign_seq: Option<AssignSeq>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        waited_ms: Option<u64>,
    },
    Transferred {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<AgentId>,
        to: TransferTo,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        assign_seq: Option<AssignSeq>,
    },
    Requeued {
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
        reason: RequeueReason,
        group: GroupId,
        assign_seq: AssignSeq,
    },
    BotJoined {},
    BotLeft {},
    Escalated {
        #[serde(borrow)]
        reason: Text<'a>,
    },
    IdleReminder {
        ends_at: Timestamp,
    },
    WrapUp {
        ends_at: Timestamp,
    },
    Rated {
        score: u8,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        comment: Option<Text<'a>>,
    },
    Recalled {
        seq: Seq,
    },
    Closed {
        by: ClosedBy,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        disposition: Option<Text<'a>>,
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<Text<'a>>,
    },
    Reopened {},
}

impl EventContent<'_> {
    /// The events by name, in the order of a conversation's life.
    pub const NAMES: [&'static str; 16] = [
        "opened",
        "queued",
        "message_left",
        "offered",
        "assigned",
        "transferred",
        "requeued",
        "bot_joined",
        "bot_left",
        "escalated",
        "idle_reminder",
        "wrap_up",
        "rated",
        "recalled",
        "closed",
        "reopened",
    ];
}
