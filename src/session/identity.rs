//! What one visitor or agent may take over all connections of this node: sockets at once, and frames in a second.
//!
//! An entry exists while a connection of the identity does, so the table is bounded by the sockets.

use super::machine::{Pace, Passage};
use crate::clock::Timestamp;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::sync::Arc;

/// Limits of one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityLimits {
    pub sockets: usize,
    pub frames_per_s: u32,
    pub frames_burst: u32,
}

#[derive(Debug)]
struct Shared {
    pace: Pace,
    sockets: usize,
}

/// The identities that are connected to this node.
#[derive(Debug)]
pub struct Identities {
    limits: IdentityLimits,
    connected: DashMap<String, Arc<Mutex<Shared>>>,
}

/// One connection's place among those of its identity; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    identities: Arc<Identities>,
    key: String,
    shared: Arc<Mutex<Shared>>,
}

impl Identities {
    pub fn new(limits: IdentityLimits) -> Self {
        Self { limits, connected: DashMap::new() }
    }

    /// Takes a place for another connection of `key`; `None` when it has as many as it may.
    pub fn enter(self: &Arc<Self>, key: String, now: Timestamp) -> Option<Place> {
        let limits = self.limits;
        // The entry holds the shard's lock until the place is counted: else the last one leaving removes the entry
        // in between, and this place is counted where nobody looks.
        let entry = self.connected.entry(key.clone()).or_insert_with(|| {
            let pace = Pace::new(limits.frames_per_s, limits.frames_burst, now);
            Arc::new(Mutex::new(Shared { pace, sockets: 0 }))
        });
        let shared = entry.value().clone();
        let mut own = shared.lock();
        if own.sockets >= limits.sockets {
            return None;
        }
        own.sockets += 1;
        drop(own);
        drop(entry);
        Some(Place { identities: self.clone(), key, shared })
    }
}

impl Place {
    /// Whether another frame of this identity may pass.
    pub fn frame(&self, now: Timestamp) -> Passage {
        self.shared.lock().pace.frame(now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Under the shard's lock, so that nobody enters between the last leaving and the removal.
        self.identities.connected.remove_if(&self.key, |_, shared| {
            let mut own = shared.lock();
            own.sockets = own.sockets.saturating_sub(1);
            own.sockets == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_one_identity_are_bounded_and_share_one_pace() {
        let limits = IdentityLimits { sockets: 2, frames_per_s: 1, frames_burst: 1 };
        let identities = Arc::new(Identities::new(limits));
        let now = Timestamp::from_millis(1_000);
        let first = identities.enter("v:1".to_owned(), now).unwrap();
        let second = identities.enter("v:1".to_owned(), now).unwrap();
        assert!(identities.enter("v:1".to_owned(), now).is_none());
        assert!(identities.enter("v:2".to_owned(), now).is_some());
        assert_eq!(first.frame(now), Passage::Pass);
        assert!(matches!(second.frame(now), Passage::Wait(_)));
        drop((first, second));
        assert!(identities.connected.is_empty(), "nothing stays behind");
    }

    #[test]
    fn a_place_is_counted_where_others_look_while_connections_come_and_go() {
        let limits = IdentityLimits { sockets: 8, frames_per_s: 1, frames_burst: 1 };
        let identities = Arc::new(Identities::new(limits));
        let come_and_go = || {
            for _ in 0..20_000 {
                let place = identities.enter("v:1".to_owned(), Timestamp::from_millis(1)).unwrap();
                let counted =
                    identities.connected.get("v:1").map(|shared| Arc::ptr_eq(&shared, &place.shared));
                assert_eq!(counted, Some(true));
            }
        };
        std::thread::scope(|threads| (0..4).for_each(|_| drop(threads.spawn(come_and_go))));
        assert!(identities.connected.is_empty());
    }
}
