//! Forgetting old conversations, a few at a time, so that nobody waits long behind it.
//!
//! A conversation that a node is writing to just now is passed over and found the next time. A node that remembers one
//! finds its row gone and treats it as never opened.

use super::columns::signed;
use super::link::{Link, Param};
use super::trouble::Trouble;
use super::writing::COUNT;
use crate::clock::Timestamp;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Conversations removed in one transaction.
const STEP: i64 = 64;
/// The row of `tally` that pruning counts in; any would do.
const SHARD: i16 = 0;

const CLOSED: &str = "SELECT id FROM conversation
    WHERE closed_at IS NOT NULL AND closed_at < $1 AND NOT live
    ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED";
const REMOVE_ENTRIES: &str = "DELETE FROM entry WHERE conversation = ANY ($1)";
const REMOVE_ROWS: &str = "DELETE FROM conversation WHERE id = ANY ($1)";

/// Removes conversations closed before the moment, with their entries; tells how many.
pub(super) async fn prune(link: &Link, closed_before: Timestamp) -> Result<u64, Trouble> {
    let mut removed = 0;
    loop {
        let step = link.transact(async |link| remove_some(link, closed_before).await).await?;
        removed += step;
        if step == 0 {
            return Ok(removed);
        }
    }
}

async fn remove_some(link: &Link, closed_before: Timestamp) -> Result<u64, Trouble> {
    let closed_before = signed(closed_before.millis());
    let rows = link.within(link.query(CLOSED, &[(&closed_before, Type::INT8), (&STEP, Type::INT8)])).await?;
    let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
    if ids.is_empty() {
        return Ok(0);
    }
    let these: [Param<'_>; 1] = [(&ids, Type::UUID_ARRAY)];
    let entries = link.within(link.execute(REMOVE_ENTRIES, &these)).await?;
    let removed = link.within(link.execute(REMOVE_ROWS, &these)).await?;
    let (fewer, fewer_entries) = (-signed(removed), -signed(entries));
    let counts: [Param<'_>; 4] =
        [(&SHARD, Type::INT2), (&fewer, Type::INT8), (&0_i64, Type::INT8), (&fewer_entries, Type::INT8)];
    link.within(link.execute(COUNT, &counts)).await?;
    Ok(removed)
}
