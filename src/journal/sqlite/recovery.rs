//! What a start does before anybody may write: brings rows that lagged when the last process ended up to date with
//! the log, and finds out how far the file has come.

use super::super::chain::Pos;
use super::super::record::RecordError;
use super::transaction::Marks;
use super::trouble::Trouble;
use super::{conversation_row, entry_row, meta, unflushed::Note};
use crate::clock::Timestamp;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Slot;
use rusqlite::Connection;
use std::sync::Arc;

/// How far the file has come.
pub(super) fn marks(conn: &Connection) -> Result<Marks, Trouble> {
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let last_pos = number("SELECT coalesce(max(pos), 0) FROM entry")?;
    let last_key = number("SELECT coalesce(max(key), 0) FROM conversation")?;
    Ok(Marks {
        last_pos: last_pos.max(meta::get(conn, meta::LAST_POS)?.unwrap_or(0)),
        last_key: last_key.max(meta::get(conn, meta::LAST_KEY)?.unwrap_or(0)),
        flushed_upto: meta::get(conn, meta::FLUSHED_UPTO)?.unwrap_or(0),
        live: number("SELECT count(*) FROM conversation WHERE live = 1")?,
    })
}

/// Folds the log's unflushed tail into the rows; returns how many rows were written. Such a conversation is woken at
/// `now`: what its last messages had asked for stands in no row.
pub(super) fn replay(conn: &Connection, now: Timestamp) -> Result<usize, Trouble> {
    let flushed_upto: Pos = meta::get(conn, meta::FLUSHED_UPTO)?.unwrap_or(0);
    let transaction = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    let mut rows: HashMap<i64, Note> = HashMap::new();
    let mut last_pos = flushed_upto;
    entry_row::Tail::prepare(conn)?.each(flushed_upto, |key, pos, seq, row| {
        last_pos = pos;
        let note = match rows.entry(key) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(conversation_row::by_key(conn, key)?.ok_or_else(|| {
                RecordError(format!("entry {pos} belongs to conversation {key}, which has no row"))
            })?),
        };
        if seq <= note.state.head {
            return Ok(());
        }
        if seq != note.state.head + 1 {
            return Err(RecordError(format!(
                "CV-1: {}: entry {seq} follows {}",
                note.state.id, note.state.head
            ))
            .into());
        }
        let entry = entry_row::entry(&note.state, row)?;
        Arc::make_mut(&mut note.state).apply(entry.at, &entry.author, &entry.event);
        note.last_pos = pos;
        note.wake_at = Some(now);
        note.row_is_stale = true;
        Ok(())
    })?;
    let mut written = 0;
    for note in rows.values().filter(|note| note.row_is_stale) {
        conversation_row::flush(conn, note)?;
        written += 1;
    }
    if last_pos > flushed_upto {
        meta::set(conn, meta::FLUSHED_UPTO, last_pos)?;
    }
    transaction.commit()?;
    Ok(written)
}
