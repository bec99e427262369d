//! The writer's memory of states: bounded, forgetful, and believed only where the locked row has the same head.
//!
//! Other nodes write the same conversations, so nothing here is true by itself. A head names one state, because a state
//! changes by entries alone; but only within one history of the database, so a fail-over empties this (`writer`).
//! Two generations: when the young one is full the old one is dropped.

use crate::conversation::state::State;
use crate::ident::ConversationId;
use hashbrown::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Cache {
    young: HashMap<ConversationId, Arc<State>>,
    old: HashMap<ConversationId, Arc<State>>,
    max_young: usize,
}

impl Cache {
    /// Holds at most so many conversations.
    pub(super) fn new(conversations: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), max_young: (conversations / 2).max(1) }
    }

    /// The state as last seen, kept young.
    pub(super) fn get(&mut self, id: ConversationId) -> Option<Arc<State>> {
        if let Some(state) = self.young.get(&id) {
            return Some(Arc::clone(state));
        }
        let state = self.old.remove(&id)?;
        self.insert(Arc::clone(&state));
        Some(state)
    }

    pub(super) fn insert(&mut self, state: Arc<State>) {
        if self.young.len() >= self.max_young && !self.young.contains_key(&state.id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(state.id, state);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(number: u128) -> Arc<State> {
        Arc::new(State::new(ConversationId::from_u128(number)))
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(8);
        let id = ConversationId::from_u128;
        for number in 0..32 {
            cache.insert(state(number));
            assert!(cache.get(id(0)).is_some(), "asked for at every step, gone at {number}");
            assert!(cache.young.len() + cache.old.len() <= 8);
        }
        assert!(cache.get(id(31)).is_some() && cache.get(id(1)).is_none());
        cache.clear();
        assert!(cache.get(id(31)).is_none());
    }

    #[test]
    fn the_newest_state_is_the_one_that_comes_back() {
        let mut cache = Cache::new(8);
        cache.insert(state(1));
        cache.insert(Arc::new(State { head: 7, ..State::new(ConversationId::from_u128(1)) }));
        assert_eq!(cache.get(ConversationId::from_u128(1)).map(|state| state.head), Some(7));
    }
}
