//! One conversation that waits, with everything the engine knows of it.
//!
//! Refuses to decide: the engine moves it between stages.

use super::capacity::AgentRow;
use super::input::Arrival;
use super::queue::{Place, Queue};
use super::register::{Known, Register};
use super::signature::Signature;
use super::slab::Slot;
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ConversationId};

/// Which of its steps an item is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepAt {
    /// Only the wanted agent.
    Wanted,
    /// A step of the deciding rule.
    Rule(u32),
    /// Anyone in the group.
    Open,
}

/// Where agents find it, once it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lane {
    /// Not to be found: pending, parked or suspended.
    Unlisted,
    Signature(Slot<Signature>),
    /// In the side lists of these agents.
    Named(Box<[Slot<AgentRow>]>),
}

/// What is awaited of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaiting {
    /// The outcome of an assignment.
    Assignment,
    /// That the offer is out.
    Offer { expires_at: Timestamp },
    /// The agent's answer.
    Answer { expires_at: Timestamp },
    /// The end of an offer that was expired or withdrawn.
    OfferEnd { expired: bool },
}

/// A decision that holds the agent's seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) agent: Slot<AgentRow>,
    pub(super) awaiting: Awaiting,
    /// The number of the wait; an outcome deadline of another number is over.
    pub(super) number: u64,
}

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Pending(Pending),
    /// The store said that the engine's picture is old; waits for news, at most `outcome_ms`.
    Parked {
        number: u64,
    },
}

/// A waiting conversation. What a decision reads stands here; the rest stays behind one pointer.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) queue: Slot<Queue>,
    pub(super) seats: u32,
    pub(super) stage: Stage,
    pub(super) suspended: bool,
    /// Whether it stands in the group's order and in its lane. A conversation that is assigned the moment it
    /// arrives stands in neither.
    pub(super) in_order: bool,
    pub(super) in_lane: bool,
    pub(super) lane: Lane,
    pub(super) step: StepAt,
    pub(super) step_ends_at: Option<Timestamp>,
    /// The rule whose steps it follows.
    pub(super) deciding: Option<u32>,
    /// Its entry among the deadlines.
    pub(super) deadline: Option<Timestamp>,
    pub(super) head_start_ms: u64,
    pub(super) strict: bool,
    pub(super) bumped: bool,
    pub(super) overflow_asked: bool,
    /// Whether anybody declined it.
    pub(super) was_declined: bool,
    pub(super) waited_before_ms: u64,
    pub(super) assign_seq: AssignSeq,
    pub(super) promised_by: Option<Timestamp>,
    /// As it arrived; its facts and who declined are kept up to date.
    pub(super) arrival: Box<Arrival>,
}

impl Item {
    /// An item before its score and its steps are known.
    pub(super) fn new(mut arrival: Box<Arrival>, queue: Slot<Queue>) -> Self {
        let declined = std::mem::take(&mut arrival.declined);
        let Arrival { conversation, enqueued_at, waited_before_ms, .. } = *arrival;
        let mut item = Self {
            place: Place::new(conversation, enqueued_at, waited_before_ms, 0, false),
            queue,
            seats: arrival.seats,
            stage: Stage::Waiting,
            suspended: arrival.suspended,
            in_order: false,
            in_lane: false,
            lane: Lane::Unlisted,
            step: StepAt::Open,
            step_ends_at: None,
            deciding: None,
            deadline: None,
            head_start_ms: 0,
            strict: false,
            bumped: false,
            overflow_asked: false,
            was_declined: false,
            waited_before_ms,
            assign_seq: arrival.assign_seq,
            promised_by: None,
            arrival,
        };
        declined.into_iter().for_each(|agent| item.decline(agent));
        item
    }

    pub(super) const fn id(&self) -> ConversationId {
        self.place.conversation
    }

    /// Remembers who declined; the oldest is forgotten past the eighth.
    pub(super) fn decline(&mut self, agent: AgentId) {
        let declined = &mut self.arrival.declined;
        if declined.contains(&agent) {
            return;
        }
        if declined.len() == Arrival::MAX_DECLINED {
            declined.remove(0);
        }
        declined.push(agent);
        self.was_declined = true;
    }

    /// The place that follows from its times and its head start.
    pub(super) fn place_by_score(&self) -> Place {
        Place::new(self.id(), self.place.enqueued_at, self.waited_before_ms, self.head_start_ms, self.strict)
    }

    /// Waiting for an agent and allowed to get one.
    pub(super) fn is_matchable(&self) -> bool {
        self.stage == Stage::Waiting && !self.suspended
    }

    /// Total time waited up to `now`.
    pub(super) const fn waited_ms(&self, now: Timestamp) -> u64 {
        self.waited_before_ms + now.since_millis(self.place.enqueued_at)
    }
}

/// All who wait.
pub(super) type Items = Register<Item>;

impl Known for Item {
    type Id = ConversationId;
    fn known_as(&self) -> ConversationId {
        self.id()
    }
    fn number(id: &ConversationId) -> u128 {
        id.as_u128()
    }
}
