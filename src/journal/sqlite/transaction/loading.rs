//! What a transaction loads before the ledger judges: the conversation, a known client key, a live twin, and the
//! entries that a recall takes back. Only reads: an error here is one operation's matter.

use super::super::super::chain::{Chain, Pos};
use super::super::super::ledger::{self, Known};
use super::super::super::{ClientKey, Write};
use super::super::cache::Cached;
use super::super::trouble::Trouble;
use super::super::unflushed::Note;
use super::super::{conversation_row, entry_row};
use super::Transaction;
use crate::conversation::event::Event;
use crate::conversation::state::State;
use crate::ident::{ConversationId, Seq};
use hashbrown::HashMap;
use std::sync::Arc;

impl Transaction<'_> {
    /// Positions of the entries that the write takes back, with what shall stand there.
    pub(super) fn recalled(&mut self, write: &Write) -> Result<Vec<(Pos, Event)>, Trouble> {
        let mut found = Vec::new();
        for (_, event) in &write.events {
            let Event::Recalled { seq } = event else {
                continue;
            };
            if let Some(pos) = self.position_of(write.conversation, *seq)?
                && let Some(event) = ledger::redacted(&entry_row::event_at(self.conn, pos)?)
            {
                found.push((pos, event));
            }
        }
        Ok(found)
    }

    fn position_of(&mut self, id: ConversationId, seq: Seq) -> Result<Option<Pos>, Trouble> {
        let conn = self.conn;
        let from = self.load(id)?.chain.nearest(seq).filter(|_| seq > 0);
        from.map(|from| entry_row::find(conn, from, seq)).transpose()
    }

    pub(super) fn known(&mut self, id: ConversationId, client: &ClientKey) -> Result<Option<Known>, Trouble> {
        let conn = self.conn;
        let cached = self.load(id)?;
        let mut added = 0;
        let clients = match &mut cached.clients {
            Some(clients) => clients,
            unloaded => {
                let clients = entry_row::clients(conn, (cached.state.head, cached.last_pos))?;
                added = clients.len();
                unloaded.insert(clients)
            }
        };
        let seq = clients.get(&client.key).copied();
        self.cache.grew_by(added);
        let Some(seq) = seq else {
            return Ok(None);
        };
        let pos = self.position_of(id, seq)?;
        pos.map(|pos| entry_row::known(conn, pos)).transpose()
    }

    /// The live twin of what the write opens or reopens.
    pub(super) fn twin(&mut self, write: &Write) -> Result<Option<ConversationId>, Trouble> {
        let conn = self.conn;
        let id = write.conversation;
        for (_, event) in &write.events {
            match event {
                Event::Opened(opening) => {
                    let wanted = (opening.shop.as_str(), opening.visitor.as_str(), opening.channel.as_str());
                    return conversation_row::live_twin(conn, id, wanted);
                }
                Event::Reopened => {
                    let state = Arc::clone(&self.load(id)?.state);
                    let visitor = state.visitor.as_ref().map_or("", |visitor| visitor.as_str());
                    let wanted = (state.shop.as_str(), visitor, state.channel.as_str());
                    return conversation_row::live_twin(conn, id, wanted);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The conversation as this transaction sees it: remembered, changed in this batch, noted, or read.
    pub(super) fn load(&mut self, id: ConversationId) -> Result<&mut Cached, Trouble> {
        if self.cache.touch(id).is_none() {
            let in_batch = self.changes.iter().rev().find(|note| note.state.id == id).cloned();
            let found = match in_batch.or_else(|| self.shared.unflushed.get(id)) {
                Some(note) => Some(note),
                None => conversation_row::by_id(self.conn, id)?,
            };
            let cached = match found {
                Some(note) => {
                    let chain =
                        Chain::restore(entry_row::roots(self.conn, (note.state.head, note.last_pos))?);
                    remembered(note, chain)
                }
                None => unopened(id),
            };
            self.cache.insert(id, cached);
        }
        self.cache.touch(id).ok_or_else(|| Trouble::missing_entry(0))
    }
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
