//! The history checker: what clients did and saw, judged against the log that the desk kept.
//!
//! Pure, and one for all: the load driver, the kill tests and later the simulation feed it the same observations.
//! It works per conversation: `observe` as things happen, `settle` once the final log has been read back, which
//! judges the conversation and forgets it, so that memory follows the live conversations and not the run's length.
//!
//! Two rules for who feeds it. The order of `observe` is the order of real time: a call is told before it is put on
//! the wire, an answer after it came off it. And every message of one sender in one conversation has content of its
//! own, because a log read back carries no client ids: the content's digest is what finds a message again.
//!
//! It refuses to guess: a send without an answer is unknown and may stand in the log once or not at all.

mod checker;
mod dossier;
mod fold;
mod seats;
mod verdict;

#[cfg(test)]
mod tests;

pub use checker::{Checker, Limits};
pub use verdict::{Counts, Invariant, Verdict, Violation};

use crate::ident::{AgentId, AssignSeq, ConversationId, Seq};
use std::sync::Arc;

/// Who speaks or acts in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    Visitor(Arc<str>),
    Agent(AgentId),
    Bot,
    System,
}

/// One memory of positions: it keeps its place over reconnects and sees each entry at most once (FO-1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    pub party: Party,
    pub number: u32,
}

/// What an entry says, as far as the invariants care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Words of a person or the bot; `note` is never shown to visitors.
    Message {
        digest: u64,
        note: bool,
    },
    /// A message that was taken back: its content is gone, its place stays.
    Redacted,
    /// `agent` is `None` in the visitor's view, which carries a name only.
    Assigned {
        agent: Option<AgentId>,
        assign_seq: Option<AssignSeq>,
    },
    Transferred {
        assign_seq: Option<AssignSeq>,
    },
    Requeued {
        assign_seq: Option<AssignSeq>,
    },
    Closed,
    Reopened,
    /// Any other event, by the digest of its name; `hidden` ones are not for visitors.
    Event {
        name_digest: u64,
        hidden: bool,
    },
}

impl Said {
    /// Whether a visitor may see it (protocol 6; for notes protocol 5).
    const fn is_for_visitors(&self) -> bool {
        match self {
            Self::Message { note, .. } => !*note,
            Self::Event { hidden, .. } => !*hidden,
            Self::Requeued { .. } => false,
            Self::Redacted
            | Self::Assigned { .. }
            | Self::Transferred { .. }
            | Self::Closed
            | Self::Reopened => true,
        }
    }
}

/// Which entries a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    Visitor,
    Desk,
}

/// One entry of the final log, in the desk's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub seq: Seq,
    /// Milliseconds since 1970, as the store stamped it.
    pub at_ms: u64,
    pub author: Party,
    pub said: Said,
}

/// One thing that a client did or saw in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A `send` is about to go out, the first time or again under the same id.
    Called {
        sender: Party,
        client_id: Arc<str>,
        digest: u64,
    },
    Acked {
        sender: Party,
        client_id: Arc<str>,
        seq: Seq,
    },
    /// An `error` for a `send`; `again` where the code allows the same id to be repeated.
    Refused {
        sender: Party,
        client_id: Arc<str>,
        again: bool,
    },
    /// An entry that the device's client rule took (protocol 10); ignored repeats are not told.
    Took {
        device: Device,
        sight: Sight,
        seq: Seq,
        prev: Seq,
        author: Party,
        said: Said,
    },
    /// The device is connected, nothing is on its way, and this is its position (FO-2).
    Rested {
        device: Device,
        cursor: Seq,
    },
    /// An `assigned` frame on the agent's socket.
    Assigned {
        agent: AgentId,
        assign_seq: AssignSeq,
    },
    /// An `unassigned` frame on the agent's socket.
    Unassigned {
        agent: AgentId,
    },
}

/// An observation and the conversation that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub conversation: ConversationId,
    pub what: Observation,
}

/// The digest by which a content is found again in a log.
pub fn digest(content: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(content)
}
