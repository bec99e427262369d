//! What may be asked of a conversation, by whom, and under which settings it is judged.
//!
//! Pure. A command carries everything that its judgement needs beside the state: the compliance verdict, the entry a
//! recall points at, whether the visitor is connected. `decide` looks nothing up.

use super::content::Content;
use super::event::{Author, Opening, RequeueReason, TransferTarget, Why};
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, GroupId, OfferId, Seq, VisitorId};
use std::sync::Arc;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    Visitor {
        id: VisitorId,
        name: Option<Arc<str>>,
    },
    /// `supervisor`: may act on conversations of others.
    Agent {
        id: AgentId,
        name: Arc<str>,
        supervisor: bool,
    },
    /// The desk itself: supervisor actor, timers, sweeps.
    System,
}

impl Who {
    pub fn author(&self) -> Author {
        match self {
            Self::Visitor { id, name } => Author::Visitor { id: id.clone(), name: name.clone() },
            Self::Agent { id, name, .. } => Author::Agent { id: *id, name: name.clone() },
            Self::System => Author::System,
        }
    }
}

/// Where a conversation goes when it needs a person: into a group's queue, or to be called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    Queue(GroupId),
    CallBack(GroupId),
}

/// The entry that a recall points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallTarget {
    pub author: Author,
    pub at: Timestamp,
    /// A message that still has its content.
    pub recallable: bool,
}

/// A conversation given to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub agent: AgentId,
    pub agent_name: Arc<str>,
    pub seats: u32,
    pub head_start_s: u32,
    pub reason: Why,
}

/// One thing asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Open {
        opening: Box<Opening>,
        landing: Landing,
        content: Option<Content>,
        /// Where a visitor who is to be called back can be reached.
        contact: Option<Arc<str>>,
        /// What the desk tells everybody who comes in a rush.
        notice: Option<Arc<str>>,
    },
    Say(Content),
    Recall {
        seq: Seq,
        target: Option<RecallTarget>,
    },
    Close {
        reason: Option<Arc<str>>,
        disposition: Option<Arc<str>>,
        tags: Vec<Arc<str>>,
    },
    Reopen {
        landing: Landing,
    },
    LeaveMessage {
        content: Content,
        contact: Option<Arc<str>>,
    },
    Rate {
        score: u8,
        comment: Option<Arc<str>>,
    },
    RequestAgent {
        landing: Landing,
        reason: Option<Arc<str>>,
    },
    Offer {
        offer: OfferId,
        agent: AgentId,
        seats: u32,
        head_start_s: u32,
        expires_at: Timestamp,
    },
    Accept {
        offer: OfferId,
    },
    Decline {
        offer: OfferId,
    },
    /// The desk takes an open offer back.
    EndOffer {
        offer: OfferId,
        reason: RequeueReason,
    },
    Assign(Grant),
    Transfer {
        to: TransferTarget,
        group: GroupId,
        note: Option<Arc<str>>,
    },
    Release,
    /// The assignee is gone; the conversation goes back to its queue.
    Requeue {
        agent: AgentId,
        reason: RequeueReason,
    },
    Overflow {
        to: GroupId,
    },
    /// The agent ends the wrap-up.
    Done,
    /// A timer is due. `visitor_gone_since` is `None` while the visitor has a connection.
    Wake {
        visitor_gone_since: Option<Timestamp>,
    },
}

/// A command with its sender and the `assign_seq` under which an agent acts, or routing has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub who: Who,
    pub under: Option<AssignSeq>,
    pub command: Command,
}

/// The verdict of the send-path check (quality and compliance), the named point before `decide`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// The message must be mended; the sentence says how.
    Block(Arc<str>),
}

/// Times that the group's and the desk's settings give a conversation, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub idle_end_ms: u64,
    pub reminder_before_ms: u64,
    pub recall_ms: u64,
    pub reopen_ms: u64,
    pub wrap_up_ms: u64,
}
