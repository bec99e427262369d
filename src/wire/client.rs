//! What a client says: one variant per frame of visitors and agents (protocol 2, 3 and 4).
//!
//! A frame here has the right form; whether its sender may say it, and now, is decided elsewhere. Fields borrow from
//! the received bytes. `decode` reads frames; serialising them is for clients of the desk (the traffic driver, tests).

use super::content::Content;
use super::event::TransferTo;
use super::text_form::Text;
use crate::ident::{AssignSeq, ChannelId, ConversationId, GroupId, OfferId, Seq};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// "I hold everything of this conversation up to `after`."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Position {
    pub conversation: ConversationId,
    pub after: Seq,
}

/// Sign-in, and where to continue from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hello<'a> {
    pub id: Text<'a>,
    pub token: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<Position>,
}

/// A visitor's wish to talk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Open<'a> {
    pub id: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// Claims of the visitor's own client, by name; numbers and booleans have become text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Text<'a>, Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content<'a>>,
}

/// The end of a conversation; `disposition` and `tags` are the desk's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Close<'a> {
    pub id: Text<'a>,
    pub conversation: ConversationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Text<'a>>,
}

/// Handing a conversation on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transfer<'a> {
    pub id: Text<'a>,
    pub conversation: ConversationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
    pub to: TransferTo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Text<'a>>,
}

/// What an agent says about being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    Online,
    Away,
    Offline,
}

/// One frame from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame<'a> {
    Hello(Hello<'a>),
    Send {
        id: Text<'a>,
        conversation: ConversationId,
        #[serde(skip_serializing_if = "Option::is_none")]
        assign_seq: Option<AssignSeq>,
        content: Content<'a>,
    },
    Fetch {
        id: Text<'a>,
        conversation: ConversationId,
        after: Seq,
        /// Already defaulted and clamped when it was decoded.
        limit: u32,
    },
    Recall {
        id: Text<'a>,
        conversation: ConversationId,
        seq: Seq,
    },
    Typing {
        conversation: ConversationId,
        #[serde(skip_serializing_if = "Option::is_none")]
        preview: Option<Text<'a>>,
    },
    Read {
        conversation: ConversationId,
        seq: Seq,
    },
    Close(Close<'a>),
    Ping {
        id: Text<'a>,
    },
    Open(Open<'a>),
    /// Without `conversation`: in the one that lives on `channel`, or in a new one.
    LeaveMessage {
        id: Text<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation: Option<ConversationId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<ChannelId>,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<Text<'a>>,
    },
    Reopen {
        id: Text<'a>,
        conversation: ConversationId,
    },
    Rate {
        id: Text<'a>,
        conversation: ConversationId,
        /// 1 to 5.
        score: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        comment: Option<Text<'a>>,
    },
    RequestAgent {
        id: Text<'a>,
        conversation: ConversationId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
    },
    Presence {
        id: Text<'a>,
        status: PresenceStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        after_current: bool,
    },
    Accept {
        id: Text<'a>,
        offer: OfferId,
    },
    Decline {
        id: Text<'a>,
        offer: OfferId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
    },
    Pick {
        id: Text<'a>,
        conversation: ConversationId,
    },
    Transfer(Transfer<'a>),
    Release {
        id: Text<'a>,
        conversation: ConversationId,
        #[serde(skip_serializing_if = "Option::is_none")]
        assign_seq: Option<AssignSeq>,
    },
    Watch {
        id: Text<'a>,
        conversation: ConversationId,
    },
    Unwatch {
        id: Text<'a>,
        conversation: ConversationId,
    },
    /// Words to the agent that the visitor does not see.
    Whisper {
        id: Text<'a>,
        conversation: ConversationId,
        content: Content<'a>,
    },
    /// Joining in, visibly.
    Barge {
        id: Text<'a>,
        conversation: ConversationId,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<Content<'a>>,
    },
    /// The agent has finished the wrap-up.
    Done {
        id: Text<'a>,
        conversation: ConversationId,
    },
}

impl<'a> ClientFrame<'a> {
    /// The frames by name, in the order of `docs/PROTOCOL.md`.
    pub const TYPES: [&'static str; 24] = [
        "hello",
        "send",
        "fetch",
        "recall",
        "typing",
        "read",
        "close",
        "ping",
        "open",
        "leave_message",
        "reopen",
        "rate",
        "request_agent",
        "presence",
        "accept",
        "decline",
        "pick",
        "transfer",
        "release",
        "watch",
        "unwatch",
        "whisper",
        "barge",
        "done",
    ];

    /// What the one answer shall carry as `re`; `None` for hints, which are never answered.
    pub const fn id(&self) -> Option<&Text<'a>> {
        match self {
            Self::Typing { .. } | Self::Read { .. } => None,
            Self::Hello(Hello { id, .. })
            | Self::Open(Open { id, .. })
            | Self::Close(Close { id, .. })
            | Self::Transfer(Transfer { id, .. })
            | Self::Send { id, .. }
            | Self::Fetch { id, .. }
            | Self::Recall { id, .. }
            | Self::Ping { id }
            | Self::LeaveMessage { id, .. }
            | Self::Reopen { id, .. }
            | Self::Rate { id, .. }
            | Self::RequestAgent { id, .. }
            | Self::Presence { id, .. }
            | Self::Accept { id, .. }
            | Self::Decline { id, .. }
            | Self::Pick { id, .. }
            | Self::Release { id, .. }
            | Self::Watch { id, .. }
            | Self::Unwatch { id, .. }
            | Self::Whisper { id, .. }
            | Self::Barge { id, .. }
            | Self::Done { id, .. } => Some(id),
        }
    }

    /// The conversation that the frame names, where it names one.
    pub const fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Hello(_)
            | Self::Open(_)
            | Self::Ping { .. }
            | Self::Presence { .. }
            | Self::Accept { .. }
            | Self::Decline { .. } => None,
            Self::LeaveMessage { conversation, .. } => *conversation,
            Self::Close(Close { conversation, .. })
            | Self::Transfer(Transfer { conversation, .. })
            | Self::Send { conversation, .. }
            | Self::Fetch { conversation, .. }
            | Self::Recall { conversation, .. }
            | Self::Typing { conversation, .. }
            | Self::Read { conversation, .. }
            | Self::Reopen { conversation, .. }
            | Self::Rate { conversation, .. }
            | Self::RequestAgent { conversation, .. }
            | Self::Pick { conversation, .. }
            | Self::Release { conversation, .. }
            | Self::Watch { conversation, .. }
            | Self::Unwatch { conversation, .. }
            | Self::Whisper { conversation, .. }
            | Self::Barge { conversation, .. }
            | Self::Done { conversation, .. } => Some(*conversation),
        }
    }

    /// The frame as JSON text, as a client sends it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
