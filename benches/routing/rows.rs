//! The scan over the desk's own rows: an agent's profile as the engine has it, presence, the seats that are held, the
//! group, and the expression that the conversation's step asks, evaluated as the engine evaluates it.
//!
//! What a desk without an index would do for each decision. Rules are not scored here, in the scan's favour.

use crate::naive::Hand;
use rushdesk::ident::{ConversationId, GroupId};
use rushdesk::routing::{Agent, Needs};
use std::sync::Arc;

/// An agent.
#[derive(Debug, Clone)]
pub(crate) struct RowHand {
    pub(crate) profile: Agent,
    pub(crate) available: bool,
    pub(crate) held: Vec<ConversationId>,
    pub(crate) idle_since_ms: u64,
}

/// What a conversation asks.
#[derive(Debug, Clone)]
pub(crate) struct RowWaiter {
    pub(crate) group: GroupId,
    pub(crate) needs: Arc<Needs>,
}

impl Hand for RowHand {
    type Waiter = RowWaiter;

    fn can_serve(&self, waiter: &RowWaiter) -> bool {
        self.available && self.profile.groups.contains(&waiter.group) && waiter.needs.met_by(&self.profile)
    }

    fn free_seats(&self) -> u32 {
        self.profile.capacity.saturating_sub(u32::try_from(self.held.len()).unwrap_or(u32::MAX))
    }

    fn idle_since_ms(&self) -> u64 {
        self.idle_since_ms
    }

    fn take(&mut self, id: ConversationId, now_ms: u64) {
        self.held.push(id);
        self.idle_since_ms = now_ms;
    }

    fn give_back(&mut self, id: ConversationId, now_ms: u64) {
        self.held.retain(|held| *held != id);
        self.idle_since_ms = now_ms;
    }
}
