//! What one address or person may take over all nodes: the port. `redis` is the adapter; a desk of one node has none, and
//! what it counts by itself is the whole.
//!
//! The contract:
//! - Nobody waits: an amount is handed over, and what holds over all nodes is told later, on a thread of the adapter's.
//! - Where that cannot be learned nothing is told, the amount is counted as untold, and each node's own limits hold.
//! - Numbers are those of a moment: two nodes may have let something through before they heard of each other.
//!
//! Refuses to know what is limited, and to keep a name: the adapter stores digests only.

/// How amounts of one name add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// So much in a second, and so much at once.
    Rate { per_s: u32, burst: u32 },
    /// All that came since the first one of a window.
    Window { window_ms: u64 },
}

/// What was taken under one name. An amount of 0 only asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The limit: a word without blanks.
    pub what: &'static str,
    /// Whose it is, in any form that names one address or person.
    pub whose: String,
    pub rule: Rule,
    pub amount: u32,
}

/// What holds over all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What was taken within the window; 0 for a rate.
    pub count: u64,
    /// Milliseconds until the window is over; of a rate: until something may be taken again, 0 for now.
    pub wait_ms: u64,
}

/// Dropped without a call where nothing could be learned.
pub type Told = Box<dyn FnOnce(Standing) + Send>;

/// The way to what all nodes have taken together.
pub trait Quotas: Send + Sync {
    /// Adds an amount; `told` hears what holds then.
    fn charge(&self, charge: Charge, told: Told);
}
