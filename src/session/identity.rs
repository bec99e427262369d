//! What one visitor or agent may take over all connections: sockets at once of this node, and frames in a second, of this
//! node at once and of all nodes as soon as they have heard of each other (`cluster::quotas`).
//!
//! An entry exists while a connection of the identity does, so the table is bounded by the sockets.

use super::machine::{Pace, Passage};
use crate::clock::Timestamp;
use crate::cluster::quotas::{Charge, Quotas, Rule, Standing};
use crate::cluster::spending::Spending;
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
    spending: Spending,
    sockets: usize,
}

/// The identities that are connected to this node.
pub struct Identities {
    limits: IdentityLimits,
    /// `None` where this node counts by itself.
    quotas: Option<Arc<dyn Quotas>>,
    connected: DashMap<String, Arc<Mutex<Shared>>>,
}

/// One connection's place among those of its identity; given back when it is dropped.
pub struct Place {
    identities: Arc<Identities>,
    key: String,
    shared: Arc<Mutex<Shared>>,
}

impl Identities {
    pub fn new(limits: IdentityLimits, quotas: Option<Arc<dyn Quotas>>) -> Self {
        Self { limits, quotas, connected: DashMap::new() }
    }

    /// Takes a place for another connection of `key`; `None` when it has as many as it may.
    pub fn enter(self: &Arc<Self>, key: String, now: Timestamp) -> Option<Place> {
        let limits = self.limits;
        // The entry holds the shard's lock until the place is counted: else the last one leaving removes the entry
        // in between, and this place is counted where nobody looks.
        let entry = self.connected.entry(key.clone()).or_insert_with(|| {
            let pace = Pace::new(limits.frames_per_s, limits.frames_burst, now);
            Arc::new(Mutex::new(Shared { pace, spending: Spending::default(), sockets: 0 }))
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
        let Identities { limits, quotas, .. } = &*self.identities;
        let mut own = self.shared.lock();
        let passage = own.pace.frame(now);
        let (Passage::Pass, Some(quotas)) = (passage, quotas) else { return passage };
        let shut_ms = own.spending.shut_for_ms(now);
        if shut_ms > 0 {
            return Passage::Wait(shut_ms);
        }
        if let Some(amount) = own.spending.take(limits.frames_burst) {
            drop(own);
            self.tell(&**quotas, amount, now);
        }
        Passage::Pass
    }

    fn tell(&self, quotas: &dyn Quotas, amount: u32, now: Timestamp) {
        let IdentityLimits { frames_per_s: per_s, frames_burst: burst, .. } = self.identities.limits;
        let (rule, whose) = (Rule::Rate { per_s, burst }, self.key.clone());
        let shared = self.shared.clone();
        let told = move |standing: Standing| shared.lock().spending.shut(now, standing.wait_ms);
        quotas.charge(Charge { what: "frames", whose, rule, amount }, Box::new(told));
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
    use crate::cluster::quotas::Told;

    #[test]
    fn sockets_of_one_identity_are_bounded_and_share_one_pace() {
        let limits = IdentityLimits { sockets: 2, frames_per_s: 1, frames_burst: 1 };
        let identities = Arc::new(Identities::new(limits, None));
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

    /// Says of every amount that nothing more may be taken for 500 ms, and remembers it.
    #[derive(Default)]
    struct Strict(Mutex<Vec<Charge>>);

    impl Quotas for Strict {
        fn charge(&self, charge: Charge, told: Told) {
            self.0.lock().push(charge);
            told(Standing { count: 0, wait_ms: 500 });
        }
    }

    #[test]
    fn what_all_nodes_know_shuts_the_door_that_this_one_would_leave_open() {
        let limits = IdentityLimits { sockets: 2, frames_per_s: 16, frames_burst: 32 };
        let strict = Arc::new(Strict::default());
        let identities = Arc::new(Identities::new(limits, Some(strict.clone())));
        let now = Timestamp::from_millis(1_000);
        let place = identities.enter("v:1".to_owned(), now).unwrap();
        let told = || strict.0.lock().len();
        assert_eq!((place.frame(now), told()), (Passage::Pass, 0), "not every frame is told");
        assert_eq!((place.frame(now), told()), (Passage::Pass, 1));
        let rule = Rule::Rate { per_s: 16, burst: 32 };
        assert_eq!(strict.0.lock()[0], Charge { what: "frames", whose: "v:1".to_owned(), rule, amount: 2 });
        assert_eq!(place.frame(now.plus_millis(100)), Passage::Wait(400));
        assert_eq!(place.frame(now.plus_millis(500)), Passage::Pass);
        assert_eq!(identities.enter("v:2".to_owned(), now).unwrap().frame(now), Passage::Pass);
    }

    #[test]
    fn a_place_is_counted_where_others_look_while_connections_come_and_go() {
        let limits = IdentityLimits { sockets: 8, frames_per_s: 1, frames_burst: 1 };
        let identities = Arc::new(Identities::new(limits, None));
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
