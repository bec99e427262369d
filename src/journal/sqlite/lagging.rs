//! Rows that lag behind their log, in the order in which they began to lag, and the flush that brings them up to date.
//!
//! The order gives the one number that a start needs: everything up to the first lagging row's beginning is flushed.

use super::super::chain::Pos;
use super::options::Options;
use super::trouble::Trouble;
use super::unflushed::Unflushed;
use super::{conversation_row, meta};
use crate::ident::ConversationId;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rows flushed in one transaction, beside the messages that it commits: few, because their acks wait for it.
const FLUSH_MAX_ROWS: usize = 16;
/// Rows flushed in one transaction when nothing else is to do, or when too many lag.
const FLUSH_MAX_ROWS_PRESSED: usize = 1_024;

/// Entries after which the flushed position is written down although no row lags.
const MARK_EVERY_ENTRIES: Pos = 8_192;

#[derive(Debug)]
struct Late {
    id: ConversationId,
    /// The last position before the one at which this row began to lag, or an earlier one.
    after: Pos,
    since: Instant,
}

#[derive(Debug)]
pub(super) struct Lagging {
    queue: VecDeque<Late>,
    in_transaction: Vec<Late>,
    /// The flushed position as the file knows it.
    marked: Pos,
    marking: Pos,
    max_rows: usize,
    max_age: Duration,
}

impl Lagging {
    pub(super) fn new(options: &Options, marked: Pos) -> Self {
        Self {
            queue: VecDeque::new(),
            in_transaction: Vec::new(),
            marked,
            marking: marked,
            max_rows: options.lagging_rows,
            max_age: options.lagging_for,
        }
    }

    /// Whether a flush has something to do; `last_pos` is the log's end.
    pub(super) fn is_due(&self, last_pos: Pos, idle: bool) -> bool {
        self.rows_due(idle) > 0 || self.mark_is_due(last_pos, idle)
    }

    /// Notes a conversation whose row began to lag after position `after`.
    pub(super) fn remember(&mut self, id: ConversationId, after: Pos) {
        self.queue.push_back(Late { id, after, since: Instant::now() });
    }

    /// Writes the rows that are due, inside the open transaction; `last_pos` is the log's end before it.
    pub(super) fn flush(
        &mut self,
        conn: &Connection,
        unflushed: &Unflushed,
        last_pos: Pos,
        idle: bool,
    ) -> Result<(), Trouble> {
        if !self.is_due(last_pos, idle) {
            return Ok(());
        }
        let due = self.rows_due(idle);
        self.in_transaction.extend(self.queue.drain(..due));
        for late in &self.in_transaction {
            if let Some(note) = unflushed.get(late.id).filter(|note| note.row_is_stale) {
                conversation_row::flush(conn, &note)?;
            }
        }
        self.marking = self.queue.front().map_or(last_pos, |late| late.after);
        Ok(meta::set(conn, meta::FLUSHED_UPTO, self.marking)?)
    }

    /// The conversations whose rows the committed transaction wrote.
    pub(super) fn take_flushed(&mut self) -> Vec<ConversationId> {
        self.marked = self.marking;
        self.in_transaction.drain(..).map(|late| late.id).collect()
    }

    /// Puts back what the failed transaction would have written.
    pub(super) fn restore_flushed(&mut self) {
        self.marking = self.marked;
        for late in self.in_transaction.drain(..).rev() {
            self.queue.push_front(late);
        }
    }

    /// Where only decisions are written no row ever lags, and a start would read the whole log again for nothing.
    fn mark_is_due(&self, last_pos: Pos, idle: bool) -> bool {
        let unmarked = last_pos - self.marked;
        self.queue.is_empty() && (unmarked >= MARK_EVERY_ENTRIES || (idle && unmarked > 0))
    }

    fn rows_due(&self, idle: bool) -> usize {
        if idle || self.queue.len() > self.max_rows {
            return self.queue.len().min(FLUSH_MAX_ROWS_PRESSED);
        }
        self.queue.iter().take(FLUSH_MAX_ROWS).take_while(|late| late.since.elapsed() >= self.max_age).count()
    }
}
