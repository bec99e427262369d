//! The memory adapter's indexes: what the listings of the port ask for, kept in order.
//!
//! Fed with every change of a state; refuses to be written otherwise.

use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::ident::{AgentId, ChannelId, ConversationId, ShopId, VisitorId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

type Person = (ShopId, VisitorId);

#[derive(Default)]
pub(super) struct Listings {
    live: BTreeMap<Person, BTreeMap<ChannelId, ConversationId>>,
    live_count: u64,
    waiting: BTreeSet<ConversationId>,
    held: BTreeSet<(AgentId, ConversationId)>,
    wake_at: BTreeMap<ConversationId, Timestamp>,
    due: BTreeSet<(Timestamp, ConversationId)>,
}

impl Listings {
    /// Takes note of a conversation's change.
    pub(super) fn note(&mut self, before: &State, after: &State, wake_at: Option<Timestamp>) {
        self.forget(before);
        if after.phase.is_live()
            && let Some(person) = person(after)
        {
            self.live.entry(person).or_default().insert(after.channel.clone(), after.id);
            self.live_count += 1;
        }
        if after.phase.is_waiting() {
            self.waiting.insert(after.id);
        }
        if let Some(hold) = after.seat_hold() {
            self.held.insert((hold.agent, after.id));
        }
        if let Some(at) = wake_at {
            self.wake_at.insert(after.id, at);
            self.due.insert((at, after.id));
        }
    }

    /// Drops everything that was noted of a conversation.
    pub(super) fn forget(&mut self, state: &State) {
        if state.phase.is_live()
            && let Some(person) = person(state)
            && let Some(channels) = self.live.get_mut(&person)
        {
            channels.remove(&state.channel);
            self.live_count -= 1;
            if channels.is_empty() {
                self.live.remove(&person);
            }
        }
        self.waiting.remove(&state.id);
        if let Some(hold) = state.seat_hold() {
            self.held.remove(&(hold.agent, state.id));
        }
        if let Some(at) = self.wake_at.remove(&state.id) {
            self.due.remove(&(at, state.id));
        }
    }

    pub(super) fn live_twin(&self, state: &State) -> Option<ConversationId> {
        self.live.get(&person(state)?)?.get(&state.channel).copied()
    }

    pub(super) fn live(&self) -> u64 {
        self.live_count
    }

    pub(super) fn waiting(&self, after: Option<ConversationId>) -> impl Iterator<Item = ConversationId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.waiting.range((from, Bound::Unbounded)).copied()
    }

    pub(super) fn held_by(&self, agent: AgentId) -> impl Iterator<Item = ConversationId> {
        let from = (agent, ConversationId::from_u128(0));
        self.held.range(from..).take_while(move |(holder, _)| *holder == agent).map(|(_, id)| *id)
    }

    pub(super) fn live_of(&self, shop: &ShopId, visitor: &VisitorId) -> impl Iterator<Item = ConversationId> {
        self.live.get(&(shop.clone(), visitor.clone())).into_iter().flat_map(BTreeMap::values).copied()
    }

    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = ConversationId> {
        self.due.iter().take_while(move |(at, _)| *at <= now).map(|(_, id)| *id)
    }
}

fn person(state: &State) -> Option<Person> {
    Some((state.shop.clone(), state.visitor.clone()?))
}
