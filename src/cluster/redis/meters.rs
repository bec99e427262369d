//! What the bus counts about itself, as plain atomics that telemetry reads whenever it likes.
//!
//! Refuses to know metric names, labels or exporters: those are telemetry's.

use crate::journal::meters::{DURATION_BOUNDS_US, Histogram};
use std::sync::atomic::{AtomicU64, Ordering};

/// The bus's counters and gauges.
#[derive(Debug)]
pub struct BusMeters {
    /// Items published, and their bytes.
    pub items_out: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Batches published; a self-probe is one.
    pub batches_out: AtomicU64,
    /// Items of other nodes, and their bytes.
    pub items_in: AtomicU64,
    pub bytes_in: AtomicU64,
    /// Batches of other nodes.
    pub batches_in: AtomicU64,
    /// Items given back because the bus did not carry.
    pub dropped_not_carrying: AtomicU64,
    /// Items given back because the queue was full.
    pub dropped_full: AtomicU64,
    /// Items given back because they can never be sent: to this node itself, empty, of several lines, or too long.
    pub dropped_unfit: AtomicU64,
    /// Items that waited or were under way when the bus ceased to carry.
    pub dropped_interrupted: AtomicU64,
    /// Payloads on our channels that no node sends.
    pub skipped_garbage: AtomicU64,
    /// Batches of a version that this node cannot read.
    pub skipped_newer: AtomicU64,
    /// Batches that were taken already.
    pub skipped_repeated: AtomicU64,
    /// Gaps in senders' numbers.
    pub gaps: AtomicU64,
    /// Self-probes that were not back within their second.
    pub probes_late: AtomicU64,
    /// Connections made after the first.
    pub reconnects: AtomicU64,
    /// Amounts of limits over all nodes that Redis added, and those that it could not be told.
    pub amounts_told: AtomicU64,
    pub amounts_untold: AtomicU64,
    /// Items that wait to be published now, and their bytes.
    pub queue_items: AtomicU64,
    pub queue_bytes: AtomicU64,
    /// Time from handing batches to Redis to its answer, in microseconds.
    pub publish_us: Histogram,
}

impl Default for BusMeters {
    fn default() -> Self {
        Self {
            items_out: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            batches_out: AtomicU64::new(0),
            items_in: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            batches_in: AtomicU64::new(0),
            dropped_not_carrying: AtomicU64::new(0),
            dropped_full: AtomicU64::new(0),
            dropped_unfit: AtomicU64::new(0),
            dropped_interrupted: AtomicU64::new(0),
            skipped_garbage: AtomicU64::new(0),
            skipped_newer: AtomicU64::new(0),
            skipped_repeated: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            probes_late: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            amounts_told: AtomicU64::new(0),
            amounts_untold: AtomicU64::new(0),
            queue_items: AtomicU64::new(0),
            queue_bytes: AtomicU64::new(0),
            publish_us: Histogram::new(&DURATION_BOUNDS_US),
        }
    }
}

/// Adds `count` to a counter.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}
