//! Values on their way into columns and back: numbers that PostgreSQL signs, presence, authors, events, states.

use super::super::record::author::{self, StoredAuthor};
use super::super::record::{RecordError, event, state};
use super::super::{AgentSeats, Presence};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::conversation::event::{Entry, Event};
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId};
use tokio_postgres::Row;
use uuid::Uuid;

/// Positions, epochs and moments stay far below the end of the signed numbers; what lies beyond is "later than all".
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never negative in a sound database.
pub(super) fn unsigned(number: i64) -> Result<u64, RecordError> {
    u64::try_from(number).map_err(|error| RecordError(format!("{number} where a count belongs: {error}")))
}

pub(super) fn seats(number: i64) -> Result<u32, RecordError> {
    u32::try_from(number).map_err(|error| RecordError(format!("{number} where seats belong: {error}")))
}

pub(super) fn moment(row: &Row, column: usize) -> Result<Option<Timestamp>, Trouble> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(unsigned).transpose()?.map(Timestamp::from_millis))
}

pub(super) fn count(row: &Row, column: usize) -> Result<u64, Trouble> {
    Ok(unsigned(row.try_get(column)?)?)
}

pub(super) fn conversation_id(row: &Row, column: usize) -> Result<ConversationId, Trouble> {
    Ok(ConversationId::from_uuid(row.try_get::<_, Uuid>(column)?))
}

pub(super) const fn presence_number(presence: Presence) -> i16 {
    match presence {
        Presence::Offline => 0,
        Presence::Online => 1,
        Presence::Away => 2,
    }
}

fn presence(number: i16) -> Result<Presence, RecordError> {
    match number {
        0 => Ok(Presence::Offline),
        1 => Ok(Presence::Online),
        2 => Ok(Presence::Away),
        unknown => Err(RecordError(format!("presence {unknown} is not known here"))),
    }
}

/// Reads id, presence, capacity, load and version, in this order.
pub(super) fn agent(row: &Row) -> Result<AgentSeats, Trouble> {
    Ok(AgentSeats {
        agent: AgentId::from_uuid(row.try_get(0)?),
        presence: presence(row.try_get(1)?)?,
        capacity: seats(row.try_get(2)?)?,
        load: seats(row.try_get(3)?)?,
        version: count(row, 4)?,
    })
}

/// Reads an id and a state from two neighbouring columns.
pub(super) fn state(row: &Row, column: usize) -> Result<State, Trouble> {
    let id = conversation_id(row, column)?;
    Ok(state::decode(id, row.try_get(column + 1)?)?)
}

/// Reads an event from its kind and its body in two neighbouring columns.
pub(super) fn event(row: &Row, column: usize) -> Result<Event, Trouble> {
    let kind: i16 = row.try_get(column)?;
    Ok(event::decode(kind.into(), utf8(row.try_get(column + 1)?)?)?)
}

/// Reads seq, visitor_prev, at, author, author_id, author_name, kind and body, in this order; `state` is any state of the conversation after its opening.
pub(super) fn entry(state: &State, row: &Row) -> Result<Entry, Trouble> {
    let kind: i16 = row.try_get(3)?;
    let (id, name): (Option<&[u8]>, Option<&[u8]>) = (row.try_get(4)?, row.try_get(5)?);
    let author = StoredAuthor {
        kind: kind.into(),
        id: id.map(Into::into),
        name: name.map(utf8).transpose()?.map(Into::into),
    };
    Ok(Entry {
        seq: count(row, 0)?,
        visitor_prev: count(row, 1)?,
        at: Timestamp::from_millis(count(row, 2)?),
        author: author::decode(state, &author)?,
        event: event(row, 6)?,
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, RecordError> {
    std::str::from_utf8(bytes).map_err(|error| RecordError(error.to_string()))
}
