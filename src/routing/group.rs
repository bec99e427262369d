//! What a manager says about a group: who is chosen, how work is handed over, and where it goes when it cannot stay.
//!
//! Plain records, checked once when they enter the engine. Refuses to hold anything live; that is `queue.rs` and
//! `capacity.rs`.

use super::decision::RoutingError;
use super::hours::Hours;
use crate::ident::GroupId;

/// Whom a group chooses among eligible agents with a free seat. Ties go to the longest idle, then to the lower id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Policy {
    /// Whose last change of load (or coming online) lies furthest back.
    #[default]
    LongestIdle,
    /// The smallest share of seats in use.
    LeastLoaded,
    /// Whose last turn lies furthest back, whatever they finished since.
    RoundRobin,
    /// The highest sum of levels in the skills that the conversation's step names.
    BestSkill,
}

impl Policy {
    /// The policy's name in settings and reasons.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LongestIdle => "longest_idle",
            Self::LeastLoaded => "least_loaded",
            Self::RoundRobin => "round_robin",
            Self::BestSkill => "best_skill",
        }
    }
}

/// How a conversation becomes an agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// It is assigned at once.
    #[default]
    Auto,
    /// It is offered and the agent answers.
    Manual,
}

/// Where an arrival goes that its group does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    Group(GroupId),
    LeaveMessage,
}

/// What happens outside business hours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WhenClosed {
    /// The arrival waits for the opening.
    Queue,
    /// The arrival leaves a message.
    #[default]
    LeaveMessage,
    Group(GroupId),
}

/// From this many waiting on, arrivals go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverflowAtLength {
    pub waiting: u32,
    pub to: Elsewhere,
}

/// After this wait in one queue, a conversation moves on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverflowAfter {
    pub after_s: u64,
    pub to: GroupId,
}

/// The group's ways out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overflow {
    pub at_length: Option<OverflowAtLength>,
    pub when_closed: WhenClosed,
    pub queued: Option<OverflowAfter>,
}

/// One rise of head start when a service-level deadline comes near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bump {
    /// Total time waited at which it comes, in seconds.
    pub after_s: u64,
    pub head_start_s: u64,
}

/// Agents that share a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub policy: Policy,
    pub accept: Accept,
    /// How long an offer stays open, in seconds.
    pub offer_s: u64,
    /// Most conversations that wait; arrivals beyond it leave a message.
    pub queue_ceiling: u32,
    pub overflow: Overflow,
    /// None: always open.
    pub hours: Option<Hours>,
    /// Whether a visitor's own client may ask for this group.
    pub public: bool,
    pub bump: Option<Bump>,
}

impl Group {
    /// Longest offer, in seconds.
    pub const MAX_OFFER_S: u64 = 3_600;
    /// Highest queue ceiling.
    pub const MAX_QUEUE_CEILING: u32 = 1_000_000;
    /// Longest time of a bump or an overflow, and most that a bump adds, in seconds.
    pub const MAX_TIME_S: u64 = 2_592_000;

    /// A group with the product's defaults: longest idle, assigned at once, offers of 20 s, ceiling 10 000.
    pub fn new(id: GroupId) -> Self {
        Self {
            id,
            policy: Policy::default(),
            accept: Accept::default(),
            offer_s: 20,
            queue_ceiling: 10_000,
            overflow: Overflow::default(),
            hours: None,
            public: true,
            bump: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), RoutingError> {
        if !(1..=Self::MAX_OFFER_S).contains(&self.offer_s) {
            return Err(RoutingError::Invalid { what: "offer_s", rule: "1 to 3600 seconds" });
        }
        if !(1..=Self::MAX_QUEUE_CEILING).contains(&self.queue_ceiling) {
            return Err(RoutingError::Invalid { what: "queue_ceiling", rule: "1 to 1000000 conversations" });
        }
        if self.overflow.queued.as_ref().is_some_and(|queued| queued.after_s == 0 || queued.to == self.id) {
            return Err(RoutingError::Invalid {
                what: "overflow.queued",
                rule: "after at least one second, to another group",
            });
        }
        let times = [
            ("overflow.queued.after_s", self.overflow.queued.as_ref().map(|queued| queued.after_s)),
            ("bump.after_s", self.bump.map(|bump| bump.after_s)),
            ("bump.head_start_s", self.bump.map(|bump| bump.head_start_s)),
        ];
        match times.into_iter().find(|(_, time_s)| time_s.is_some_and(|time_s| time_s > Self::MAX_TIME_S)) {
            Some((what, _)) => Err(RoutingError::Invalid { what, rule: "at most 2592000 seconds (30 days)" }),
            None => Ok(()),
        }
    }
}
