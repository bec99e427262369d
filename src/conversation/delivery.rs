//! What travels to a conversation's actor and back, and what all of them share.

use super::command::{Ask, Policy, Who};
use super::event::Entry;
use super::registry::Start;
use super::state::{Phase, State};
use crate::clock::{Clock, Timestamp};
use crate::cluster::placement::Placement;
use crate::fanout::hub::{Hub, Origin};
use crate::ident::{AgentId, ConversationId, GroupId, NodeId, Seq, SessionId};
use crate::journal::{ClientKey, Journal};
use crate::refusal::Refusal;
use bytes::Bytes;
use std::sync::Arc;

/// A conversation has changed hands or phase by these entries; routing and the agent whose seats it held want to know.
pub type TellRouting = Box<dyn Fn(Option<AgentId>, &State, &[Entry]) + Send + Sync>;
/// The times that a group gives its conversations.
pub type PolicyOf = Box<dyn Fn(Option<&GroupId>) -> Policy + Send + Sync>;

/// The way of a command to a conversation that is not this node's; it is answered in any case.
pub type Elsewhere = Box<dyn Fn(Parcel) + Send + Sync>;
/// Whether commands for the conversation are on that way: what comes later follows them.
pub type IsUnderWay = Box<dyn Fn(ConversationId) -> bool + Send + Sync>;
/// The way of a hint to the node that owns the conversation; it may be lost.
pub type HintElsewhere = Box<dyn Fn(&NodeId, ConversationId, Hint) + Send + Sync>;

/// What every conversation of a node shares.
pub struct Surroundings {
    pub journal: Arc<dyn Journal>,
    pub hub: Arc<Hub>,
    pub clock: Arc<dyn Clock>,
    pub policy_of: PolicyOf,
    pub tell_routing: TellRouting,
    pub placement: Arc<Placement>,
    pub elsewhere: Elsewhere,
    pub is_under_way: IsUnderWay,
    pub hint_elsewhere: HintElsewhere,
    pub node_start: Timestamp,
    /// A visitor's waits for an answer at which the agent is alerted: rising levels.
    pub slow_reply_ms: [u64; 3],
    /// Whether visitors are invited to rate at the close.
    pub rating_invitation: bool,
    /// Panics of one conversation that are mended at once within the window; past them it is quarantined.
    pub respawns: u32,
    pub respawn_window_ms: u64,
    /// Messages that may wait for one conversation (`limits.conversation_mailbox`).
    pub parked_limit: usize,
}

/// What a carried-out command leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub conversation: ConversationId,
    /// The entry that answers the command: the message, or the last event; `None` where nothing had to be written.
    pub seq: Option<Seq>,
    pub at: Timestamp,
    pub state: Phase,
}

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done(Receipt),
    /// An opening found the visitor's live conversation.
    Exists(ConversationId),
    Refused(Refusal),
}

/// Where the outcome goes; answered exactly once, with `unavailable` if it is dropped unanswered.
pub struct AnswerTo(Option<Box<dyn FnOnce(Reply) + Send>>);

impl AnswerTo {
    pub fn new(answer: impl FnOnce(Reply) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// For commands of the desk itself that nobody waits for.
    pub const fn nobody() -> Self {
        Self(None)
    }

    pub fn give(mut self, reply: Reply) {
        if let Some(answer) = self.0.take() {
            answer(reply);
        }
    }

    pub fn refuse(self, refusal: Refusal) {
        self.give(Reply::Refused(refusal));
    }
}

impl Drop for AnswerTo {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Reply::Refused(super::owner::unavailable()));
        }
    }
}

/// A command on its way to a conversation.
pub struct Deliver {
    pub ask: Ask,
    /// Names messages for ever (protocol 2: `id` of `send` is the idempotency key).
    pub client: Option<ClientKey>,
    pub origin: Option<Origin>,
    pub answer: AnswerTo,
}

/// A command with its address.
pub struct Parcel {
    pub conversation: ConversationId,
    pub start: Start,
    pub deliver: Deliver,
}

/// A hint of one side for the other: typing or a read mark. May be dropped.
pub struct Hint {
    pub from: Who,
    pub session: SessionId,
    pub frame: Bytes,
}
