//! The limits of the SQLite journal; every one of them bounds something.

use std::time::Duration;

/// The limits; `Options::default()` is what the desk runs with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Operations that may wait for the writer; more are given back.
    pub queue_ops: usize,
    /// Operations in one commit, at most.
    pub batch_ops: usize,
    /// Connections that read beside the writer, each on a thread of its own.
    pub readers: usize,
    /// Questions that may wait for a reader; more are given back.
    pub queue_questions: usize,
    /// Conversations in the writer's memory, counted at sixteen messages each.
    pub cached_conversations: usize,
    /// Rows that may lag behind their log before they are flushed regardless of age; also bounds the replay at a start.
    pub lagging_rows: usize,
    /// How long a row may lag.
    pub lagging_for: Duration,
    /// Frames in the write-ahead log at which the background checkpoint starts.
    pub wal_soft_frames: u64,
    /// Frames in the write-ahead log at which the writer checkpoints itself, so that it stays bounded.
    pub wal_hard_frames: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_ops: 4_096,
            batch_ops: 512,
            readers: 2,
            queue_questions: 1_024,
            cached_conversations: 65_536,
            lagging_rows: 8_192,
            lagging_for: Duration::from_secs(1),
            wal_soft_frames: 4_096,
            wal_hard_frames: 32_768,
        }
    }
}
