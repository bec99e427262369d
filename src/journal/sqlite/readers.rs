//! The readers' threads: each answers one question at a time on a read-only connection of its own.
//!
//! Answers see everything whose reply was called before the question was put; see `unflushed` for why.

use super::super::{Answer, AnswerTo, Page, Query, Totals};
use super::trouble::Trouble;
use super::unflushed::Note;
use super::{Shared, agent_row, conversation_row, entry_row, listing, tailing};
use crate::conversation::state::State;
use crate::ident::{ConversationId, Seq};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

/// Entries in one page at most, whatever was asked for.
const PAGE_MAX_ENTRIES: u32 = 10_000;

/// Works until every sender is gone. The threads take turns at the queue's end.
pub(super) fn run(conn: &Connection, shared: &Shared, questions: &Mutex<Receiver<(Query, AnswerTo)>>) {
    loop {
        let next = questions.lock().recv();
        let Ok((query, answer_to)) = next else {
            return;
        };
        shared.meters.questions_depth.fetch_sub(1, Ordering::Relaxed);
        answer_to(answer(conn, shared, &query));
    }
}

fn answer(conn: &Connection, shared: &Shared, query: &Query) -> Answer {
    let answered = match query {
        Query::State(id) => {
            newest(conn, shared, *id).map(|note| Answer::State(note.map(|note| Box::new(owned(note.state)))))
        }
        Query::History { conversation, after, limit } => {
            history(conn, shared, *conversation, *after, *limit).map(Answer::History)
        }
        Query::Conversations { filter, before, limit } => {
            listing::conversations(conn, shared, filter, *before, *limit).map(Answer::States)
        }
        Query::Waiting { after, limit } => listing::waiting(conn, shared, *after, *limit).map(Answer::States),
        Query::HeldBy(agent) => listing::held_by(conn, shared, *agent).map(Answer::States),
        Query::LiveOf { shop, visitor } => listing::live_of(conn, shared, shop, visitor).map(Answer::States),
        Query::Heads(ids) => listing::heads(conn, shared, ids).map(Answer::Heads),
        Query::Due { now, limit, slots } => listing::due(conn, shared, *now, *limit, slots).map(Answer::Due),
        Query::Agents => agent_row::list(conn).map(Answer::Agents),
        Query::Tail { since, limit } => tailing::tail(conn, shared, since.as_ref(), *limit).map(Answer::Tail),
        Query::Totals => Ok(Answer::Totals(totals(shared))),
    };
    answered.unwrap_or_else(|trouble| {
        tracing::error!(%trouble, ?query, "a question could not be answered");
        Answer::Failed { reason: trouble.to_string().into() }
    })
}

/// The conversation's note where its row lags, else its row. In this order: see `unflushed`.
pub(super) fn newest(
    conn: &Connection,
    shared: &Shared,
    id: ConversationId,
) -> Result<Option<Note>, Trouble> {
    match shared.unflushed.get(id) {
        Some(note) => Ok(Some(note)),
        None => conversation_row::by_id(conn, id),
    }
}

fn history(
    conn: &Connection,
    shared: &Shared,
    id: ConversationId,
    after: Seq,
    limit: u32,
) -> Result<Option<Page>, Trouble> {
    let noted = shared.unflushed.get(id);
    let snapshot = conn.unchecked_transaction()?;
    let found = match noted {
        Some(note) => Some(note),
        None => conversation_row::by_id(conn, id)?,
    };
    let Some(note) = found else {
        return Ok(None);
    };
    let head = note.state.head;
    let last = head.min(after.saturating_add(limit.min(PAGE_MAX_ENTRIES).into()));
    let entries = if last > after {
        let pos = entry_row::find(conn, (head, note.last_pos), last)?;
        entry_row::read_back(conn, &note.state, (last, pos), after)?
    } else {
        Vec::new()
    };
    snapshot.finish()?;
    Ok(Some(Page { entries, head, visitor_head: note.state.visitor_head }))
}

fn totals(shared: &Shared) -> Totals {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Acquire);
    Totals {
        conversations: count(&shared.last_key).saturating_sub(count(&shared.pruned_conversations)),
        live: count(&shared.live),
        entries: count(&shared.last_pos).saturating_sub(count(&shared.pruned_entries)),
    }
}

pub(super) fn owned(state: Arc<State>) -> State {
    Arc::unwrap_or_clone(state)
}
