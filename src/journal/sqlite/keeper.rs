//! Keeps the write-ahead log bounded: a thread that folds it into the file in the background.
//!
//! The background checkpoint never blocks the writer, and so never catches up with a busy one: what was appended
//! meanwhile is left. It asks the writer to fold that small rest between two batches, after which SQLite begins the log
//! anew. Past the hard limit (a long snapshot was in the way) the writer tries by itself.

use super::super::meters::micros;
use super::Shared;
use super::options::Options;
use rusqlite::Connection;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// SQLite's default page, of which each frame of the log holds one with 24 bytes of its own.
const FRAME_BYTES: u64 = 4_096 + 24;

/// Works until the sender is gone.
pub(super) fn run(conn: &Connection, shared: &Shared, options: &Options, stop: &Receiver<()>) {
    while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let Some((log, folded)) = look(conn, "PRAGMA wal_checkpoint(NOOP)") else {
            continue;
        };
        note(shared, log, folded);
        if log > options.wal_soft_frames && folded < log {
            fold(conn, shared);
            // Whatever the fold answers was true when it began: a writer at work has appended since, and the log does
            // not begin anew before that too is folded.
            shared.wal_rest.store(true, Ordering::Relaxed);
        }
    }
}

/// Past the hard limit SQLite gives the room back once the log begins anew; without it a file stays as long as ever.
pub(super) fn limit_file(conn: &Connection, options: &Options) -> Result<(), rusqlite::Error> {
    let limit_bytes = i64::try_from(options.wal_hard_frames.saturating_mul(FRAME_BYTES)).unwrap_or(i64::MAX);
    conn.pragma_update(None, "journal_size_limit", limit_bytes)
}

/// What the writer does between two batches, where the keeper or the hard limit asks for it.
pub(super) fn fold_rest(conn: &Connection, shared: &Shared, options: &Options) {
    let is_past_limit = shared.wal_frames.load(Ordering::Relaxed) > options.wal_hard_frames;
    if (shared.wal_rest.swap(false, Ordering::Relaxed) || is_past_limit)
        && let Some((log, folded)) = fold(conn, shared)
    {
        note(shared, log, folded);
    }
}

/// Folds what can be folded without waiting for anybody.
fn fold(conn: &Connection, shared: &Shared) -> Option<(u64, u64)> {
    let started = Instant::now();
    let looked = look(conn, "PRAGMA wal_checkpoint(PASSIVE)")?;
    shared.meters.checkpoint_us.observe(micros(started.elapsed()));
    Some(looked)
}

/// A log that is folded whole counts as empty: the next write begins it anew.
fn note(shared: &Shared, log: u64, folded: u64) {
    let frames = if folded == log { 0 } else { log };
    shared.wal_frames.store(frames, Ordering::Relaxed);
    shared.meters.wal_bytes.store(frames * FRAME_BYTES, Ordering::Relaxed);
}

/// Frames in the log, and how many of them are folded into the file.
fn look(conn: &Connection, pragma: &str) -> Option<(u64, u64)> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    match conn.query_row(pragma, [], read) {
        Ok((log, folded)) => Some((u64::try_from(log).ok()?, u64::try_from(folded).ok()?)),
        Err(error) => {
            tracing::warn!(%error, "the write-ahead log could not be looked at");
            None
        }
    }
}
