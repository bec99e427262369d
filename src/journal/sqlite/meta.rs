//! Small facts about the store itself: how far rows are flushed, counters that pruning needs, the epoch, secrets.

use rusqlite::types::{FromSql, ToSql};
use rusqlite::{Connection, OptionalExtension, params};

/// Every entry up to this position is contained in its conversation's row.
pub(super) const FLUSHED_UPTO: &str = "flushed_upto";
/// Rises by one with every start.
pub(super) const EPOCH: &str = "epoch";
/// Highest row key and position ever given, kept when the rows that had them are pruned.
pub(super) const LAST_KEY: &str = "last_key";
pub(super) const LAST_POS: &str = "last_pos";
/// Entries and conversations that pruning has removed so far.
pub(super) const PRUNED_ENTRIES: &str = "pruned_entries";
pub(super) const PRUNED_CONVERSATIONS: &str = "pruned_conversations";
/// Written and removed again to learn whether the disk has room.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 64 * 1024;

pub(super) fn get<T: FromSql>(conn: &Connection, name: &str) -> Result<Option<T>, rusqlite::Error> {
    conn.prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

pub(super) fn set(conn: &Connection, name: &str, value: impl ToSql) -> Result<(), rusqlite::Error> {
    conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?
        .execute(params![name, value])?;
    Ok(())
}

/// Takes the next epoch.
pub(super) fn next_epoch(conn: &Connection) -> Result<u64, rusqlite::Error> {
    let epoch = get::<u64>(conn, EPOCH)?.unwrap_or(0) + 1;
    set(conn, EPOCH, epoch)?;
    Ok(epoch)
}

/// The secret of this name; `candidate` becomes it where there is none yet.
pub(super) fn secret(conn: &Connection, name: &str, candidate: &[u8]) -> Result<Vec<u8>, rusqlite::Error> {
    let name = format!("secret:{name}");
    conn.prepare_cached("INSERT OR IGNORE INTO meta (name, value) VALUES (?1, ?2)")?
        .execute(params![name, candidate])?;
    Ok(get(conn, &name)?.unwrap_or_default())
}

/// The secret of this name, where there is one.
pub(super) fn kept_secret(conn: &Connection, name: &str) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    get(conn, &format!("secret:{name}"))
}

/// Whether the disk takes a write of some size.
pub(super) fn probe(conn: &Connection) -> Result<(), rusqlite::Error> {
    let transaction = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    set(conn, PROBE, rusqlite::types::Value::Blob(vec![0; PROBE_BYTES]))?;
    conn.execute("DELETE FROM meta WHERE name = ?1", [PROBE])?;
    transaction.commit()
}
