//! The journal: the truth. What it has committed happened; nothing else did.
//!
//! This file is the port and its contract; `ledger` holds the rules that every adapter runs inside its transaction
//! (pure, written once); `memory` and `sqlite` make them durable or not; `contract` is the one suite for all adapters.
//!
//! The contract, beyond what the types say:
//! - Replies are called in the order of submission, each exactly once, on a thread of the journal's or (`memory`) before
//!   `submit` returns: a reply must only enqueue and never block, and the caller holds no lock that the reply takes. It is
//!   called after COMMIT, never before (CV-3).
//! - Entries of one conversation have consecutive positions (CV-1). One refused write never spoils its neighbours.
//! - `ledger::admit` is the only door to an entry, an assignee and a load. No adapter writes these otherwise.
//! - A committed `Recalled { seq }` replaces the content of entry `seq` by `ledger::redacted` in the same transaction; the
//!   entry and its position stay.
//! - A claim of a conversation that has no entry yet is answered and leaves no trace: there is nothing to fence.
//! - When the queue is full, `submit` gives the operation back; nobody waits inside the journal.
//! - `Failed` means that the outcome is unknown: the caller throws its memory away, loads again, and repeats with the
//!   same client key.
//!
//! Refuses: to know policies, timers, routing, sockets or JSON frames.

mod chain;
mod filter;
pub mod lane;
pub mod ledger;
pub mod memory;
pub mod meters;
pub mod postgres;
mod record;
pub mod sqlite;
pub mod stored;

#[cfg(test)]
mod contract;

use crate::clock::Timestamp;
use crate::cluster::slots::SlotSet;
use crate::conversation::event::{Author, Entry, Event};
use crate::conversation::state::{Phase, State};
use crate::ident::{
    AgentId, AssignSeq, ChannelId, ConversationId, Epoch, GroupId, OfferId, Seq, ShopId, VisitorId,
};
use crate::refusal::Refusal;
use std::sync::Arc;

/// Names one command of one sender for ever: the same key is the same message, however often it comes (JR-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// 128 bits of SHA-256 over sender and client id.
    pub key: u128,
    /// 64 bits of SHA-256 over the content: same key with another digest is a conflict.
    pub digest: u64,
}

/// What the writer believed when it decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A message: any head will do, the log orders it.
    AnyHead,
    /// An agent's message: it rests on the assignment under which it was allowed, at any head.
    Assignment(AssignSeq),
    /// A decision: it holds only on top of this head.
    Head(Seq),
    /// What rests on writes that are still under way: should they be refused, others' entries may reach the same numbers.
    Footing(Footing),
}

/// Where a conversation stands, as far as decisions rest on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footing {
    /// `None` for words, which the log orders.
    pub head: Option<Seq>,
    pub assign_seq: AssignSeq,
    pub holder: Option<AgentId>,
    pub phase: Phase,
    pub offer: Option<OfferId>,
}

impl Footing {
    /// Of a decision on `state`.
    pub fn of_decision(state: &State) -> Self {
        Self { head: Some(state.head), ..Self::of_words(state) }
    }

    /// Of an agent's words, which may come behind others' words.
    pub fn of_words(state: &State) -> Self {
        Self {
            head: None,
            assign_seq: state.assign_seq,
            holder: state.assignee,
            phase: state.phase,
            offer: state.offer.as_ref().map(|offer| offer.offer),
        }
    }

    /// Whether `state` is what was supposed.
    pub fn is_under(self, state: &State) -> bool {
        let (decision, words) = (Self::of_decision(state), Self::of_words(state));
        // Others' words may have changed whose turn it is, not whose conversation.
        if self.head.is_some() { self == decision } else { self == Self { phase: self.phase, ..words } }
    }
}

/// Entries that shall be appended to one conversation, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub conversation: ConversationId,
    /// The writer's epoch; below the conversation's fence it is stale (JR-3).
    pub epoch: Epoch,
    pub client: Option<ClientKey>,
    pub guard: Guard,
    /// With no events the write is a probe: it tells whether `client` is known and, where it is not, whether epoch and
    /// guard hold; it appends nothing.
    pub events: Vec<(Author, Event)>,
    /// When the conversation wants to be woken by the sweep; early is harmless, late is not.
    pub wake_at: Option<Timestamp>,
}

/// What became of a `Write`.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// On disk. The entries have their final positions and moments.
    Committed { entries: Vec<Entry> },
    /// The client key stands in the log already, at this position, with the same content.
    Duplicate { seq: Seq, at: Timestamp },
    /// The client key stands in the log with other content.
    Conflict { seq: Seq },
    /// A probe found nothing: its client key is not known, and what its writer believed is so.
    Unknown,
    /// The writer's epoch is below the fence: somebody else owns this conversation now.
    Stale { fence: Epoch },
    /// The guard did not hold: load again and decide again.
    Reload { head: Seq },
    /// The shop's visitor already has this live conversation on the channel.
    Exists { conversation: ConversationId },
    /// The rules of the ledger forbid it; nothing was written.
    Refused(Refusal),
    /// The store failed and the outcome is unknown.
    Failed { reason: Arc<str> },
}

/// An agent's presence as they or an administrator set it; connections are another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    Online,
    Away,
    Offline,
}

/// An agent's row in the store: what assignments are checked against (RT-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentSeats {
    pub agent: AgentId,
    pub presence: Presence,
    pub capacity: u32,
    /// Seats held by assignments and open offers.
    pub load: u32,
    /// Rises by one with every change of presence or capacity.
    pub version: u64,
}

/// A journaled change of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentChange {
    /// Creates the row (offline) or sets the capacity in seats; lowering it below the load is allowed and only stops new work.
    Capacity(u32),
    Presence {
        presence: Presence,
        reason: Arc<str>,
    },
}

/// An operation of the journal's single writer.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    Write(Write),
    /// Raises the conversation's fence to `epoch` (stale if it is higher already) and reads its state after that. Under
    /// `ident::GUEST` it only reads.
    Claim {
        conversation: ConversationId,
        epoch: Epoch,
    },
    Agent {
        agent: AgentId,
        change: AgentChange,
    },
    /// Moves the moment of the next wake-up and nothing else; only for a writer whose epoch is not below the fence and
    /// who knows where the log ends.
    Reschedule {
        conversation: ConversationId,
        epoch: Epoch,
        /// Where the log ends as far as the writer knows.
        head: Seq,
        wake_at: Timestamp,
    },
}

/// The answer to an `Op`, of the same name.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    Write(Outcome),
    /// `state` is `None` for a conversation that has no entry yet.
    Claimed {
        state: Option<Box<State>>,
    },
    /// The epoch of a claim or of a rescheduling is below the fence: somebody else owns this conversation now.
    Stale {
        fence: Epoch,
    },
    Agent(AgentSeats),
    Rescheduled,
    /// The log ends elsewhere than the writer believed; the wake-up stays as it is.
    NotRescheduled {
        head: Seq,
    },
    /// The agent is unknown, and the change does not create it.
    NoAgent,
    /// The store failed; what became of the operation is unknown. A `Write` is always answered by `Done::Write`.
    Failed {
        reason: Arc<str>,
    },
}

/// Called once with the operation's answer, on a thread of the journal's; must only enqueue.
pub type Reply = Box<dyn FnOnce(Done) + Send>;

/// The journal's queue is full; the operation comes back unharmed.
#[derive(Debug)]
pub struct Full(pub Box<Op>);

/// Part of a conversation's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// The conversation's head in the same snapshot.
    pub head: Seq,
    pub visitor_head: Seq,
}

/// Which conversations a listing wants; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub phases: Vec<Phase>,
    pub group: Option<GroupId>,
    pub agent: Option<AgentId>,
    pub visitor: Option<VisitorId>,
    pub channel: Option<ChannelId>,
    pub shop: Option<ShopId>,
    pub opened_from: Option<Timestamp>,
    pub opened_to: Option<Timestamp>,
    /// Part of the subject, the visitor's name or the visitor's id.
    pub text: Option<String>,
}

/// A question to the journal's readers. Answers see every write whose reply was called before the question was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    State(ConversationId),
    /// Entries with `seq > after`, at most `limit`, in order.
    History {
        conversation: ConversationId,
        after: Seq,
        limit: u32,
    },
    /// Newest first; `before` is the last id of the page before.
    Conversations {
        filter: Box<Filter>,
        before: Option<ConversationId>,
        limit: u32,
    },
    /// Where the logs of these conversations end; unknown ones are left out, the order is the store's.
    Heads(Vec<ConversationId>),
    /// Live conversations that wait for an agent, by id after `after`: the sweep and the supervisor's rebuild.
    Waiting {
        after: Option<ConversationId>,
        limit: u32,
    },
    /// Live conversations assigned or offered to the agent, oldest first.
    HeldBy(AgentId),
    /// Live conversations of the visitor, in every channel of the shop.
    LiveOf {
        shop: ShopId,
        visitor: VisitorId,
    },
    /// Conversations of these slots with `wake_at <= now`, the earliest first. Where very many of other slots are due
    /// before them, not all that are due may be found.
    Due {
        now: Timestamp,
        limit: u32,
        slots: SlotSet,
    },
    Agents,
    /// What was committed after this mark by whomever, at most `limit` entries; without a mark only the present one.
    Tail {
        since: Option<Mark>,
        limit: u32,
    },
    /// Counts for the front page and `/metrics`.
    Totals,
}

/// A place in the order in which commits became visible, in a form that only the store reads that gave it. Nothing is
/// missed between two marks, however long a commit had been under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(Arc<str>);

#[cfg(test)]
impl Mark {
    /// A mark of no store's.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What was committed between two marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// From where to go on.
    pub mark: Mark,
    /// Nothing more is to be had now.
    pub is_whole: bool,
    pub changes: Vec<Change>,
}

/// One conversation's part in a tail.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// As of the answer, which may be later than the entries.
    pub state: State,
    /// By rising positions; of some, the redacted form alone is left.
    pub entries: Vec<Entry>,
}

/// The answer to a `Query`.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    State(Option<Box<State>>),
    /// `None`: there is no such conversation.
    History(Option<Page>),
    States(Vec<State>),
    Heads(Vec<Head>),
    Due(Vec<ConversationId>),
    Agents(Vec<AgentSeats>),
    Tail(Tail),
    Totals(Totals),
    /// The store could not be read; say `unavailable` and try again.
    Failed {
        reason: Arc<str>,
    },
}

/// Where a conversation's log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub conversation: ConversationId,
    pub head: Seq,
    /// The last entry that the visitor may see.
    pub visitor_head: Seq,
    pub live: bool,
}

impl Head {
    fn of(state: &State) -> Self {
        Self {
            conversation: state.id,
            head: state.head,
            visitor_head: state.visitor_head,
            live: state.phase.is_live(),
        }
    }
}

/// Conversations and entries in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub conversations: u64,
    pub live: u64,
    pub entries: u64,
}

/// Called once with the answer, on a thread of the journal's or (`memory`) before `ask` returns; must only enqueue.
pub type AnswerTo = Box<dyn FnOnce(Answer) + Send>;

/// The store's readers are busy and their queue is full; the question comes back.
#[derive(Debug)]
pub struct Busy(pub Query);

/// How far an acknowledged word has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It survives any crash of this machine or server, not the loss of its disk.
    Local,
    /// A standby has it too.
    Replicated,
}

/// The port. `memory` is the reference for simulation and comparison, `sqlite` serves one machine, `postgres` keeps the
/// truth on a database server.
pub trait Journal: Send + Sync {
    /// Hands an operation to the single writer.
    ///
    /// # Errors
    /// `Full` gives the operation back when the bounded queue is full; `reply` is dropped uncalled.
    fn submit(&self, op: Op, reply: Reply) -> Result<(), Full>;

    /// Puts a question to the readers.
    ///
    /// # Errors
    /// `Busy` gives the question back when the bounded queue is full; `answer` is dropped uncalled.
    fn ask(&self, query: Query, answer: AnswerTo) -> Result<(), Busy>;

    /// Whether writes may succeed now; false means that they are answered `Failed` at once.
    fn takes_writes(&self) -> bool {
        true
    }

    /// How far a word has gone whose reply was called.
    fn durability(&self) -> Durability {
        Durability::Local
    }
}

/// What an audit of the store found (`rushdesk audit`): every line is a broken invariant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    pub conversations: u64,
    pub entries: u64,
    /// `CV-1: conversation …: max(seq) 7, count 6`, …
    pub findings: Vec<String>,
}
