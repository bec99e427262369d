//! What the engine is told: configuration, presence, arrivals, and what became of its decisions.
//!
//! The inputs narrate the path of a conversation from its arrival to the freed seat. All are plain values in the
//! engine's own words; the supervisor translates. Refuses to carry messages, sessions or stored records.

use super::decision::RoutingError;
use super::group::Group;
use super::score::Rule;
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ChannelId, ConversationId, GroupId, ShopId, SkillId};
use std::sync::Arc;

/// Something the visitor or the desk says about the errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub value: Arc<str>,
    /// Not from the shopper's own client: from a signed token, the profile or the desk's own reading.
    pub trusted: bool,
}

/// A named fact about the visitor or the errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub name: Arc<str>,
    pub value: Arc<str>,
    /// Signed by the shop.
    pub trusted: bool,
}

/// What rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub shop: ShopId,
    pub channel: ChannelId,
    pub intent: Option<Claim>,
    /// From the shop's token or the profile only.
    pub tier: Option<Arc<str>>,
    pub attributes: Vec<Fact>,
    /// The visitor was here before, or returns after a drop.
    pub returning: bool,
    /// -100 furious to 100 delighted; `None` where nothing is known.
    pub sentiment: Option<i8>,
}

impl Facts {
    /// A visitor of whom nothing is known but shop and channel.
    pub const fn new(shop: ShopId, channel: ChannelId) -> Self {
        Self {
            shop,
            channel,
            intent: None,
            tier: None,
            attributes: Vec::new(),
            returning: false,
            sentiment: None,
        }
    }
}

/// An agent's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub groups: Vec<GroupId>,
    /// Each with its level, 1 to 5.
    pub skills: Vec<(SkillId, u8)>,
    /// BCP 47.
    pub languages: Vec<Arc<str>>,
    /// Seats.
    pub capacity: u32,
}

impl Agent {
    /// Highest level of a skill.
    pub const MAX_LEVEL: u8 = 5;
    /// Most seats of an agent. Shares of seats stay exact up to here (`capacity.rs`).
    pub const MAX_CAPACITY: u32 = 200;

    /// The agent's level in `skill`; 0 without it.
    pub fn level(&self, skill: &SkillId) -> u8 {
        self.skills.iter().find(|(known, _)| known == skill).map_or(0, |(_, level)| *level)
    }

    pub(super) fn check(&self) -> Result<(), RoutingError> {
        if self.capacity > Self::MAX_CAPACITY {
            return Err(RoutingError::Invalid { what: "capacity", rule: "0 to 200 seats" });
        }
        if self.skills.iter().any(|(_, level)| !(1..=Self::MAX_LEVEL).contains(level)) {
            return Err(RoutingError::Invalid { what: "skill level", rule: "1 to 5" });
        }
        Ok(())
    }
}

/// The agent that a conversation should come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub agent: AgentId,
    /// How long nobody else is tried while that agent is online, in seconds from the enqueueing. 0: the agent is
    /// only preferred when free.
    pub hard_for_s: u64,
    /// The agent may serve it without belonging to its group (a transfer to a person).
    pub any_group: bool,
}

/// An offer that was out when the engine was (re)built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOffer {
    pub agent: AgentId,
    pub expires_at: Timestamp,
}

/// A conversation that waits for an agent. Arriving again replaces what was known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub conversation: ConversationId,
    /// Where the desk queued it (the answer of `Engine::place`, a transfer, an overflow).
    pub group: GroupId,
    pub facts: Box<Facts>,
    pub enqueued_at: Timestamp,
    /// Waiting time of earlier queueings that is kept.
    pub waited_before_ms: u64,
    /// Seats that it takes, 1 to 16 (the channel's weight).
    pub seats: u32,
    pub wanted: Option<Wanted>,
    /// Agents who are not to get it while others can; those beyond the eighth are not kept.
    pub declined: Vec<AgentId>,
    /// Under which its assignment will be checked; echoed in decisions.
    pub assign_seq: AssignSeq,
    /// Its visitor has had no connection for too long: it keeps its place and is not offered.
    pub suspended: bool,
    pub offered: Option<OpenOffer>,
}

impl Arrival {
    /// Most seats of one conversation.
    pub const MAX_SEATS: u32 = 16;
    /// Most declining agents that are remembered.
    pub const MAX_DECLINED: usize = 8;

    /// A plain arrival: one seat, nobody wanted, nothing waited before.
    pub const fn new(
        conversation: ConversationId,
        group: GroupId,
        facts: Box<Facts>,
        enqueued_at: Timestamp,
    ) -> Self {
        Self {
            conversation,
            group,
            facts,
            enqueued_at,
            waited_before_ms: 0,
            seats: 1,
            wanted: None,
            declined: Vec::new(),
            assign_seq: 0,
            suspended: false,
            offered: None,
        }
    }
}

/// Why the store's door refused a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The agent is not there; the agent gets nothing until the next input about them.
    AgentAway,
    /// The agent's seats are taken; the agent gets nothing until the next input about them.
    AtCapacity,
    /// The conversation has moved on; it is not tried again until it arrives anew or `outcome_ms` have passed.
    Stale,
    /// The store did not answer; tried again after `outcome_ms`.
    Unavailable,
}

/// How an offer ended without an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferEnd {
    Declined,
    /// The agent let it run out; three in a row set them away.
    Expired,
    Withdrawn,
}

/// One thing that happened. Unknown conversations and agents in what the store or the agents report are counted
/// (`Counters::late`) and ignored: the engine may be told late or twice without harm.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    GroupUpserted(Box<Group>),
    /// Refused while conversations wait in the group.
    GroupRemoved(GroupId),
    /// The whole list; effective at once for everybody who waits.
    RulesReplaced(Vec<Rule>),
    AgentUpserted(Box<Agent>),
    AgentRemoved(AgentId),
    /// Online, connected, and taking new work; or not.
    AgentAvailable {
        agent: AgentId,
        available: bool,
    },
    /// What the store says: this agent's seats are held by this conversation (assigned by whatever way).
    Held {
        agent: AgentId,
        conversation: ConversationId,
        seats: u32,
        group: GroupId,
    },
    /// What the store says: the conversation's seats are free again.
    Freed {
        agent: AgentId,
        conversation: ConversationId,
    },
    Arrived(Box<Arrival>),
    /// New facts (an intent found later, rising anger); a new head start counts at once.
    FactsChanged {
        conversation: ConversationId,
        facts: Box<Facts>,
    },
    /// It waits no longer: closed, abandoned, a message left, picked by hand.
    Left {
        conversation: ConversationId,
    },
    /// Its visitor has had no connection for too long.
    Suspended {
        conversation: ConversationId,
    },
    /// Its visitor is back.
    Resumed {
        conversation: ConversationId,
    },
    /// An `Assign` was committed, or an `Offer` is open.
    Confirmed {
        conversation: ConversationId,
        agent: AgentId,
    },
    Refused {
        conversation: ConversationId,
        agent: AgentId,
        reason: Refusal,
    },
    OfferEnded {
        conversation: ConversationId,
        agent: AgentId,
        how: OfferEnd,
    },
    /// The visitor was told to be served by then; kept or broken promises are counted.
    Promised {
        conversation: ConversationId,
        served_by: Timestamp,
    },
    /// `Engine::next_deadline` has come.
    Tick,
}
