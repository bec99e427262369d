//! Conversations' rows in the file: a cache of the log's fold, with the columns that listings search by.

use super::super::record::state;
use super::trouble::Trouble;
use super::unflushed::Note;
use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId, Epoch};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::sync::Arc;

/// The columns that `read` wants, in its order.
pub(super) const COLUMNS: &str = "key, id, fence, last_pos, wake_at, state";

/// Reads a row of `COLUMNS`.
pub(super) fn read(row: &Row<'_>) -> Result<Note, Trouble> {
    let id = ConversationId::from_u128(u128::from_be_bytes(row.get(1)?));
    let wake_at: Option<u64> = row.get(4)?;
    let stored = row.get_ref(5)?;
    Ok(Note {
        key: row.get(0)?,
        fence: row.get(2)?,
        state: Arc::new(state::decode(id, stored.as_str().map_err(rusqlite::Error::from)?)?),
        last_pos: row.get(3)?,
        wake_at: wake_at.map(Timestamp::from_millis),
        row_is_stale: false,
    })
}

pub(super) fn by_id(conn: &Connection, id: ConversationId) -> Result<Option<Note>, Trouble> {
    one(conn, "SELECT key, id, fence, last_pos, wake_at, state FROM conversation WHERE id = ?1", blob(id))
}

pub(super) fn by_key(conn: &Connection, key: i64) -> Result<Option<Note>, Trouble> {
    one(conn, "SELECT key, id, fence, last_pos, wake_at, state FROM conversation WHERE key = ?1", key)
}

fn one(conn: &Connection, sql: &str, wanted: impl ToSql) -> Result<Option<Note>, Trouble> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([wanted])?;
    rows.next()?.map(read).transpose()
}

/// The live conversation of the same shop, visitor and channel, if there is one beside this.
pub(super) fn live_twin(
    conn: &Connection,
    id: ConversationId,
    (shop, visitor, channel): (&str, &str, &str),
) -> Result<Option<ConversationId>, Trouble> {
    let twin: Option<[u8; 16]> = conn
        .prepare_cached(
            "SELECT id FROM conversation
             WHERE live = 1 AND shop = ?1 AND visitor = ?2 AND channel = ?3 AND id <> ?4",
        )?
        .query_row(params![shop, visitor, channel, blob(id)], |row| row.get(0))
        .optional()?;
    Ok(twin.map(|id| ConversationId::from_u128(u128::from_be_bytes(id))))
}

/// The columns that listings search by, as a state fills them. Plain messages leave them (`transaction::leaves_columns`).
#[derive(PartialEq, Eq)]
struct Searched {
    live: bool,
    waiting: bool,
    holder: Option<[u8; 16]>,
    assignee: Option<[u8; 16]>,
    closed_at: Option<u64>,
}

impl Searched {
    fn of(state: &State) -> Self {
        Self {
            live: state.phase.is_live(),
            waiting: state.phase.is_waiting(),
            holder: holder(state),
            assignee: agent_blob(state.assignee),
            closed_at: millis(state.closed_at),
        }
    }

    /// Assignments for the columns that differ, in the numbers of `Changing::values`.
    fn moved_from(&self, before: &Self) -> impl Iterator<Item = &'static str> {
        [
            (self.live != before.live, ", live = ?2"),
            (self.waiting != before.waiting, ", waiting = ?3"),
            (self.holder != before.holder, ", holder = ?4"),
            (self.assignee != before.assignee, ", assignee = ?5"),
            (self.closed_at != before.closed_at, ", closed_at = ?6"),
        ]
        .into_iter()
        .filter_map(|(has_moved, assignment)| has_moved.then_some(assignment))
    }
}

/// What a decision may change of a row, in the form of its columns.
struct Changing<'a> {
    note: &'a Note,
    searched: Searched,
    wake_at: Option<u64>,
    state: String,
}

impl<'a> Changing<'a> {
    fn of(note: &'a Note) -> Result<Self, Trouble> {
        Ok(Self {
            note,
            searched: Searched::of(&note.state),
            wake_at: millis(note.wake_at),
            state: state::encode(&note.state)?,
        })
    }

    /// In the order in which `insert` and `update` number them.
    fn values(&self) -> [&dyn ToSql; 11] {
        let Self { note, searched, .. } = self;
        [
            &note.key,
            &searched.live,
            &searched.waiting,
            &searched.holder,
            &searched.assignee,
            &searched.closed_at,
            &self.wake_at,
            &note.fence,
            &note.state.head,
            &note.last_pos,
            &self.state,
        ]
    }
}

pub(super) fn insert(conn: &Connection, note: &Note) -> Result<(), Trouble> {
    let state = &*note.state;
    let visitor = state.visitor.as_ref().map_or("", |visitor| visitor.as_str());
    let fixed: [&dyn ToSql; 5] =
        [&blob(state.id), &state.shop.as_str(), &state.channel.as_str(), &visitor, &state.opened_at.millis()];
    conn.prepare_cached(
        "INSERT INTO conversation (key, live, waiting, holder, assignee, closed_at, wake_at, fence, head, last_pos,
                                   state, id, shop, channel, visitor, opened_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params_from_iter(Changing::of(note)?.values().into_iter().chain(fixed)))?;
    Ok(())
}

/// Writes what a decision has changed since the row was `before`. SQLite takes a named column out of its indexes and
/// puts it in again even where it stays the same, so only those that moved are named.
pub(super) fn update(conn: &Connection, before: &State, note: &Note) -> Result<(), Trouble> {
    let changing = Changing::of(note)?;
    let mut sql = String::with_capacity(192);
    sql.push_str("UPDATE conversation SET wake_at = ?7, fence = ?8, head = ?9, last_pos = ?10, state = ?11");
    sql.extend(changing.searched.moved_from(&Searched::of(before)));
    sql.push_str(" WHERE key = ?1");
    conn.prepare_cached(&sql)?.execute(changing.values())?;
    Ok(())
}

/// Writes what plain messages may change: fewer indexes are touched than by `update`.
pub(super) fn flush(conn: &Connection, note: &Note) -> Result<(), Trouble> {
    conn.prepare_cached(
        "UPDATE conversation SET wake_at = ?2, head = ?3, last_pos = ?4, state = ?5 WHERE key = ?1",
    )?
    .execute(params![
        note.key,
        millis(note.wake_at),
        note.state.head,
        note.last_pos,
        state::encode(&note.state)?,
    ])?;
    Ok(())
}

pub(super) fn raise_fence(conn: &Connection, key: i64, fence: Epoch) -> Result<(), Trouble> {
    conn.prepare_cached("UPDATE conversation SET fence = ?2 WHERE key = ?1")?.execute(params![key, fence])?;
    Ok(())
}

pub(super) fn set_wake_at(conn: &Connection, key: i64, wake_at: Timestamp) -> Result<(), Trouble> {
    conn.prepare_cached("UPDATE conversation SET wake_at = ?2 WHERE key = ?1")?
        .execute(params![key, wake_at.millis()])?;
    Ok(())
}

/// An identifier as it stands in the file: sixteen bytes that sort as the identifier does.
pub(super) fn blob(id: ConversationId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

pub(super) fn agent_blob(agent: Option<AgentId>) -> Option<[u8; 16]> {
    agent.map(|agent| agent.as_u128().to_be_bytes())
}

fn holder(state: &State) -> Option<[u8; 16]> {
    agent_blob(state.seat_hold().map(|hold| hold.agent))
}

fn millis(at: Option<Timestamp>) -> Option<u64> {
    at.map(Timestamp::millis)
}
