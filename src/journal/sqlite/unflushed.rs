//! Conversations whose row lags behind their log, shared between the writer and the readers.
//!
//! A plain message appends to the log and touches no row; the row is written later, in batches. Until then the truth
//! about the conversation stands here. The order that makes this free of races:
//! - the writer commits, *then* notes the change here, *then* replies;
//! - the writer commits the flushed row, *then* drops the note;
//! - a reader looks here first and opens its snapshot *after* that. No note means that the row is fresh in any later
//!   snapshot; a note means that everything it says is committed and in any later snapshot.
//!
//! Listings read rows first and look here afterwards; `generation` tells whether a note was dropped in between.

use super::super::chain::Pos;
use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::ident::{ConversationId, Epoch};
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the row would say if it were fresh.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) key: i64,
    pub(super) fence: Epoch,
    pub(super) state: Arc<State>,
    pub(super) last_pos: Pos,
    pub(super) wake_at: Option<Timestamp>,
    /// The row is older than this note.
    pub(super) row_is_stale: bool,
}

#[derive(Debug, Default)]
pub(super) struct Unflushed {
    notes: RwLock<HashMap<ConversationId, Note>>,
    dropped: AtomicU64,
}

impl Unflushed {
    pub(super) fn get(&self, id: ConversationId) -> Option<Note> {
        self.notes.read().get(&id).cloned()
    }

    /// Rises with every round in which notes were dropped.
    pub(super) fn generation(&self) -> u64 {
        self.dropped.load(Ordering::Acquire)
    }

    /// Every note whose row is stale, as `(id, wake_at)`; bounded by the flush limits.
    pub(super) fn wakes(&self) -> HashMap<ConversationId, Option<Timestamp>> {
        let notes = self.notes.read();
        notes.iter().filter(|(_, note)| note.row_is_stale).map(|(id, note)| (*id, note.wake_at)).collect()
    }

    /// Drops what was flushed and notes what a committed batch changed, in one step. A change with a fresh row is
    /// noted only where an older note would hide that row. Calls `newly_stale` for every note that was not there.
    pub(super) fn settle(
        &self,
        flushed: impl Iterator<Item = ConversationId>,
        changes: impl Iterator<Item = Note>,
        mut newly_noted: impl FnMut(&Note),
    ) -> usize {
        let mut notes = self.notes.write();
        let mut any = false;
        for id in flushed {
            any |= notes.remove(&id).is_some();
        }
        for change in changes {
            match notes.get_mut(&change.state.id) {
                Some(note) => *note = change,
                None if change.row_is_stale => {
                    newly_noted(&change);
                    notes.insert(change.state.id, change);
                }
                None => {}
            }
        }
        if any {
            self.dropped.fetch_add(1, Ordering::Release);
        }
        notes.len()
    }
}
