//! Forgetting old conversations, a few at a time, so that nobody waits long behind it.

use super::super::chain::Pos;
use super::meta;
use super::transaction::Marks;
use super::trouble::Trouble;
use super::unflushed::Unflushed;
use crate::ident::ConversationId;
use rusqlite::{Connection, OptionalExtension, params};

/// Removes conversations closed before the moment, with their entries, at most `limit`. One whose row lags is left for
/// the next time.
pub(super) fn prune(
    conn: &Connection,
    unflushed: &Unflushed,
    marks: &Marks,
    closed_before_ms: u64,
    limit: u32,
) -> Result<Vec<ConversationId>, Trouble> {
    let transaction = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    let mut removed = Vec::new();
    let mut entries = 0;
    for (key, id, last_pos) in closed(conn, closed_before_ms, limit)? {
        if unflushed.get(id).is_some() {
            continue;
        }
        entries += remove_entries(conn, last_pos)?;
        conn.prepare_cached("DELETE FROM conversation WHERE key = ?1")?.execute([key])?;
        removed.push(id);
    }
    let add = |name, more: u64| -> Result<(), Trouble> {
        Ok(meta::set(conn, name, meta::get::<u64>(conn, name)?.unwrap_or(0) + more)?)
    };
    add(meta::PRUNED_ENTRIES, entries)?;
    add(meta::PRUNED_CONVERSATIONS, removed.len() as u64)?;
    meta::set(conn, meta::LAST_POS, marks.last_pos)?;
    meta::set(conn, meta::LAST_KEY, marks.last_key)?;
    transaction.commit()?;
    Ok(removed)
}

fn closed(conn: &Connection, before_ms: u64, limit: u32) -> Result<Vec<(i64, ConversationId, Pos)>, Trouble> {
    let mut read = conn.prepare_cached(
        "SELECT key, id, last_pos FROM conversation
         WHERE closed_at IS NOT NULL AND closed_at < ?1 AND live = 0 ORDER BY closed_at LIMIT ?2",
    )?;
    let rows = read.query_map(params![before_ms, limit], |row| {
        Ok((row.get(0)?, ConversationId::from_u128(u128::from_be_bytes(row.get(1)?)), row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn remove_entries(conn: &Connection, last_pos: Pos) -> Result<u64, Trouble> {
    let mut remove = conn.prepare_cached("DELETE FROM entry WHERE pos = ?1 RETURNING back")?;
    let mut removed = 0;
    let mut pos = last_pos;
    while pos > 0 {
        let back: Option<Pos> = remove.query_row([pos], |row| row.get(0)).optional()?;
        pos = back.ok_or_else(|| Trouble::missing_entry(pos))?;
        removed += 1;
    }
    Ok(removed)
}
