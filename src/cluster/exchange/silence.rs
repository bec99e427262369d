//! Whom the bus does not carry for: this node, as it says in its row, and the others, as they say in theirs.
//!
//! A start is no silence: until the bus has carried for the first time, or should have, nobody reads the log for a node that
//! has just come. Refuses to measure anything: the bus knows whether it carries.

use super::Exchange;
use crate::ident::NodeId;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the bus may take to carry for the first time: as long as it may be silent before it counts as that.
const FIRST_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Living nodes that say that the bus does not carry for them.
    others: AtomicUsize,
    /// The bus is given time until then.
    patient_until: Mutex<Option<Instant>>,
}

impl Silence {
    pub(super) fn has_joined(&self, now: Instant) {
        *self.patient_until.lock() = Some(now + FIRST_WITHIN);
    }

    pub(super) fn has_carried(&self) {
        *self.patient_until.lock() = None;
    }

    fn is_patient(&self, now: Instant) -> bool {
        self.patient_until.lock().is_some_and(|until| now < until)
    }
}

impl Exchange {
    /// Whether the other nodes hear this one by the bus, or are about to for the first time.
    pub fn is_heard(&self) -> bool {
        self.carries() || self.silence.is_patient(Instant::now())
    }

    /// These living nodes say that they are not heard.
    pub fn note_unheard(&self, nodes: &[NodeId]) {
        self.silence.others.store(nodes.len(), Ordering::Relaxed);
    }

    /// How many other nodes live and are not heard: what they commit is to be read from the log.
    pub fn unheard(&self) -> usize {
        self.silence.others.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_start_is_waited_for() {
        let (silence, begin) = (Silence::default(), Instant::now());
        assert!(!silence.is_patient(begin));
        silence.has_joined(begin);
        assert!(silence.is_patient(begin) && !silence.is_patient(begin + FIRST_WITHIN));
        silence.has_carried();
        assert!(!silence.is_patient(begin), "what carried and does not is silent");
    }
}
