//! What a node counts about its place among the others.
//!
//! Refuses to know how it is shown.

use std::sync::atomic::AtomicU64;

/// Totals since the start.
#[derive(Debug, Default)]
pub struct MembershipMeters {
    /// Slots taken.
    pub claimed: AtomicU64,
    /// Slots handed over.
    pub released: AtomicU64,
    /// Slots that others took while this node was silent.
    pub lost: AtomicU64,
    /// Slots handed over although something in them had not come to rest.
    pub cut_off: AtomicU64,
    /// Beats and rounds that failed; each is tried again.
    pub failures: AtomicU64,
}

/// What a node reads of the log while the bus does not carry for all.
#[derive(Debug, Default)]
pub struct TailMeters {
    /// Readings, and those that failed; each is tried again.
    pub readings: AtomicU64,
    pub failures: AtomicU64,
    /// Entries that were read, this node's own among them.
    pub entries: AtomicU64,
    /// For how long nothing of the log has been told to its end; 0 while the bus carries.
    pub lag_ms: AtomicU64,
}
