//! What goes to sockets of another node, with what its hub needs to deliver it by the same door.
//!
//! Frames stand in it as they were encoded, once, by whoever announced them.

use crate::ident::{AgentId, AssignSeq, ConversationId, OfferId, Seq, SessionId, VisitorId};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::sync::Arc;

/// An encoded frame inside an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(pub Bytes);

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(&self.0).map_err(S::Error::custom)?;
        raw.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Ok(Self(Bytes::from(String::from(Box::<str>::from(raw)))))
    }
}

/// The visitor's side of an entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ForVisitor {
    pub id: VisitorId,
    pub frame: Frame,
}

/// The desk's side: the agents named, and whoever watches.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ForDesk {
    #[serde(with = "each")]
    pub agents: SmallVec<[AgentId; 2]>,
    pub frame: Frame,
}

/// The request that made an entry: its answer goes to this connection, and only there the entry carries `re`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    pub session: SessionId,
    #[serde(with = "shared_text")]
    pub re: Arc<str>,
}

/// What a frame to an agent says of their work, for the connection to remember: what it has not been told is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    Assigned { conversation: ConversationId, assign_seq: AssignSeq },
    Unassigned { conversation: ConversationId },
    Offered { offer: OfferId, conversation: ConversationId },
    Withdrawn { offer: OfferId },
}

/// Something for sockets of another node.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fan {
    /// A committed entry, for those sides that are named.
    Entry {
        conversation: ConversationId,
        seq: Seq,
        visitor_prev: Seq,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visitor: Option<ForVisitor>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desk: Option<ForDesk>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// For a conversation's agents and watchers.
    Desk { conversation: ConversationId, desk: ForDesk },
    /// For all sockets of a visitor.
    Visitor(ForVisitor),
    /// For all sockets of an agent.
    Agent { agent: AgentId, news: News, frame: Frame },
    /// A hint, which may be dropped: for the sides that are named, but not for the connection that gave it.
    Hint {
        conversation: ConversationId,
        from: SessionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visitor: Option<ForVisitor>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desk: Option<ForDesk>,
    },
    /// Ends every connection of an agent, with this close code.
    Close { agent: AgentId, code: u16 },
    /// A visitor's device has connected: its older connections end.
    VisitorBack { visitor: VisitorId, device: String, session: SessionId },
    /// An agent's device has connected.
    AgentBack { agent: AgentId, device: String, session: SessionId },
}

mod each {
    use super::{AgentId, SmallVec};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &SmallVec<[AgentId; 2]>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(of)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<SmallVec<[AgentId; 2]>, D::Error> {
        Vec::deserialize(from).map(SmallVec::from_vec)
    }
}

mod shared_text {
    use super::Arc;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(of)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}
