//! What a transaction loads before the ledger judges: the conversation, a known client key, a live twin, and the
//! entries that a recall takes back. Only reads: an error here is one operation's matter.

use super::super::super::chain::{Chain, Pos};
use super::super::super::ledger::{self, Known};
use super::super::super::{ClientKey, Write};
use super::super::cache::{Cache, Cached};
use super::super::trouble::Trouble;
use super::super::unflushed::{Note, Unflushed};
use super::super::{conversation_row, entry_row};
use crate::conversation::event::Event;
use crate::conversation::state::State;
use crate::ident::{ConversationId, Seq};
use hashbrown::HashMap;
use rusqlite::Connection;
use std::sync::Arc;

/// Where a conversation is looked for that the writer does not remember.
pub(super) struct Sources<'a> {
    pub(super) conn: &'a Connection,
    /// What the open transaction has changed so far.
    pub(super) changes: &'a [Note],
    pub(super) unflushed: &'a Unflushed,
}

/// The conversation as the open transaction sees it: remembered, changed in this batch, noted, or read.
pub(super) fn load<'c>(
    cache: &'c mut Cache,
    sources: &Sources<'_>,
    id: ConversationId,
) -> Result<&'c mut Cached, Trouble> {
    if cache.touch(id).is_none() {
        cache.insert(id, found(sources, id)?);
    }
    cache.touch(id).ok_or_else(|| Trouble::missing_entry(0))
}

fn found(sources: &Sources<'_>, id: ConversationId) -> Result<Cached, Trouble> {
    let in_batch = sources.changes.iter().rev().find(|note| note.state.id == id).cloned();
    let found = match in_batch.or_else(|| sources.unflushed.get(id)) {
        Some(note) => Some(note),
        None => conversation_row::by_id(sources.conn, id)?,
    };
    let Some(note) = found else {
        return Ok(unopened(id));
    };
    let chain = Chain::restore(entry_row::roots(sources.conn, (note.state.head, note.last_pos))?);
    Ok(remembered(note, chain))
}

/// Where the client key stands in the conversation's log.
pub(super) fn known(
    conn: &Connection,
    cached: &mut Cached,
    client: &ClientKey,
) -> Result<Option<Known>, Trouble> {
    let clients = match &mut cached.clients {
        Some(clients) => clients,
        unread => unread.insert(entry_row::clients(conn, (cached.state.head, cached.last_pos))?),
    };
    let Some(seq) = clients.get(&client.key).copied() else {
        return Ok(None);
    };
    let pos = position_of(conn, cached, seq)?;
    pos.map(|pos| entry_row::known(conn, pos)).transpose()
}

/// Positions of the entries that the write takes back, with what shall stand there.
pub(super) fn recalled(
    conn: &Connection,
    cached: &Cached,
    write: &Write,
) -> Result<Vec<(Pos, Event)>, Trouble> {
    let mut found = Vec::new();
    for (_, event) in &write.events {
        let Event::Recalled { seq } = event else {
            continue;
        };
        if let Some(pos) = position_of(conn, cached, *seq)?
            && let Some(event) = ledger::redacted(&entry_row::event_at(conn, pos)?)
        {
            found.push((pos, event));
        }
    }
    Ok(found)
}

fn position_of(conn: &Connection, cached: &Cached, seq: Seq) -> Result<Option<Pos>, Trouble> {
    let from = cached.chain.nearest(seq).filter(|_| seq > 0);
    from.map(|from| entry_row::find(conn, from, seq)).transpose()
}

/// The live twin of what the write opens or reopens.
pub(super) fn twin(
    conn: &Connection,
    state: &State,
    write: &Write,
) -> Result<Option<ConversationId>, Trouble> {
    for (_, event) in &write.events {
        let wanted = match event {
            Event::Opened(opening) => {
                (opening.shop.as_str(), opening.visitor.as_str(), opening.channel.as_str())
            }
            Event::Reopened => {
                let visitor = state.visitor.as_ref().map_or("", |visitor| visitor.as_str());
                (state.shop.as_str(), visitor, state.channel.as_str())
            }
            _ => continue,
        };
        return conversation_row::live_twin(conn, write.conversation, wanted);
    }
    Ok(None)
}

fn remembered(note: Note, chain: Chain) -> Cached {
    Cached {
        key: Some(note.key),
        fence: note.fence,
        state: note.state,
        last_pos: note.last_pos,
        chain,
        wake_at: note.wake_at,
        clients: None,
        row_is_stale: note.row_is_stale,
    }
}

fn unopened(id: ConversationId) -> Cached {
    Cached {
        key: None,
        fence: 0,
        state: Arc::new(State::new(id)),
        last_pos: 0,
        chain: Chain::default(),
        wake_at: None,
        clients: Some(HashMap::new()),
        row_is_stale: false,
    }
}
