//! What became visible since a snapshot, whoever committed it.
//!
//! No serial number can say this: who drew a number early may commit late. A snapshot names the transactions that were
//! under way, so what had not been seen under it is found however long it took. Only what can be new is read: entries of
//! transactions that the snapshot names, and of those that began after it.
//!
//! A page that is not whole keeps both snapshots between which it reads, so that its rest holds still.
//! Refuses to know which node wrote an entry.

use super::super::record::RecordError;
use super::super::{Change, Mark, Tail};
use super::columns::{self, signed};
use super::link::{Link, Param};
use super::trouble::Trouble;
use crate::ident::{ConversationId, Seq};
use crate::planted::{Bug, is_planted};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

const SNAPSHOT: &str = "SELECT pg_current_snapshot()::text";
/// The union keeps the two kinds of new entries apart, so that each is a range of the index. Conversations are looked up
/// one by one (`OFFSET 0` keeps the planner from joining): they are few, and the table may be large.
const ENTRIES: &str = "SELECT e.seq, e.visitor_prev, e.at, e.author, e.author_id, e.author_name, e.kind, e.body,
        c.id, c.state, e.written_by::text
    FROM (SELECT * FROM (
              SELECT * FROM entry WHERE written_by >= pg_snapshot_xmax($1::text::pg_snapshot)
              UNION ALL
              SELECT * FROM entry WHERE written_by = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
          ) AS unseen
          WHERE pg_visible_in_snapshot(written_by, coalesce($2::text::pg_snapshot, pg_current_snapshot()))
            AND (written_by, conversation, seq) > ($3::text::xid8, $4, $5)
          ORDER BY written_by, conversation, seq LIMIT $6) AS e
    CROSS JOIN LATERAL (SELECT id, state FROM conversation WHERE id = e.conversation OFFSET 0) AS c
    ORDER BY e.written_by, e.conversation, e.seq";
const STATE: usize = 8;
const WRITTEN_BY: usize = 10;
const SEPARATOR: char = '|';

/// A mark as it is written.
struct Place {
    /// Everything that is visible in this snapshot has been told.
    seen: String,
    rest: Option<Rest>,
}

/// What is left of a page: entries that are visible in `upto`, after the last that was told.
struct Rest {
    upto: String,
    transaction: String,
    conversation: Uuid,
    seq: Seq,
}

impl Place {
    fn read(mark: &Mark) -> Result<Self, RecordError> {
        let damaged = || RecordError(format!("`{}` is no mark of this store", mark.0));
        let mut parts = mark.0.split(SEPARATOR).map(str::to_owned);
        let seen = parts.next().map(without_what_was_under_way).ok_or_else(damaged)?;
        let rest = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(upto), Some(transaction), Some(conversation), Some(seq)) => Some(Rest {
                upto,
                transaction,
                conversation: Uuid::try_parse(&conversation).map_err(|_malformed| damaged())?,
                seq: seq.parse().map_err(|_malformed| damaged())?,
            }),
            _ => return Err(damaged()),
        };
        Ok(Self { seen, rest })
    }

    fn mark(&self) -> Mark {
        let Some(Rest { upto, transaction, conversation, seq }) = &self.rest else {
            return Mark(self.seen.as_str().into());
        };
        let rest =
            format!("{SEPARATOR}{upto}{SEPARATOR}{transaction}{SEPARATOR}{conversation}{SEPARATOR}{seq}");
        Mark((self.seen.clone() + &rest).into())
    }
}

/// The planted mistake: what began before the mark counts as seen, as a serial number would have it.
fn without_what_was_under_way(seen: String) -> String {
    match seen.split(':').nth(1) {
        Some(next) if is_planted(Bug::TailBySerial) => format!("{next}:{next}:"),
        Some(_) | None => seen,
    }
}

pub(super) async fn tail(link: &Link, since: Option<&Mark>, limit: u32) -> Result<Tail, Trouble> {
    let Some(since) = since else {
        let seen = snapshot(&link.read(SNAPSHOT, &[]).await?)?;
        return Ok(Tail { mark: Place { seen, rest: None }.mark(), is_whole: true, changes: Vec::new() });
    };
    let Place { seen, rest } = Place::read(since)?;
    let (upto, transaction, conversation, seq) = match &rest {
        Some(rest) => (Some(&*rest.upto), &*rest.transaction, rest.conversation, signed(rest.seq)),
        None => (None, "0", Uuid::nil(), 0),
    };
    let most = i64::from(limit);
    let params: [Param<'_>; 6] = [
        (&seen, Type::TEXT),
        (&upto, Type::TEXT),
        (&transaction, Type::TEXT),
        (&conversation, Type::UUID),
        (&seq, Type::INT8),
        (&most, Type::INT8),
    ];
    let (now, rows) = link.read_both((SNAPSHOT, &[]), (ENTRIES, &params)).await?;
    let upto = upto.map_or_else(|| snapshot(&now), |upto| Ok(upto.to_owned()))?;
    let last = rows.last().filter(|_| rows.len() >= limit as usize);
    let place = match last {
        None => Place { seen: upto, rest: None },
        Some(row) => Place { seen, rest: Some(rest_after(row, upto)?) },
    };
    // What was committed while the pages were read is another round's.
    Ok(Tail { mark: place.mark(), is_whole: last.is_none(), changes: changes(&rows)? })
}

fn rest_after(row: &Row, upto: String) -> Result<Rest, Trouble> {
    Ok(Rest {
        upto,
        transaction: row.try_get(WRITTEN_BY)?,
        conversation: columns::conversation_id(row, STATE)?.uuid(),
        seq: columns::count(row, 0)?,
    })
}

fn snapshot(rows: &[Row]) -> Result<String, Trouble> {
    let row = rows.first().ok_or_else(|| RecordError("the server named no snapshot".to_owned()))?;
    Ok(row.try_get(0)?)
}

fn changes(rows: &[Row]) -> Result<Vec<Change>, Trouble> {
    let mut changes: BTreeMap<ConversationId, Change> = BTreeMap::new();
    for row in rows {
        let change = match changes.entry(columns::conversation_id(row, STATE)?) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(first) => {
                first.insert(Change { state: columns::state(row, STATE)?, entries: Vec::new() })
            }
        };
        let entry = columns::entry(&change.state, row)?;
        change.entries.push(entry);
    }
    let mut changes: Vec<Change> = changes.into_values().collect();
    // Who began later may have come first to a conversation.
    changes.iter_mut().for_each(|change| change.entries.sort_unstable_by_key(|entry| entry.seq));
    Ok(changes)
}
