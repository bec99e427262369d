//! The writer's memory of conversations: bounded, forgetful, never needed for correctness.
//!
//! Two generations: what was touched since the last turn, and what was touched in the turn before. When the young
//! one is full the old one is dropped. An approximation of least-recently-used at the price of a map.

use super::super::chain::{Chain, Pos};
use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::ident::{ConversationId, Epoch, Seq};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Slot;
use std::sync::Arc;

/// A conversation as the writer knows it, equal to row and log.
#[derive(Debug)]
pub(super) struct Cached {
    /// The row's key; `None` before the first entry.
    pub(super) key: Option<i64>,
    pub(super) fence: Epoch,
    pub(super) state: Arc<State>,
    pub(super) last_pos: Pos,
    pub(super) chain: Chain,
    pub(super) wake_at: Option<Timestamp>,
    /// Every client key in the log with its position; `None` until a write carries one.
    pub(super) clients: Option<HashMap<u128, Seq>>,
    /// The row is older than this.
    pub(super) row_is_stale: bool,
}

impl Cached {
    /// Client keys in memory.
    pub(super) fn keys(&self) -> usize {
        self.clients.as_ref().map_or(0, HashMap::len)
    }
}

/// What one conversation counts beside its client keys.
const WEIGHT_OF_ONE: usize = 16;

#[derive(Debug)]
pub(super) struct Cache {
    young: HashMap<ConversationId, Cached>,
    old: HashMap<ConversationId, Cached>,
    young_weight: usize,
    max_young_weight: usize,
}

impl Cache {
    /// Holds about `conversations` conversations of sixteen messages, or fewer longer ones.
    pub(super) fn new(conversations: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_weight: 0,
            max_young_weight: conversations * WEIGHT_OF_ONE,
        }
    }

    /// Finds a conversation and keeps it young.
    pub(super) fn touch(&mut self, id: ConversationId) -> Option<&mut Cached> {
        match self.young.entry(id) {
            Slot::Occupied(slot) => Some(slot.into_mut()),
            Slot::Vacant(slot) => {
                let cached = self.old.remove(&id)?;
                self.young_weight += WEIGHT_OF_ONE + cached.keys();
                Some(slot.insert(cached))
            }
        }
    }

    pub(super) fn insert(&mut self, id: ConversationId, cached: Cached) {
        if self.young_weight >= self.max_young_weight {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        self.young_weight += WEIGHT_OF_ONE + cached.keys();
        self.young.insert(id, cached);
    }

    /// Counts client keys that were added to a young conversation.
    pub(super) const fn grew_by(&mut self, clients: usize) {
        self.young_weight += clients;
    }

    pub(super) fn forget(&mut self, id: ConversationId) {
        self.young.remove(&id);
        self.old.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(id: u128) -> Cached {
        Cached {
            key: None,
            fence: 0,
            state: Arc::new(State::new(ConversationId::from_u128(id))),
            last_pos: 0,
            chain: Chain::default(),
            wake_at: None,
            clients: None,
            row_is_stale: false,
        }
    }

    #[test]
    fn what_is_touched_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(4);
        let id = ConversationId::from_u128;
        for number in 0..32 {
            cache.insert(id(number), cached(number));
            assert!(cache.touch(id(0)).is_some(), "touched at every step, gone at {number}");
        }
        assert!(cache.touch(id(31)).is_some());
        assert!(cache.touch(id(1)).is_none());
        assert!(cache.young.len() + cache.old.len() <= 10);
    }

    #[test]
    fn long_conversations_count_for_more() {
        let mut cache = Cache::new(4);
        let id = ConversationId::from_u128;
        cache.insert(id(1), cached(1));
        cache.grew_by(64);
        cache.insert(id(2), cached(2));
        cache.grew_by(64);
        cache.insert(id(3), cached(3));
        assert!(cache.touch(id(1)).is_none());
    }

    #[test]
    fn the_forgotten_are_gone_from_both_generations() {
        let mut cache = Cache::new(1);
        let id = ConversationId::from_u128;
        cache.insert(id(1), cached(1));
        cache.insert(id(2), cached(2));
        cache.forget(id(1));
        cache.forget(id(2));
        assert!(cache.touch(id(1)).is_none() && cache.touch(id(2)).is_none());
    }
}
