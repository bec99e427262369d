//! What the supervisor is told and asked, from whichever node.

use crate::conversation::command::Landing;
use crate::conversation::event::RequeueReason;
use crate::conversation::state::State;
use crate::desk::directory::Directory;
use crate::ident::{AgentId, ConversationId, DomainId, GroupId, VisitorId};
use crate::refusal::Refusal;
use crate::routing::{Counters, Facts, GroupLoad, QueueRow, Wanted};
use crate::wire::rest::Explanation;
use std::sync::Arc;

/// Where a conversation that needs a person belongs.
#[derive(Debug, Clone)]
pub struct Place {
    pub group: Option<GroupId>,
    pub facts: Facts,
    /// The group is the desk's own word, not a visitor's claim.
    pub trusted: bool,
    /// The conversation that is to be opened, and the agent whom its visitor knows from before.
    pub returning: Option<(ConversationId, Wanted)>,
}

/// A question of where to place; answered once.
pub struct AskPlace {
    pub wish: Box<Place>,
    pub answer: Box<dyn FnOnce(Result<Landing, Refusal>) + Send>,
}

/// A conversation's phase, assignment or offer has changed.
pub struct Changed {
    pub state: Box<State>,
    pub requeued: Option<RequeueReason>,
}

/// A new configuration is in force.
pub struct Reconfigured(pub Arc<Directory>);

/// An agent takes new work, or no longer does.
pub struct Availability {
    pub agent: AgentId,
    pub available: bool,
}

/// A visitor's last connection has gone, or the first one is back.
#[derive(Clone)]
pub struct VisitorConnection {
    pub visitor: VisitorId,
    pub connected: bool,
}

/// One group's queue as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    pub load: GroupLoad,
    /// Its head, in order.
    pub items: Vec<QueueRow>,
    /// Whoever came last: what a newcomer has to expect.
    pub last: Option<QueueRow>,
}

/// All groups, by name.
pub type Queues = Vec<QueueView>;
/// Where live queues are shown.
pub type QueuesAnswer = Box<dyn FnOnce(Queues) + Send>;

/// Live queues, for whoever looks on.
pub struct AskQueues {
    pub items_per_group: usize,
    pub answer: QueuesAnswer,
}

/// What the engine has counted, for metrics.
pub struct AskCounters {
    pub answer: Box<dyn FnOnce(RoutingCounts) + Send>,
}

/// The engine's counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoutingCounts {
    pub counters: Counters,
    pub waiting: usize,
    pub agents: usize,
}

/// Why a conversation waits.
pub struct AskExplanation {
    pub conversation: ConversationId,
    /// The routing domain that it is of.
    pub domain: DomainId,
    pub answer: Box<dyn FnOnce(Option<Explanation>) + Send>,
}

/// Everything that any node may tell or ask a supervisor.
pub enum Heard {
    AskPlace(AskPlace),
    Changed(Changed),
    Availability(Availability),
    VisitorConnection(VisitorConnection),
    AskQueues(AskQueues),
    AskExplanation(AskExplanation),
}

macro_rules! heard {
    ($($name:ident),*) => {
        $(impl From<$name> for Heard {
            fn from(heard: $name) -> Self {
                Self::$name(heard)
            }
        })*
    };
}
heard!(AskPlace, Changed, Availability, VisitorConnection, AskQueues, AskExplanation);
