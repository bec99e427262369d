//! What nodes say to each other over the bus: one item a line, JSON, tagged by its kind.
//!
//! Nodes of two versions speak to each other during a roll: unknown fields are passed over, and an unknown kind is an
//! error that names it, so that it can be counted and passed over. Refuses to carry what must not be lost: whatever is
//! said here is in the store, or is asked again.

mod command;
mod fan;
mod people;
mod refusal;
mod routing;

pub use command::{AskForm, LandingForm, ReasonForm, ReplyForm, WhoForm};
pub use fan::{Fan, ForDesk, ForVisitor, Frame, News, Origin};
pub use people::{Names, People};
pub use refusal::RefusalForm;
pub use routing::{ChangedForm, PlaceForm, PlacedForm, QueueForm};

use crate::ident::{AgentId, ConversationId, DomainId, SessionId, VisitorId};
use crate::wire::client::PresenceStatus;
use crate::wire::rest::Explanation;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The number of a question, of the node that asks; its answer carries it back.
pub type Request = u64;

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// For the owner of a conversation.
    Command(Box<CommandItem>),
    Reply {
        request: Request,
        reply: ReplyForm,
    },
    /// The command came to a node that does not own the conversation.
    NotMine {
        request: Request,
    },
    /// Typing or a read mark, for the owner to pass on.
    Hint {
        conversation: ConversationId,
        from: WhoForm,
        session: SessionId,
        frame: Frame,
    },
    Changed(ChangedForm),
    Available {
        agent: AgentId,
        available: bool,
        #[serde(default = "DomainId::default_domain")]
        domain: DomainId,
    },
    Visitor {
        visitor: VisitorId,
        connected: bool,
        #[serde(default = "DomainId::default_domain")]
        domain: DomainId,
    },
    AskPlace {
        request: Request,
        /// See `Item::until_ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
        place: PlaceForm,
        #[serde(default = "DomainId::default_domain")]
        domain: DomainId,
    },
    Placed {
        request: Request,
        placed: PlacedForm,
    },
    AskQueues {
        request: Request,
        /// See `Item::until_ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
        items_per_group: usize,
        #[serde(default = "DomainId::default_domain")]
        domain: DomainId,
    },
    Queues {
        request: Request,
        queues: Vec<QueueForm>,
    },
    AskExplanation {
        request: Request,
        /// See `Item::until_ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
        conversation: ConversationId,
        #[serde(default = "DomainId::default_domain")]
        domain: DomainId,
    },
    Explained {
        request: Request,
        explanation: Option<Explanation>,
    },
    /// A supervisor has begun and knows nobody: agents say whether they take new work.
    RoutingBegan,
    /// For the actor of an agent.
    Agent {
        agent: AgentId,
        word: AgentWordForm,
    },
    SetPresence {
        request: Request,
        /// See `Item::until_ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
        agent: AgentId,
        presence: PresenceStatus,
        reason: Arc<str>,
        after_current: bool,
    },
    PresenceSet {
        request: Request,
        at_ms: Option<u64>,
        refused: Option<RefusalForm>,
    },
    /// A guest takes part in a conversation in its owner's place: what the owner remembers of it may be out of date.
    Overtaken {
        conversation: ConversationId,
    },
    /// Slots have moved: look at once.
    Moved,
    /// The configuration or the sign-ins that hold have changed: look at once.
    Configured,
    /// For sockets of the other node.
    Fan(Box<Fan>),
    /// Who is connected where.
    People(People),
}

impl Item {
    /// Of a question, the moment at which its asker does without an answer, by the database's clock; nobody may act on it
    /// later. `None` where it is no question, and of nodes that know no such moment.
    pub const fn until_ms(&self) -> Option<u64> {
        match self {
            Self::Command(command) => command.until_ms,
            Self::AskPlace { until_ms, .. }
            | Self::AskQueues { until_ms, .. }
            | Self::AskExplanation { until_ms, .. }
            | Self::SetPresence { until_ms, .. } => *until_ms,
            _ => None,
        }
    }
}

/// A command with its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandItem {
    pub request: Request,
    /// See `Item::until_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The latest command for this conversation whose answer its asker still waits for: not to be carried out before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Request>,
    pub conversation: ConversationId,
    /// The conversation has no entry yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    pub ask: AskForm,
    /// The key in two halves, and the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<(u64, u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<(SessionId, Arc<str>)>,
}

/// What an agent's actor is told without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentWordForm {
    ConnectionsChanged,
    Freed,
    Holding,
}

/// An item that cannot be read here; a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an item of another node cannot be read: {0}")]
pub struct ItemError(pub String);

/// One line, without its end.
///
/// # Errors
/// A value that JSON cannot carry; none of this program's has it.
pub fn encode(item: &Item) -> Result<Bytes, ItemError> {
    serde_json::to_vec(item).map(Bytes::from).map_err(|error| ItemError(error.to_string()))
}

/// Reads back what `encode` wrote.
///
/// # Errors
/// Garbage, or a kind that a later version has added; the sentence names it.
pub fn decode(line: &[u8]) -> Result<Item, ItemError> {
    serde_json::from_slice(line).map_err(|error| ItemError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fan() -> Fan {
        Fan::Entry {
            conversation: ConversationId::from_u128(1),
            seq: 7,
            visitor_prev: 5,
            visitor: Some(ForVisitor {
                id: VisitorId::new("v:小明").unwrap(),
                frame: Frame(Bytes::from_static(br#"{"type":"entry","seq":7}"#)),
            }),
            desk: Some(ForDesk {
                agents: [AgentId::from_u128(2)].into_iter().collect(),
                frame: Frame(Bytes::from_static(br#"{"type":"entry","seq":7,"note":"a\nb"}"#)),
            }),
            origin: Some(Origin { session: SessionId::from_u128(3), re: "r1".into() }),
        }
    }

    #[test]
    fn an_item_is_one_line_and_its_frames_go_through_as_they_are() {
        let line = encode(&Item::Fan(Box::new(fan()))).unwrap();
        assert!(!line.contains(&b'\n'));
        let frame = br#""frame":{"type":"entry","seq":7,"note":"a\nb"}"#;
        assert!(line.windows(frame.len()).any(|part| part == frame));
        let Ok(Item::Fan(heard)) = decode(&line) else { panic!("another item came back") };
        assert_eq!(*heard, fan());
    }

    #[test]
    fn unknown_fields_are_ignored_and_an_unknown_kind_is_named() {
        let later = br#"{"people":{"tell":{"since":7}}}"#;
        assert!(matches!(decode(later), Ok(Item::People(People::Tell {}))));
        let named = |line: &[u8]| decode(line).unwrap_err().to_string();
        assert!(named(br#"{"hats":{}}"#).contains("`hats`"));
        assert!(named(br#"{"fan":{"hats":{}}}"#).contains("`hats`"));
        assert!(decode(b"{}").is_err());
    }

    #[test]
    fn a_question_of_the_version_before_has_no_end_and_reads_as_ever() {
        let domain = DomainId::default_domain();
        let question =
            |until_ms| Item::AskQueues { request: 7, until_ms, items_per_group: 3, domain: domain.clone() };
        let before = br#"{"ask_queues":{"request":7,"items_per_group":3}}"#;
        assert_eq!(decode(before), Ok(question(None)));
        assert!(!String::from_utf8_lossy(&encode(&question(None)).unwrap()).contains("until_ms"));
        let line = encode(&question(Some(9))).unwrap();
        assert_eq!(decode(&line).map(|item| item.until_ms()), Ok(Some(9)));
    }
}
