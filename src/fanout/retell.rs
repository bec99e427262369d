//! What the log has and the bus may not have brought, told to sockets of this node alone: every node reads the log.
//!
//! What was told before comes again; sessions drop what they have: entries by position, an agent's work by what they
//! know of it. A loss is not told from here, since the entries do not say what was known of it: whoever may have lost
//! something looks into the store. An invitation to rate is no truth and is not told again.
//!
//! Refuses to say anything that is not so now: `state` is newer than the entries, never older.

use super::announce::{assigned, offer, state_for_visitor, state_frame};
use super::hub::{Audience, Hub};
use super::others::Reach;
use super::outbox::Item;
use crate::conversation::event::{Entry, Event};
use crate::conversation::state::State;
use crate::ident::AgentId;
use crate::wire::node::News;
use crate::wire::server::ServerFrame;
use smallvec::SmallVec;

/// Tells those connected here that these entries stand in the log, and where the conversation is now.
pub fn retell(hub: &Hub, state: &State, entries: &[Entry]) {
    let holder = state.assignee.filter(|_| state.phase.is_assigned());
    let mut agents: SmallVec<[AgentId; 2]> = state.assignee.into_iter().collect();
    for agent in entries.iter().filter_map(|entry| named(&entry.event)) {
        if !agents.contains(&agent) {
            agents.push(agent);
        }
    }
    let at = entries.last().map_or(state.opened_at, |entry| entry.at);
    if let Some(agent) = holder.filter(|_| entries.iter().any(|entry| is_present_assignment(entry, state)))
        && let Some(assigned) = assigned(state, at)
    {
        let news = News::Assigned { conversation: state.id, assign_seq: state.assign_seq };
        hub.agent_here(agent, &ServerFrame::Assigned(assigned).encode(), news);
    }
    let audience = Audience { conversation: state.id, visitor: state.visitor.as_ref(), agents };
    for entry in entries {
        hub.deliver_within(&Reach::default(), &audience, entry, None);
    }
    if let Some(open) = &state.offer
        && let Some(offer) = offer(state, open, at)
    {
        let news = News::Offered { offer: open.offer, conversation: state.id };
        hub.agent_here(open.agent, &ServerFrame::Offer(offer).encode(), news);
    }
    hub.desk_here(state.id, &audience.agents, &ServerFrame::State(state_frame(state)).encode());
    if !entries.iter().any(|entry| moves(&entry.event)) {
        return;
    }
    if let Some(visitor) = &state.visitor {
        hub.visitor_here(visitor, &ServerFrame::State(state_for_visitor(state)).encode());
    }
    let held_by = state.seat_hold().map(|hold| hold.agent);
    audience
        .agents
        .iter()
        .filter(|agent| Some(**agent) != held_by)
        .for_each(|agent| hub.look_at_work(*agent));
}

fn is_present_assignment(entry: &Entry, state: &State) -> bool {
    matches!(entry.event, Event::Assigned { assign_seq, .. } if assign_seq == state.assign_seq)
}

/// Whether an entry like this changes who holds a conversation, or whether it waits.
pub const fn moves(event: &Event) -> bool {
    match event {
        Event::Opened(_)
        | Event::Queued { .. }
        | Event::MessageLeft { .. }
        | Event::Offered { .. }
        | Event::Assigned { .. }
        | Event::Transferred { .. }
        | Event::Requeued { .. }
        | Event::BotJoined
        | Event::WrapUp { .. }
        | Event::Closed { .. }
        | Event::Reopened => true,
        Event::Message(_)
        | Event::BotLeft
        | Event::Escalated { .. }
        | Event::IdleReminder { .. }
        | Event::Rated { .. }
        | Event::Recalled { .. } => false,
    }
}

/// The agent who has got or lost something by it.
const fn named(event: &Event) -> Option<AgentId> {
    match event {
        Event::Offered { agent, .. } | Event::Assigned { agent, .. } => Some(*agent),
        Event::Transferred { from, .. } => *from,
        Event::Requeued { agent, .. } => *agent,
        Event::Opened(_)
        | Event::Message(_)
        | Event::Queued { .. }
        | Event::MessageLeft { .. }
        | Event::BotJoined
        | Event::BotLeft
        | Event::Escalated { .. }
        | Event::IdleReminder { .. }
        | Event::WrapUp { .. }
        | Event::Rated { .. }
        | Event::Recalled { .. }
        | Event::Closed { .. }
        | Event::Reopened => None,
    }
}

impl Hub {
    /// The agent's connections here ask the store what their work is.
    fn look_at_work(&self, agent: AgentId) {
        if let Some(sockets) = self.agents.get(&agent) {
            sockets.iter().for_each(|socket| self.push(socket, Item::LookAgain { within_ms: 0 }));
        }
    }
}
