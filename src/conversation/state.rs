//! What a conversation is now: the fold of its log, and nothing that the log does not say.
//!
//! Pure and small (one stands in memory for each live conversation): it holds no messages. It changes
//! by `apply` alone. Refuses to hold connections, timers' handles or anything that a crash could not rebuild.

use super::event::{Attribute, Closing, View};
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ChannelId, ConversationId, GroupId, OfferId, Seq, ShopId, VisitorId};
use smallvec::SmallVec;
use std::sync::Arc;

/// Where a conversation stands (protocol 2: `state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Created, not yet opened; no committed conversation is ever here.
    New,
    Bot,
    Queued,
    Offered,
    Active,
    WaitingVisitor,
    WrapUp,
    MessageLeft,
    Closed,
}

impl Phase {
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Bot,
        Self::Queued,
        Self::Offered,
        Self::Active,
        Self::WaitingVisitor,
        Self::WrapUp,
        Self::MessageLeft,
        Self::Closed,
    ];

    /// The protocol's name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Bot => "bot",
            Self::Queued => "queued",
            Self::Offered => "offered",
            Self::Active => "active",
            Self::WaitingVisitor => "waiting_visitor",
            Self::WrapUp => "wrap_up",
            Self::MessageLeft => "message_left",
            Self::Closed => "closed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// An agent holds it and answers.
    pub const fn is_assigned(self) -> bool {
        match self {
            Self::Active | Self::WaitingVisitor | Self::WrapUp => true,
            Self::New | Self::Bot | Self::Queued | Self::Offered | Self::MessageLeft | Self::Closed => false,
        }
    }

    /// It waits for an agent, with or without an offer out.
    pub const fn is_waiting(self) -> bool {
        match self {
            Self::Queued | Self::Offered => true,
            Self::New
            | Self::Bot
            | Self::Active
            | Self::WaitingVisitor
            | Self::WrapUp
            | Self::MessageLeft
            | Self::Closed => false,
        }
    }

    /// At most one conversation per shop, visitor and channel is live.
    pub const fn is_live(self) -> bool {
        match self {
            Self::New | Self::Closed => false,
            Self::Bot
            | Self::Queued
            | Self::Offered
            | Self::Active
            | Self::WaitingVisitor
            | Self::WrapUp
            | Self::MessageLeft => true,
        }
    }
}

/// The one offer that may be open (RT-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOffer {
    pub offer: OfferId,
    pub agent: AgentId,
    pub expires_at: Timestamp,
}

/// Seats that a conversation holds of an agent: while assigned, and while an offer is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatHold {
    pub agent: AgentId,
    pub seats: u32,
}

/// A conversation as of entry `head`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub id: ConversationId,
    pub phase: Phase,
    /// Last entry of the log; 0 before the first.
    pub head: Seq,
    /// Last entry that the visitor may see.
    pub visitor_head: Seq,
    pub shop: ShopId,
    pub channel: ChannelId,
    pub visitor: Option<VisitorId>,
    pub visitor_name: Option<Arc<str>>,
    pub locale: Option<Arc<str>>,
    pub subject: Option<Arc<str>>,
    pub intent: Option<Arc<str>>,
    pub tier: Option<Arc<str>>,
    pub attributes: Vec<Attribute>,
    pub group: Option<GroupId>,
    pub assignee: Option<AgentId>,
    pub assign_seq: AssignSeq,
    pub offer: Option<OpenOffer>,
    /// Seats held of the assignee or of the agent of the open offer; 0 where nobody holds it.
    pub seats: u32,
    /// What the rules gave it when it was last offered or assigned, in seconds.
    pub head_start_s: u32,
    /// The agent who should get it back first (transfer to an agent, returning visitor).
    pub wanted_agent: Option<AgentId>,
    /// The last agent who served it (sticky agent).
    pub last_agent: Option<AgentId>,
    /// Agents who declined or missed an offer of it since it was queued; the oldest are forgotten past eight.
    pub declined: SmallVec<[AgentId; 2]>,
    pub opened_at: Timestamp,
    /// When the present wait began; `None` while not waiting.
    pub enqueued_at: Option<Timestamp>,
    /// Waiting time of earlier queueings that is kept (`docs/INVARIANTS.md`, waited).
    pub waited_before_ms: u64,
    pub last_visitor_at: Timestamp,
    pub last_agent_at: Option<Timestamp>,
    /// Since when the visitor waits for an answer; `None` once an agent or the bot has answered.
    pub unanswered_since: Option<Timestamp>,
    pub reminded: bool,
    /// A message was left that nobody has answered yet: it waits for a call-back, with or without its visitor.
    pub call_back: bool,
    pub wrap_up_ends_at: Option<Timestamp>,
    /// What its agent said of it when the wrap-up began; `None` where they said nothing.
    pub closing: Option<Box<Closing>>,
    pub closed_at: Option<Timestamp>,
    pub rated: bool,
    /// Somebody of the desk has written since it was opened or reopened: there is something to rate.
    pub served: bool,
}

impl State {
    /// A conversation before its first entry.
    pub fn new(id: ConversationId) -> Self {
        Self {
            id,
            phase: Phase::New,
            head: 0,
            visitor_head: 0,
            shop: ShopId::default_shop(),
            channel: ChannelId::web(),
            visitor: None,
            visitor_name: None,
            locale: None,
            subject: None,
            intent: None,
            tier: None,
            attributes: Vec::new(),
            group: None,
            assignee: None,
            assign_seq: 0,
            offer: None,
            seats: 0,
            head_start_s: 0,
            wanted_agent: None,
            last_agent: None,
            declined: SmallVec::new(),
            opened_at: Timestamp::default(),
            enqueued_at: None,
            waited_before_ms: 0,
            last_visitor_at: Timestamp::default(),
            last_agent_at: None,
            unanswered_since: None,
            reminded: false,
            call_back: false,
            wrap_up_ends_at: None,
            closing: None,
            closed_at: None,
            rated: false,
            served: false,
        }
    }

    /// Whose seats this conversation holds. Loads are sums of these and of nothing else (RT-1).
    pub fn seat_hold(&self) -> Option<SeatHold> {
        let agent = match (&self.offer, self.assignee) {
            (Some(offer), _) => offer.agent,
            (None, Some(agent)) if self.phase.is_assigned() => agent,
            (None, _) => return None,
        };
        Some(SeatHold { agent, seats: self.seats })
    }

    /// What was said of it when its wrap-up began, for the entry that ends it.
    pub fn said_at_wrap_up(&self) -> Closing {
        self.closing.as_deref().cloned().unwrap_or_default()
    }

    /// Last entry that `view` may see: every `head` that leaves the desk is this one.
    pub const fn head_for(&self, view: View) -> Seq {
        match view {
            View::Desk => self.head,
            View::Visitor => self.visitor_head,
        }
    }

    /// Time waited for an agent up to `now`, over all queueings.
    pub fn waited_ms(&self, now: Timestamp) -> u64 {
        self.waited_before_ms + self.enqueued_at.map_or(0, |since| now.since_millis(since))
    }
}
