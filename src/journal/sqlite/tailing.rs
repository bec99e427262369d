//! What was committed after a position of the log.
//!
//! One writer gives positions in the order of its commits, so a position says it all. Refuses to look beyond what was
//! published: a conversation's newest state is noted before that (see `unflushed`).

use super::super::chain::Pos;
use super::super::record::RecordError;
use super::super::{Change, Mark, Tail};
use super::readers::{newest, owned};
use super::trouble::Trouble;
use super::{Shared, conversation_row, entry_row};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// The conversation's key in a row of `entry_row::page`.
const KEY: usize = 9;
const POS: usize = 8;

pub(super) fn tail(
    conn: &Connection,
    shared: &Shared,
    since: Option<&Mark>,
    limit: u32,
) -> Result<Tail, Trouble> {
    let published = shared.last_pos.load(Ordering::Acquire).cast_signed();
    let Some(since) = since else { return Ok(come_to(published, true, Vec::new())) };
    let after: Pos = since.0.parse().map_err(|error| RecordError(format!("`{}`: {error}", since.0)))?;
    let limit = limit.max(1);
    let mut changed: BTreeMap<i64, Option<Change>> = BTreeMap::new();
    let (mut read, mut last) = (0, after);
    entry_row::page(conn, (after, published), limit, |row| {
        (read, last) = (read + 1, row.get(POS)?);
        let key: i64 = row.get(KEY)?;
        let change = match changed.entry(key) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(first) => first.insert(change(conn, shared, key)?),
        };
        if let Some(change) = change {
            change.entries.push(entry_row::entry(&change.state, row)?);
        }
        Ok(())
    })?;
    let is_whole = read < limit;
    Ok(come_to(if is_whole { published } else { last }, is_whole, changed.into_values().flatten().collect()))
}

/// None for a conversation that was pruned meanwhile.
fn change(conn: &Connection, shared: &Shared, key: i64) -> Result<Option<Change>, Trouble> {
    let Some(row) = conversation_row::by_key(conn, key)? else { return Ok(None) };
    let note = newest(conn, shared, row.state.id)?;
    Ok(note.map(|note| Change { state: owned(note.state), entries: Vec::new() }))
}

fn come_to(pos: Pos, is_whole: bool, changes: Vec<Change>) -> Tail {
    Tail { mark: Mark(pos.to_string().into()), is_whole, changes }
}
