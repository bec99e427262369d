//! Entries in the file: appended, found by their chain, read back. The only statements that touch the log.

use super::super::chain::{Links, Pos, Step, skip_of, step};
use super::super::record::author::{self, StoredAuthor};
use super::super::record::event;
use super::super::{ClientKey, ledger::Known};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::conversation::event::{Entry, Event};
use crate::conversation::state::State;
use crate::ident::Seq;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

/// The statement of the hot path, prepared once.
pub(super) struct Append<'c>(Statement<'c>);

impl<'c> Append<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self(conn.prepare(
            "INSERT INTO entry (pos, conversation, seq, visitor_prev, at, author, author_id, author_name, kind, body,
                                client, digest, back, skip)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?))
    }

    /// Appends `entry` of conversation `key` at `pos`. `state` is any state of the conversation after its opening.
    pub(super) fn run(
        &mut self,
        (pos, links): (Pos, Links),
        (key, state): (i64, &State),
        entry: &Entry,
        client: Option<ClientKey>,
    ) -> Result<(), Trouble> {
        let author = author::encode(state, &entry.author);
        let (kind, body) = event::encode(&entry.event)?;
        self.0.execute(params![
            pos,
            key,
            entry.seq,
            entry.visitor_prev,
            entry.at.millis(),
            author.kind,
            author.id.as_deref(),
            author.name.as_deref(),
            kind,
            &*body,
            client.map(|client| client.key.to_be_bytes()),
            client.map(|client| client.digest.cast_signed()),
            links.back,
            links.skip,
        ])?;
        Ok(())
    }
}

/// Where entry `target` lies, found from a later entry of the same conversation.
pub(super) fn find(conn: &Connection, from: (Seq, Pos), target: Seq) -> Result<Pos, Trouble> {
    let mut links = conn.prepare_cached("SELECT back, skip FROM entry WHERE pos = ?1")?;
    let (mut seq, mut pos) = from;
    loop {
        let way = step(seq, target);
        if way == Step::Here {
            return Ok(pos);
        }
        let (back, skip): (Pos, Pos) = links
            .query_row([pos], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .ok_or_else(|| Trouble::missing_entry(pos))?;
        (seq, pos) = if way == Step::Skip { (skip_of(seq), skip) } else { (seq - 1, back) };
    }
}

/// The entries that a chain's memory consists of, newest first.
pub(super) fn roots(conn: &Connection, newest: (Seq, Pos)) -> Result<Vec<(Seq, Pos)>, Trouble> {
    let mut links = conn.prepare_cached("SELECT skip FROM entry WHERE pos = ?1")?;
    let mut roots = Vec::new();
    let (mut seq, mut pos) = newest;
    while seq > 0 {
        roots.push((seq, pos));
        pos = links
            .query_row([pos], |row| row.get(0))
            .optional()?
            .ok_or_else(|| Trouble::missing_entry(pos))?;
        seq = skip_of(seq);
    }
    Ok(roots)
}

/// Every client key of a conversation's log. Walks the whole chain: asked once per activation, and only by a write
/// that carries a key.
pub(super) fn clients(conn: &Connection, newest: (Seq, Pos)) -> Result<HashMap<u128, Seq>, Trouble> {
    let mut read = conn.prepare_cached("SELECT client, back FROM entry WHERE pos = ?1")?;
    let mut clients = HashMap::new();
    let (mut seq, mut pos) = newest;
    while seq > 0 {
        let (client, back): (Option<[u8; 16]>, Pos) = read
            .query_row([pos], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .ok_or_else(|| Trouble::missing_entry(pos))?;
        if let Some(client) = client {
            clients.insert(u128::from_be_bytes(client), seq);
        }
        (seq, pos) = (seq - 1, back);
    }
    Ok(clients)
}

/// What is kept beside a client key at `pos`.
pub(super) fn known(conn: &Connection, pos: Pos) -> Result<Known, Trouble> {
    conn.prepare_cached("SELECT seq, at, digest FROM entry WHERE pos = ?1")?
        .query_row([pos], |row| {
            let digest: i64 = row.get(2)?;
            Ok(Known {
                seq: row.get(0)?,
                at: Timestamp::from_millis(row.get(1)?),
                digest: digest.cast_unsigned(),
            })
        })
        .optional()?
        .ok_or_else(|| Trouble::missing_entry(pos))
}

/// The event at `pos`.
pub(super) fn event_at(conn: &Connection, pos: Pos) -> Result<Event, Trouble> {
    let (kind, body): (i64, String) = conn
        .prepare_cached("SELECT kind, body FROM entry WHERE pos = ?1")?
        .query_row([pos], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| Trouble::missing_entry(pos))?;
    Ok(event::decode(kind, &body)?)
}

/// Puts another event in the place of the one at `pos`; the entry's position, author and moment stay.
pub(super) fn replace_event(conn: &Connection, pos: Pos, event: &Event) -> Result<(), Trouble> {
    let (kind, body) = event::encode(event)?;
    conn.prepare_cached("UPDATE entry SET kind = ?2, body = ?3 WHERE pos = ?1")?
        .execute(params![pos, kind, &*body])?;
    Ok(())
}

/// A conversation's entries from position `newest` down to seq `after + 1`, oldest first.
pub(super) fn read_back(
    conn: &Connection,
    state: &State,
    newest: (Seq, Pos),
    after: Seq,
) -> Result<Vec<Entry>, Trouble> {
    let mut read = conn.prepare_cached(READ_ENTRY)?;
    let (seq, mut pos) = newest;
    let mut entries = Vec::with_capacity(usize::try_from(seq.saturating_sub(after)).unwrap_or(0));
    for _ in after..seq {
        let mut rows = read.query([pos])?;
        let row = rows.next()?.ok_or_else(|| Trouble::missing_entry(pos))?;
        entries.push(entry(state, row)?);
        pos = row.get(BACK)?;
    }
    entries.reverse();
    Ok(entries)
}

const READ_ENTRY: &str =
    "SELECT seq, visitor_prev, at, author, author_id, author_name, kind, body, back, conversation
                          FROM entry WHERE pos = ?1";
const BACK: usize = 8;

/// Entries after `after` in the order of the log, with their conversation's key, handed to `each` one by one.
/// `state_of` gives a state of that conversation after its opening, or nothing where the log has only come to it.
pub(super) struct Tail<'c>(Statement<'c>);

impl<'c> Tail<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self(conn.prepare(
            "SELECT seq, visitor_prev, at, author, author_id, author_name, kind, body, pos, conversation
             FROM entry WHERE pos > ?1 ORDER BY pos",
        )?))
    }

    pub(super) fn each(
        &mut self,
        after: Pos,
        mut each: impl FnMut(i64, Pos, Seq, &Row<'_>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut rows = self.0.query([after])?;
        while let Some(row) = rows.next()? {
            each(row.get(9)?, row.get(8)?, row.get(0)?, row)?;
        }
        Ok(())
    }
}

/// At most `limit` entries after position `after` up to `upto`, in the order of the log, in the columns of `Tail`.
pub(super) fn page(
    conn: &Connection,
    (after, upto): (Pos, Pos),
    limit: u32,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut read = conn.prepare_cached(
        "SELECT seq, visitor_prev, at, author, author_id, author_name, kind, body, pos, conversation
         FROM entry WHERE pos > ?1 AND pos <= ?2 ORDER BY pos LIMIT ?3",
    )?;
    let mut rows = read.query(params![after, upto, limit])?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// Reads an entry from the columns of `READ_ENTRY`, of `Tail` or of `page`.
pub(super) fn entry(state: &State, row: &Row<'_>) -> Result<Entry, Trouble> {
    let author = StoredAuthor {
        kind: row.get(3)?,
        id: row.get_ref(4)?.as_blob_or_null().map_err(rusqlite::Error::from)?.map(Into::into),
        name: row.get_ref(5)?.as_str_or_null().map_err(rusqlite::Error::from)?.map(Into::into),
    };
    let body = row.get_ref(7)?;
    Ok(Entry {
        seq: row.get(0)?,
        visitor_prev: row.get(1)?,
        at: Timestamp::from_millis(row.get(2)?),
        author: author::decode(state, &author)?,
        event: event::decode(row.get(6)?, body.as_str().map_err(rusqlite::Error::from)?)?,
    })
}
