//! The limits of the PostgreSQL journal; every one of them bounds something.

use std::time::Duration;

/// The limits; `Options::default()` is what the desk runs with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Operations that may wait for the writer; more are given back.
    pub queue_ops: usize,
    /// Operations in one commit, at most.
    pub batch_ops: usize,
    /// Connections that read beside the writer.
    pub readers: usize,
    /// Questions that may wait for a reader; more are given back.
    pub queue_questions: usize,
    /// Conversations in the writer's memory.
    pub cached_conversations: usize,
    /// How long a server may take to accept a connection.
    pub connect_within: Duration,
    /// How long the server may work on one statement; COMMIT is not one of them, see `link`.
    pub statement_ms: u32,
    /// How long a statement may wait for another node's lock; longer than `idle_ms`, so that a node that stopped in
    /// mid-transaction has lost its locks by then.
    pub lock_ms: u32,
    /// How long a transaction may wait for its node: what a stopped node can hold others up.
    pub idle_ms: u32,
    /// How long a round trip may take before the connection is given up; longer than `statement_ms`.
    pub answer_within: Duration,
    /// How often a node that serves renews its place.
    pub beat: Duration,
    /// A node that could not renew its place for so long decides nothing; shorter than `lease`.
    pub silence: Duration,
    /// Whether an older schema is brought up to date; a start without it refuses one, because nodes of the version before
    /// may still use it. An empty database gets its schema in any case.
    pub migrate: bool,
    /// The slots of a node that was silent for so long are taken by others. All nodes must have the same.
    pub lease: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_ops: 4_096,
            batch_ops: 512,
            readers: 4,
            queue_questions: 1_024,
            cached_conversations: 65_536,
            connect_within: Duration::from_secs(3),
            statement_ms: 5_000,
            lock_ms: 2_000,
            idle_ms: 1_000,
            answer_within: Duration::from_secs(8),
            beat: Duration::from_secs(2),
            silence: Duration::from_secs(5),
            migrate: true,
            lease: Duration::from_secs(10),
        }
    }
}
