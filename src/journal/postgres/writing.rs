//! What a transaction writes once the ledger has judged, by arrays (`unnest`), together with its COMMIT in one round trip.
//!
//! The only statements that write entries, conversations' rows, agents and counts. The rows written are locked already
//! (`loading`); new ones are inserted in the order of their places, so that two nodes that open the same twins meet at a
//! unique key and not in a ring.

use super::super::record::RecordError;
use super::arrays::{Agents, Changes, Conversations, Entries, Marks, Redactions};
use super::docket::{Docket, Row, place};
use super::link::{Link, Param};
use super::trouble::{Fate, Trouble};
use std::sync::Arc;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

const INSERT_CONVERSATIONS: &str = "INSERT INTO conversation
        (id, phase, group_id, live, waiting, holder, assignee, closed_at, wake_at, fence, head, visitor_head, state,
         shop, channel, visitor, opened_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::uuid[], $7::uuid[],
                         $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[],
                         $14::text[], $15::text[], $16::text[], $17::bigint[])";
const UPDATE_CONVERSATIONS: &str = "UPDATE conversation AS c SET
        phase = n.phase, group_id = n.group_id, live = n.live, waiting = n.waiting, holder = n.holder, assignee = n.assignee,
        closed_at = n.closed_at, wake_at = n.wake_at, fence = n.fence, head = n.head, visitor_head = n.visitor_head,
        state = n.state
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::uuid[], $7::uuid[],
                $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[])
        AS n (id, phase, group_id, live, waiting, holder, assignee, closed_at, wake_at, fence, head, visitor_head, state)
    WHERE c.id = n.id";
const MARK_CONVERSATIONS: &str = "UPDATE conversation AS c SET wake_at = n.wake_at, fence = n.fence
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS n (id, wake_at, fence) WHERE c.id = n.id";
const APPEND: &str = "INSERT INTO entry
        (conversation, seq, visitor_prev, at, author, author_id, author_name, kind, body, client, digest)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bytea[],
                         $7::bytea[], $8::smallint[], $9::bytea[], $10::uuid[], $11::bigint[])";
const REDACT: &str = "UPDATE entry AS e SET kind = n.kind, body = n.body
    FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::bytea[]) AS n (conversation, seq, kind, body)
    WHERE e.conversation = n.conversation AND e.seq = n.seq";
const PUT_AGENTS: &str = "INSERT INTO agent (id, presence, capacity, load, version)
    SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[])
    ON CONFLICT (id) DO UPDATE SET presence = excluded.presence, capacity = excluded.capacity,
                                   load = excluded.load, version = excluded.version";
const JOURNAL_CHANGES: &str = "INSERT INTO agent_change (agent, version, at, presence, capacity, reason)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bytea[])";
pub(super) const COUNT: &str =
    "INSERT INTO tally (shard, conversations, live, entries) VALUES ($1, $2, $3, $4)
    ON CONFLICT (shard) DO UPDATE SET conversations = tally.conversations + excluded.conversations,
        live = tally.live + excluded.live, entries = tally.entries + excluded.entries";

/// Writes what the docket holds and commits.
pub(super) async fn commit(link: &Link, docket: &Docket, shard: i16) -> Result<(), (Trouble, Fate)> {
    let refused = |error: RecordError| (Trouble::from(error), Fate::Refused);
    let mut new: Vec<&Row> = docket.rows.values().filter(|row| is_new(row)).collect();
    new.sort_by_key(|row| place(&row.now.state));
    let moved: Vec<&Row> = docket.rows.values().filter(|row| has_moved(row)).collect();
    let marked: Vec<&Row> = docket.rows.values().filter(|row| is_marked(row)).collect();
    let inserted = Conversations::of(&new).map_err(refused)?;
    let updated = Conversations::of(&moved).map_err(refused)?;
    let entries = Entries::of(docket).map_err(refused)?;
    let redactions = Redactions::of(docket).map_err(refused)?;
    let (marks, agents, changes) = (Marks::of(&marked), Agents::of(docket), Changes::of(docket));
    let counts = counts(docket);
    let tally: [Param<'_>; 4] =
        [(&shard, Type::INT2), (&counts.0, Type::INT8), (&counts.1, Type::INT8), (&counts.2, Type::INT8)];
    link.listen();
    let trip = async {
        Ok(tokio::join!(
            biased;
            put(link, new.len(), INSERT_CONVERSATIONS, inserted.all()),
            put(link, moved.len(), UPDATE_CONVERSATIONS, updated.changing()),
            put(link, marked.len(), MARK_CONVERSATIONS, marks.params()),
            put(link, docket.entries.len(), APPEND, entries.params()),
            put(link, docket.redactions.len(), REDACT, redactions.params()),
            put(link, docket.touched_agents.len(), PUT_AGENTS, agents.params()),
            put(link, docket.changes.len(), JOURNAL_CHANGES, changes.params()),
            put(link, usize::from(counts != (0, 0, 0)), COUNT, tally.to_vec()),
            link.commit(),
        ))
    };
    let (rows, new, marks, entries, redactions, agents, changes, counts, committed) =
        link.within(trip).await.map_err(|trouble| (trouble, Fate::Unknown))?;
    for written in [rows, new, marks, entries, redactions, agents, changes, counts] {
        written.map_err(failed_statement)?;
    }
    committed.map_err(|error| {
        let trouble = Trouble::from(error);
        let fate = trouble.fate_of_commit();
        (trouble, fate)
    })?;
    link.doubt().map_err(|trouble| (trouble, Fate::Unknown))
}

/// A statement that the server refused means that the transaction is void; a connection that ended here may have
/// carried the COMMIT that was sent behind it.
fn failed_statement(error: Error) -> (Trouble, Fate) {
    let trouble = Trouble::from(error);
    let fate = match trouble.fate_before_commit() {
        Fate::Anew => Fate::Unknown,
        known => known,
    };
    (trouble, fate)
}

async fn put(link: &Link, rows: usize, sql: &str, params: Vec<Param<'_>>) -> Result<(), Error> {
    if rows > 0 {
        link.execute(sql, &params).await?;
    }
    Ok(())
}

fn is_new(row: &Row) -> bool {
    row.before.is_none() && row.now.state.head > 0
}

fn has_moved(row: &Row) -> bool {
    row.before.as_ref().is_some_and(|before| !Arc::ptr_eq(&before.state, &row.now.state))
}

fn is_marked(row: &Row) -> bool {
    let before = row.before.as_ref().filter(|_| !has_moved(row));
    before.is_some_and(|before| before.fence != row.now.fence || before.wake_at != row.now.wake_at)
}

/// How many more conversations, live ones and entries there are.
fn counts(docket: &Docket) -> (i64, i64, i64) {
    let live = |row: &Row| {
        let before = row.before.as_ref().is_some_and(|before| before.state.phase.is_live());
        i64::from(row.now.state.phase.is_live()) - i64::from(before)
    };
    let new = docket.rows.values().filter(|row| is_new(row)).count();
    (new as i64, docket.rows.values().map(live).sum(), docket.entries.len() as i64)
}
