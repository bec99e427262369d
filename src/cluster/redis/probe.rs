//! When a node takes its bus for dead: by batches that it sends to itself, once a second. Pure.
//!
//! A connection that is up proves nothing: the server may hang, or no longer hand out what is published. A batch that
//! came back proves the whole way. Refuses to send anything.

/// Probes in a row that may be late; the next one that is ends the patience.
const PATIENCE: u32 = 1;

/// What is to be done when a second has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    /// Send the next probe. `is_late`: the last one is not back yet.
    Send { is_late: bool },
    /// Two probes in a row did not come back in time.
    GiveUp,
}

/// The probes of one subscription. Their numbers rise.
#[derive(Debug, Default)]
pub(super) struct Probe {
    sent: u64,
    back: u64,
    late: u32,
}

impl Probe {
    /// A second has passed; the probe that is to be sent now has number `n`.
    pub(super) fn tick(&mut self, n: u64) -> Tick {
        let is_late = self.back < self.sent;
        self.late = if is_late { self.late.saturating_add(1) } else { 0 };
        if self.late > PATIENCE {
            return Tick::GiveUp;
        }
        self.sent = n;
        Tick::Send { is_late }
    }

    /// Probe `n` came back; true where this one was sent on this subscription: the bus carries.
    pub(super) fn is_proof(&mut self, n: u64) -> bool {
        let is_proof = n > self.back && n <= self.sent;
        self.back = self.back.max(n);
        is_proof
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_probe_is_borne_and_two_in_a_row_are_not() {
        let mut probe = Probe::default();
        assert_eq!(probe.tick(10), Tick::Send { is_late: false });
        assert!(probe.is_proof(10));
        assert_eq!(probe.tick(11), Tick::Send { is_late: false });
        assert_eq!(probe.tick(12), Tick::Send { is_late: true });
        assert!(probe.is_proof(11), "late is better than never");
        assert!(probe.is_proof(12));
        assert_eq!(probe.tick(13), Tick::Send { is_late: false });
        assert_eq!(probe.tick(14), Tick::Send { is_late: true });
        assert_eq!(probe.tick(15), Tick::GiveUp);
    }

    #[test]
    fn what_was_not_sent_proves_nothing() {
        let mut probe = Probe::default();
        assert!(!probe.is_proof(7));
        probe.tick(8);
        assert!(probe.is_proof(8));
        assert!(!probe.is_proof(8), "once");
    }
}
