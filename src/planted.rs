//! Deliberate mistakes, to prove that the checks see them: a check that catches none of these is no check.
//!
//! A mistake exists only under the feature `planted` and only on a thread that has chosen it, by `plant` or by the name
//! in `RUSHDESK_PLANTED`. Without the feature every question is answered "no" at compile time. Refuses to be anything
//! else than a question at a named point: no other behaviour hangs on it. Which check catches what: `docs/PLANTED.md`.

/// One deliberate mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The sender hears `ack` before COMMIT (writer of the embedded store; in the simulation its owner).
    AckBeforeCommit,
    /// The ledger lets a stale epoch write.
    FenceDropped,
    /// The ledger lets a decision pass that was taken on another head.
    GuardDropped,
    /// The ledger does not know client keys.
    DedupeGone,
    /// The ledger does not compare loads with capacities.
    CapacityUnchecked,
    /// The ledger takes any `assign_seq`.
    AssignSeqUnchecked,
    /// A wait that ends is not added to the time waited.
    WaitedForgotten,
    /// The supervisor never compares with the store (simulated supervisor).
    SweepOff,
    /// Reading after a position leaves out one entry (journal in memory).
    ResumeSkips,
    /// A claim reads and leaves the fence where it was.
    FenceNotRaised,
    /// A guest writes whatever the head is by then.
    GuestUnguarded,
    /// An assignment comes into being without the ledger asking whether it is free.
    SecondDoor,
    /// A session writes an entry whose predecessors have not come.
    GapIgnored,
    /// The tail goes on after the highest transaction it knows, whatever was under way (PostgreSQL).
    TailBySerial,
    /// Capacity is looked at before the transaction and not in it (ledger; the looking is the simulated node's).
    CapacityOutside,
    /// A connection reads what is so and subscribes after that (simulated session).
    SubscribedLate,
    /// Nobody compares what flowed with the store's heads (simulated session).
    HeadsUncompared,
    /// A node that has lost something of the bus looks at nothing (simulated node).
    LossUnchecked,
    /// An epoch is the one before plus one, whatever timeline the store is on (simulated register).
    EpochBelowTimeline,
    /// A node measures the others' silence by its own clock (simulated register).
    LeaseByOwnClock,
    /// After a loss a position is only compared with the head (simulated session).
    PositionByHead,
}

impl Bug {
    pub const ALL: [Self; 21] = [
        Self::AckBeforeCommit,
        Self::FenceDropped,
        Self::GuardDropped,
        Self::DedupeGone,
        Self::CapacityUnchecked,
        Self::AssignSeqUnchecked,
        Self::WaitedForgotten,
        Self::SweepOff,
        Self::ResumeSkips,
        Self::FenceNotRaised,
        Self::GuestUnguarded,
        Self::SecondDoor,
        Self::GapIgnored,
        Self::TailBySerial,
        Self::CapacityOutside,
        Self::SubscribedLate,
        Self::HeadsUncompared,
        Self::LossUnchecked,
        Self::EpochBelowTimeline,
        Self::LeaseByOwnClock,
        Self::PositionByHead,
    ];

    /// Those that it takes several nodes to make.
    pub const OF_THE_CLUSTER: [Self; 12] = [
        Self::FenceNotRaised,
        Self::GuestUnguarded,
        Self::SecondDoor,
        Self::GapIgnored,
        Self::TailBySerial,
        Self::CapacityOutside,
        Self::SubscribedLate,
        Self::HeadsUncompared,
        Self::LossUnchecked,
        Self::EpochBelowTimeline,
        Self::LeaseByOwnClock,
        Self::PositionByHead,
    ];

    /// As in `RUSHDESK_PLANTED`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack_before_commit",
            Self::FenceDropped => "fence_dropped",
            Self::GuardDropped => "guard_dropped",
            Self::DedupeGone => "dedupe_gone",
            Self::CapacityUnchecked => "capacity_unchecked",
            Self::AssignSeqUnchecked => "assign_seq_unchecked",
            Self::WaitedForgotten => "waited_forgotten",
            Self::SweepOff => "sweep_off",
            Self::ResumeSkips => "resume_skips",
            Self::FenceNotRaised => "fence_not_raised",
            Self::GuestUnguarded => "guest_unguarded",
            Self::SecondDoor => "second_door",
            Self::GapIgnored => "gap_ignored",
            Self::TailBySerial => "tail_by_serial",
            Self::CapacityOutside => "capacity_outside",
            Self::SubscribedLate => "subscribed_late",
            Self::HeadsUncompared => "heads_uncompared",
            Self::LossUnchecked => "loss_unchecked",
            Self::EpochBelowTimeline => "epoch_below_timeline",
            Self::LeaseByOwnClock => "lease_by_own_clock",
            Self::PositionByHead => "position_by_head",
        }
    }
}

/// Whether this mistake is made on this thread.
#[cfg(not(feature = "planted"))]
pub const fn is_planted(_bug: Bug) -> bool {
    false
}

/// Where a kill between write and COMMIT is to land: waits for `RUSHDESK_PLANTED_PAUSE_MS`, with the feature only.
#[cfg(not(feature = "planted"))]
pub const fn pause_before_commit() {}

#[cfg(feature = "planted")]
pub use chosen::{is_planted, pause_before_commit, plant};

#[cfg(feature = "planted")]
mod chosen {
    use super::Bug;
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = Cell::new(by_name());
        static PAUSE: Option<Duration> = pause();
    }

    #[expect(clippy::disallowed_methods, reason = "no setting of the desk: a switch of its tests")]
    fn by_name() -> Option<Bug> {
        let name = std::env::var("RUSHDESK_PLANTED").ok()?;
        Bug::ALL.into_iter().find(|bug| bug.name() == name)
    }

    #[expect(clippy::disallowed_methods, reason = "no setting of the desk: a switch of its tests")]
    fn pause() -> Option<Duration> {
        std::env::var("RUSHDESK_PLANTED_PAUSE_MS").ok()?.parse().ok().map(Duration::from_millis)
    }

    /// Waits for `RUSHDESK_PLANTED_PAUSE_MS`, so that a kill between write and COMMIT can be made to hit.
    #[expect(clippy::disallowed_methods, reason = "called on the writer's own thread")]
    pub fn pause_before_commit() {
        PAUSE.with(|pause| pause.map(std::thread::sleep));
    }

    /// Whether this mistake is made on this thread.
    pub fn is_planted(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }

    /// Chooses the mistake that this thread makes from now on.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }
}
