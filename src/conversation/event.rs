//! What happened: the entries of a conversation's log, in domain form.
//!
//! Pure. An entry is an event with its position, its moment and its author. Events are facts: they are applied
//! (`apply.rs`), never judged. The wire and stored forms are other types (`wire/`, `journal/record.rs`).

use super::content::Content;
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ChannelId, GroupId, OfferId, RuleId, Seq, ShopId, VisitorId};
use std::sync::Arc;

/// Who wrote an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Author {
    Visitor { id: VisitorId, name: Option<Arc<str>> },
    Agent { id: AgentId, name: Arc<str> },
    Bot,
    System,
}

/// Who sees a conversation's log, and so which entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    Visitor,
    Desk,
}

/// Why a conversation came back to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    Visitor,
    Agent,
    Idle,
    Abandoned,
    System,
}

/// What one routing rule adds to a head start, before the clamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadStartPart {
    pub rule: RuleId,
    pub head_start_s: u64,
}

/// Why an agent got a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// In a few words (`picked`, `accepted`, or routing's sentence).
    pub words: Arc<str>,
    /// What brought it forward; empty where routing did not decide, or nothing did.
    pub head_start_parts: Box<[HeadStartPart]>,
}

impl From<&str> for Why {
    fn from(words: &str) -> Self {
        Self { words: words.into(), head_start_parts: Box::default() }
    }
}

impl From<String> for Why {
    fn from(words: String) -> Self {
        words.as_str().into()
    }
}

/// What is said of a conversation when it is ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closing {
    pub reason: Option<Arc<str>>,
    pub disposition: Option<Arc<str>>,
    pub tags: Vec<Arc<str>>,
}

impl Closing {
    /// Where nothing is said now, what was said before holds.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        Self {
            reason: self.reason.or(before.reason),
            disposition: self.disposition.or(before.disposition),
            tags: if self.tags.is_empty() { before.tags } else { self.tags },
        }
    }

    /// The end of a conversation of which this is said.
    pub fn ended(self, by: ClosedBy) -> Event {
        let Self { reason, disposition, tags } = self;
        Event::Closed { by, reason, disposition, tags }
    }
}

/// Where a transfer leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferTarget {
    Group(GroupId),
    Agent(AgentId),
}

/// What a conversation starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub shop: ShopId,
    pub channel: ChannelId,
    pub visitor: VisitorId,
    pub visitor_name: Option<Arc<str>>,
    /// BCP 47, as the client said it; `None` where it said nothing.
    pub locale: Option<Arc<str>>,
    pub subject: Option<Arc<str>>,
    /// A claim of the visitor's own client (protocol 11: `trusted` rules do not take it).
    pub intent: Option<Arc<str>>,
    /// From the shop's token, so trusted.
    pub tier: Option<Arc<str>>,
    /// `(name, value, trusted)`, sorted by name; trusted ones come from the shop's signed token.
    pub attributes: Vec<Attribute>,
}

/// A fact about the visitor or the errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub name: Arc<str>,
    pub value: Arc<str>,
    pub trusted: bool,
}

/// One fact about a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Opened(Box<Opening>),
    Message(Content),
    Queued {
        group: GroupId,
    },
    /// Nobody can answer now; what is written is stored and called back.
    MessageLeft {
        group: GroupId,
        contact: Option<Arc<str>>,
    },
    Offered {
        offer: OfferId,
        agent: AgentId,
        expires_at: Timestamp,
        seats: u32,
        /// What the rules gave it, in seconds (`src/routing/README.md`, *head start*).
        head_start_s: u32,
    },
    Assigned {
        agent: AgentId,
        agent_name: Arc<str>,
        group: GroupId,
        assign_seq: AssignSeq,
        reason: Why,
        waited_ms: u64,
        seats: u32,
        head_start_s: u32,
    },
    Transferred {
        from: Option<AgentId>,
        to: TransferTarget,
        group: GroupId,
        assign_seq: AssignSeq,
    },
    Requeued {
        agent: Option<AgentId>,
        reason: RequeueReason,
        group: GroupId,
        assign_seq: AssignSeq,
    },
    BotJoined,
    BotLeft,
    Escalated {
        reason: Arc<str>,
    },
    /// The visitor has been silent; the conversation ends soon unless they write.
    IdleReminder {
        ends_at: Timestamp,
    },
    /// Its agent has ended it and finishes up; what they said of it stands in the `Closed` that follows.
    WrapUp {
        ends_at: Timestamp,
        closing: Closing,
    },
    Rated {
        score: u8,
        comment: Option<Arc<str>>,
    },
    Recalled {
        seq: Seq,
    },
    Closed {
        by: ClosedBy,
        reason: Option<Arc<str>>,
        disposition: Option<Arc<str>>,
        tags: Vec<Arc<str>>,
    },
    Reopened,
}

impl Event {
    /// Whether `view` sees this entry (protocol 6; for notes protocol 5).
    pub const fn visible_to(&self, view: View) -> bool {
        match view {
            View::Desk => true,
            View::Visitor => match self {
                Self::Message(content) => !content.is_note(),
                Self::Opened(_)
                | Self::Queued { .. }
                | Self::MessageLeft { .. }
                | Self::Assigned { .. }
                | Self::Transferred { .. }
                | Self::BotJoined
                | Self::BotLeft
                | Self::IdleReminder { .. }
                | Self::Rated { .. }
                | Self::Recalled { .. }
                | Self::Closed { .. }
                | Self::Reopened => true,
                Self::Offered { .. }
                | Self::Requeued { .. }
                | Self::Escalated { .. }
                | Self::WrapUp { .. } => false,
            },
        }
    }
}

/// An event in its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub seq: Seq,
    /// The entry before this one that the visitor may see; 0 where there is none. For the desk it is `seq - 1`.
    pub visitor_prev: Seq,
    /// Stamped by the store in the commit.
    pub at: Timestamp,
    pub author: Author,
    pub event: Event,
}

impl Entry {
    /// The entry before this one that `view` may see.
    pub const fn prev(&self, view: View) -> Seq {
        match view {
            View::Desk => self.seq.saturating_sub(1),
            View::Visitor => self.visitor_prev,
        }
    }
}
