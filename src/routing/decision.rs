//! What the engine says: who gets what, where an arrival belongs, and what it cannot take.
//!
//! A decision is a proposal: the store's assign operation alone makes it true. Refuses to be an effect.

use super::group::Policy;
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ConversationId, GroupId};
use std::fmt;

/// How the winner was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The group's policy chose among the free agents.
    Policy(Policy),
    /// The agent had a seat freed and this was the first in order whom they can serve.
    FirstInOrder,
    /// The conversation wanted this agent.
    Wanted,
    /// The step names the agent.
    Named,
}

/// Why this agent, and why now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    pub chosen: Chosen,
    /// Eligible agents with free seats at that moment.
    pub free_agents: u32,
    pub head_start_ms: u64,
    pub waited_ms: u64,
}

/// As a code: clients put it into words; the time waited and the head start stand beside it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.chosen {
            Chosen::Policy(policy) => policy.name(),
            Chosen::FirstInOrder => "first_in_order",
            Chosen::Wanted => "agent_of_before",
            Chosen::Named => "named_by_step",
        })
    }
}

/// A conversation and an agent. The seats count as taken until the outcome is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    pub conversation: ConversationId,
    pub agent: AgentId,
    pub group: GroupId,
    pub seats: u32,
    /// As the conversation arrived with.
    pub assign_seq: AssignSeq,
    pub reason: Reason,
}

/// One thing to be done. Each `Assign` and `Offer` wants its outcome reported (`Confirmed`, `Refused`), each
/// `ExpireOffer` and `WithdrawOffer` an `OfferEnded` (or `Held`, where the agent accepted at the last moment).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Assign(Match),
    Offer {
        offer: Match,
        expires_at: Timestamp,
    },
    ExpireOffer {
        conversation: ConversationId,
        agent: AgentId,
    },
    /// The agent is away.
    WithdrawOffer {
        conversation: ConversationId,
        agent: AgentId,
    },
    /// Waited too long here; requeue it there (it arrives again with its new group).
    Overflow {
        conversation: ConversationId,
        assign_seq: AssignSeq,
        from: GroupId,
        to: GroupId,
    },
    /// Missed so many offers in a row.
    SetAway {
        agent: AgentId,
        missed_offers: u32,
    },
}

/// Why an arrival is asked to leave a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoQueue {
    /// Outside business hours; when they begin again, where that is within a year.
    Closed { opens_at: Option<Timestamp> },
    /// As many wait as the group takes.
    Full { waiting: u32 },
}

/// Where an arrival belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    Queue {
        group: GroupId,
        head_start_ms: u64,
        /// The group it was meant for, where that was closed or too long.
        overflowed_from: Option<GroupId>,
    },
    LeaveMessage {
        group: GroupId,
        reason: NoQueue,
    },
}

/// What the engine refuses, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    #[error("group `{0}` is not known: create it first")]
    UnknownGroup(GroupId),
    #[error("agent {0} is not known: create it first")]
    UnknownAgent(AgentId),
    #[error("{waiting} conversations wait in group `{group}`: transfer or close them before it is removed")]
    GroupInUse { group: GroupId, waiting: usize },
    #[error("{what}: {rule}")]
    Invalid { what: &'static str, rule: &'static str },
}
