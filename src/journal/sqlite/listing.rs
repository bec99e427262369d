//! The listings of the port: rows found by an index, each brought up to date by its note.
//!
//! What indexes search by is written in the transaction that changes it, so rows alone decide who is listed; only
//! heads, moments and the wake-up may lag, and `fresh` puts them right.

use super::super::{Filter, Head};
use super::readers::{newest, owned};
use super::trouble::Trouble;
use super::unflushed::Note;
use super::{Shared, conversation_row};
use crate::clock::Timestamp;
use crate::cluster::slots::{Slot, SlotSet};
use crate::conversation::state::{Phase, State};
use crate::ident::{AgentId, ConversationId, ShopId, VisitorId};
use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, params};

/// Reads rows of `COLUMNS` until `take` says that it is enough, and brings each up to date.
fn each(
    conn: &Connection,
    shared: &Shared,
    (rest, wanted): (&str, &[&dyn ToSql]),
    mut take: impl FnMut(State) -> bool,
) -> Result<(), Trouble> {
    let generation = shared.unflushed.generation();
    let sql = format!("SELECT {} FROM conversation WHERE {rest}", conversation_row::COLUMNS);
    let mut read = conn.prepare_cached(&sql)?;
    let mut rows = read.query(wanted)?;
    while let Some(row) = rows.next()? {
        let note = conversation_row::read(row)?;
        if let Some(state) = fresh(conn, shared, note, generation)?
            && !take(state)
        {
            break;
        }
    }
    Ok(())
}

/// The state as of now. A row without a note is fresh if no note was dropped since before the row was read; else
/// the note may have been dropped between, and the row is read again.
fn fresh(conn: &Connection, shared: &Shared, row: Note, generation: u64) -> Result<Option<State>, Trouble> {
    if let Some(note) = shared.unflushed.get(row.state.id) {
        return Ok(Some(owned(note.state)));
    }
    if shared.unflushed.generation() == generation {
        return Ok(Some(owned(row.state)));
    }
    Ok(newest(conn, shared, row.state.id)?.map(|note| owned(note.state)))
}

/// Lists rows whose newest state is still as wanted: a decision may have been committed since the row was read.
fn list(
    conn: &Connection,
    shared: &Shared,
    rest: (&str, &[&dyn ToSql]),
    wanted: impl Fn(&State) -> bool,
) -> Result<Vec<State>, Trouble> {
    let mut states = Vec::new();
    each(conn, shared, rest, |state| {
        if wanted(&state) {
            states.push(state);
        }
        true
    })?;
    Ok(states)
}

pub(super) fn waiting(
    conn: &Connection,
    shared: &Shared,
    after: Option<ConversationId>,
    limit: u32,
) -> Result<Vec<State>, Trouble> {
    let after = after.map(conversation_row::blob).map_or_else(Vec::new, Vec::from);
    list(conn, shared, ("waiting = 1 AND id > ?1 ORDER BY id LIMIT ?2", params![after, limit]), |state| {
        state.phase.is_waiting()
    })
}

pub(super) fn held_by(conn: &Connection, shared: &Shared, agent: AgentId) -> Result<Vec<State>, Trouble> {
    let holder = conversation_row::agent_blob(Some(agent));
    list(conn, shared, ("holder = ?1 ORDER BY opened_at, id", params![holder]), |state| {
        state.seat_hold().is_some_and(|hold| hold.agent == agent)
    })
}

/// Each row by itself: a head may lag behind its log, and the note knows better.
pub(super) fn heads(
    conn: &Connection,
    shared: &Shared,
    ids: &[ConversationId],
) -> Result<Vec<Head>, Trouble> {
    let mut heads = Vec::with_capacity(ids.len());
    for id in ids {
        heads.extend(newest(conn, shared, *id)?.map(|note| Head::of(&note.state)));
    }
    Ok(heads)
}

pub(super) fn live_of(
    conn: &Connection,
    shared: &Shared,
    shop: &ShopId,
    visitor: &VisitorId,
) -> Result<Vec<State>, Trouble> {
    let wanted = params![shop.as_str(), visitor.as_str()];
    list(conn, shared, ("live = 1 AND shop = ?1 AND visitor = ?2 ORDER BY channel", wanted), |state| {
        state.phase.is_live()
    })
}

pub(super) fn conversations(
    conn: &Connection,
    shared: &Shared,
    filter: &Filter,
    before: Option<ConversationId>,
    limit: u32,
) -> Result<Vec<State>, Trouble> {
    let mut states = Vec::new();
    if limit == 0 {
        return Ok(states);
    }
    let (rest, values) = narrowed(filter, before);
    let wanted: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    each(conn, shared, (&rest, &wanted), |state| {
        if filter.matches(&state) {
            states.push(state);
        }
        states.len() < limit as usize
    })?;
    Ok(states)
}

/// What the indexes can say about a filter; `Filter::matches` says the rest.
fn narrowed(filter: &Filter, before: Option<ConversationId>) -> (String, Vec<Value>) {
    let mut parts: Vec<String> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut add = |part: &str, value: Value| {
        values.push(value);
        parts.push(part.replace('?', &format!("?{}", values.len())));
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let moment = |at: Timestamp| Value::Integer(i64::try_from(at.millis()).unwrap_or(i64::MAX));
    if let Some(id) = before {
        add("id < ?", Value::Blob(conversation_row::blob(id).to_vec()));
    }
    if let Some(visitor) = &filter.visitor {
        add("visitor = ?", text(visitor.as_str()));
    }
    if let Some(agent) = filter.agent {
        add("(assignee = ? OR holder = ?)", Value::Blob(agent.as_u128().to_be_bytes().to_vec()));
    }
    if let Some(shop) = &filter.shop {
        add("shop = ?", text(shop.as_str()));
    }
    if let Some(channel) = &filter.channel {
        add("channel = ?", text(channel.as_str()));
    }
    if let Some(from) = filter.opened_from {
        add("opened_at >= ?", moment(from));
    }
    if let Some(to) = filter.opened_to {
        add("opened_at <= ?", moment(to));
    }
    if !filter.phases.is_empty() && filter.phases.iter().all(|phase| phase.is_live()) {
        parts.push("live = 1".to_owned());
    } else if filter.phases == [Phase::Closed] {
        parts.push("live = 0".to_owned());
    }
    if parts.is_empty() {
        parts.push("true".to_owned());
    }
    (format!("{} ORDER BY id DESC", parts.join(" AND ")), values)
}

/// Wake-ups: notes hide the rows that they are newer than.
pub(super) fn due(
    conn: &Connection,
    shared: &Shared,
    now: Timestamp,
    limit: u32,
    slots: &SlotSet,
) -> Result<Vec<ConversationId>, Trouble> {
    let is_wanted = |id: ConversationId| slots.has(Slot::of_conversation(id));
    let noted = shared.unflushed.wakes();
    let limit = limit as usize;
    let mut due: Vec<(Timestamp, ConversationId)> = noted
        .iter()
        .filter(|(id, _)| is_wanted(**id))
        .filter_map(|(id, wake_at)| wake_at.filter(|at| *at <= now).map(|at| (at, *id)))
        .collect();
    let mut read = conn.prepare_cached(
        "SELECT wake_at, id FROM conversation WHERE wake_at IS NOT NULL AND wake_at <= ?1 ORDER BY wake_at",
    )?;
    let mut rows = read.query([now.millis()])?;
    let mut found = 0;
    while let Some(row) = rows.next()?
        && found < limit
    {
        let id = ConversationId::from_u128(u128::from_be_bytes(row.get(1)?));
        if !noted.contains_key(&id) && is_wanted(id) {
            due.push((Timestamp::from_millis(row.get(0)?), id));
            found += 1;
        }
    }
    due.sort_unstable();
    due.truncate(limit);
    Ok(due.into_iter().map(|(_, id)| id).collect())
}
