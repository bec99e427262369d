//! A panic in one thing that another node said, or in one that is done in its place, ends that thing and nothing else.
//!
//! The bus has one thread and the exchange one task; whatever ended them would leave this node deaf for all its
//! conversations. Refuses to hide it: each is counted (`rushdesk_exchange_panics_total`) and raises an alarm.

use super::Exchange;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

impl Exchange {
    /// Does `work`; a panic in it goes no further. What it held is given back by unwinding: a question is answered
    /// `unavailable`, a lock is free.
    pub(super) fn caught(&self, work: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            self.meters.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                "what another node said, or what was done in its place, panicked: a defect; the rest goes on"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::{Clock, Timestamp};
    use crate::cluster::bus::Listener;
    use crate::cluster::exchange::{Ear, Exchange};
    use crate::ident::NodeId;
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A clock that can be broken: whoever asks it then panics.
    #[derive(Default)]
    struct Fragile(AtomicBool);

    impl Clock for Fragile {
        fn now(&self) -> Timestamp {
            assert!(!self.0.load(Ordering::Relaxed), "the clock is broken on purpose");
            Timestamp::from_millis(1_000_000)
        }
    }

    #[test]
    fn neither_the_thread_of_the_bus_nor_the_task_of_the_exchange_ends_by_a_panic() {
        let clock = Arc::new(Fragile::default());
        let exchange = Exchange::new(clock.clone());
        let (ear, other) = (Ear(exchange.clone()), NodeId::new("other").unwrap());
        let panicked = || exchange.meters.panicked.load(Ordering::Relaxed);
        clock.0.store(true, Ordering::Relaxed);
        ear.heard(&other, vec![Bytes::from_static(b"no item")]);
        assert_eq!(panicked(), 1);
        assert_eq!(exchange.meters.unread.load(Ordering::Relaxed), 1, "the items are looked at all the same");
        exchange.tick();
        assert!(panicked() > 1);
        clock.0.store(false, Ordering::Relaxed);
        let before = panicked();
        ear.heard(&other, Vec::new());
        exchange.tick();
        assert_eq!(panicked(), before);
    }
}
