//! Ways between rooms that are built one after the other and need each other.
//!
//! Each is a function that a room was given instead of the room behind it; it finds that room once it stands. A way that
//! loses a message says so to its caller, or names who finds out by themselves.

use crate::agent;
use crate::agent::actor::AgentWord;
use crate::agent::registry::AgentRegistry;
use crate::cluster::exchange::Exchange;
use crate::conversation::delivery::{Elsewhere, HintElsewhere, IsUnderWay, PolicyOf, TellRouting};
use crate::conversation::event::Entry;
use crate::conversation::state::State;
use crate::desk::Desk;
use crate::desk::directory::{Defaults, Directory};
use crate::fanout::hub::Hub;
use crate::ident::AgentId;
use crate::supervisor;
use crate::supervisor::actor::Availability;
use crate::supervisor::addressing::Reach;
use crate::supervisor::registry::SupervisorRegistry;
use crate::wire::node::Item;
use std::sync::{Arc, OnceLock};

/// The rooms behind the ways.
#[derive(Default)]
pub(super) struct Ways {
    pub(super) supervisor: OnceLock<Arc<SupervisorRegistry>>,
    pub(super) agents: OnceLock<Arc<AgentRegistry>>,
    pub(super) desk: OnceLock<Arc<Desk>>,
}

pub(super) fn policy_of(ways: Arc<Ways>, defaults: Defaults) -> PolicyOf {
    Box::new(move |group| {
        ways.desk.get().map_or(defaults.conversation, |desk| desk.directory().policy_of(group))
    })
}

pub(super) fn tell_routing(ways: Arc<Ways>) -> TellRouting {
    Box::new(move |before, state: &State, entries: &[Entry]| {
        if let Some(supervisor) = ways.supervisor.get()
            && !supervisor.tell_of_change(Reach::Everywhere, before, state, entries)
        {
            tracing::warn!(conversation = ?state.id, "routing is busy; the sweep presents this conversation again");
        }
        let freed = before.filter(|agent| state.seat_hold().is_none_or(|hold| hold.agent != *agent));
        if let (Some(agent), Some(agents)) = (freed, ways.agents.get())
            && agents.tell(agent, AgentWord::Freed).is_err()
        {
            tracing::debug!(?agent, "an agent could not be told of a freed seat");
        }
    })
}

pub(super) fn tell_availability(ways: Arc<Ways>) -> Box<dyn Fn(AgentId, bool) -> bool + Send + Sync> {
    Box::new(move |agent, available| {
        let supervisor = ways.supervisor.get();
        let told = supervisor.is_some_and(|routing| routing.tell(Availability { agent, available }).is_ok());
        if !told {
            tracing::warn!(?agent, available, "routing is too busy to hear of an agent; it is told again");
        }
        told
    })
}

pub(super) fn is_connected(hub: Arc<Hub>) -> Box<dyn Fn(AgentId) -> bool + Send + Sync> {
    Box::new(move |agent| hub.is_agent_connected(agent))
}

/// The configuration that a supervisor begins with: `first` until the desk stands.
pub(super) fn directory_in_force(ways: Arc<Ways>, first: Directory) -> impl Fn() -> Arc<Directory> + Clone {
    let first = Arc::new(first);
    move || ways.desk.get().map_or_else(|| first.clone(), |desk| desk.directory())
}

pub(super) fn to_owner(exchange: Arc<Exchange>) -> Elsewhere {
    Box::new(move |parcel| exchange.deliver(parcel))
}

pub(super) fn is_under_way(exchange: Arc<Exchange>) -> IsUnderWay {
    Box::new(move |conversation| exchange.has_under_way(conversation))
}

pub(super) fn hint_to_owner(exchange: Arc<Exchange>) -> HintElsewhere {
    Box::new(move |node, conversation, hint| exchange.hint(node, conversation, &hint))
}

pub(super) fn to_agent(exchange: Arc<Exchange>) -> agent::registry::Elsewhere {
    Box::new(move |node, agent, word| exchange.tell_agent(node.as_ref(), agent, word))
}

pub(super) fn to_supervisor(exchange: Arc<Exchange>) -> supervisor::registry::Elsewhere {
    Box::new(move |node, domain, heard| exchange.tell_supervisor(node.as_ref(), domain, heard))
}

/// A supervisor that begins knows nobody: all agents say again whether they take new work.
pub(super) fn routing_began(
    agents: Arc<AgentRegistry>,
    exchange: Arc<Exchange>,
) -> Box<dyn Fn() + Send + Sync> {
    Box::new(move || {
        agents.tell_availability();
        exchange.tell_everybody(&Item::RoutingBegan);
    })
}
