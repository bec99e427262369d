//! The audit: reads the whole log again and compares everything that was ever derived from it.
//!
//! Works on a file that is served or not, in one snapshot, and writes nothing. It trusts no pointer, no row and no
//! counter; the only rules it shares with the writer are the ledger's.

use super::super::chain::{Pos, skip_of};
use super::super::{Audit, ledger};
use super::schema::{self, OpenError};
use super::trouble::Trouble;
use super::unflushed::Note;
use super::{agent_row, conversation_row, entry_row, meta};
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId};
use crate::refusal::Code;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Findings that are told one by one.
const FINDINGS_MAX: usize = 1_000;

/// Audits the file, or one conversation of it.
///
/// # Errors
/// The file cannot be read.
pub fn audit(path: &Path, only: Option<ConversationId>) -> Result<Audit, OpenError> {
    let conn = schema::open_readable(path)?;
    let attempt = || -> Result<Audit, Trouble> {
        let snapshot = conn.unchecked_transaction()?;
        let mut auditor = Auditor::new(&conn)?;
        auditor.read_log(only)?;
        if only.is_none() {
            auditor.rows_without_entries()?;
            auditor.loads()?;
        }
        snapshot.finish()?;
        Ok(auditor.audit)
    };
    attempt().map_err(|trouble| match trouble {
        Trouble::Store(error) => OpenError::from_sqlite(path, &error),
        Trouble::Record(error) => OpenError::Damaged { path: path.to_path_buf(), reason: error.to_string() },
    })
}

struct Auditor<'c> {
    conn: &'c Connection,
    flushed_upto: Pos,
    held: BTreeMap<AgentId, u32>,
    audit: Audit,
}

/// A conversation while its entries are read.
struct Folding {
    row: Option<Note>,
    name: String,
    state: State,
    positions: Vec<Pos>,
    clients: BTreeSet<Vec<u8>>,
}

impl<'c> Auditor<'c> {
    fn new(conn: &'c Connection) -> Result<Self, Trouble> {
        let flushed_upto = meta::get(conn, meta::FLUSHED_UPTO)?.unwrap_or(0);
        Ok(Self { conn, flushed_upto, held: BTreeMap::new(), audit: Audit::default() })
    }

    fn find(&mut self, finding: String) {
        let findings = &mut self.audit.findings;
        match findings.len() {
            count if count < FINDINGS_MAX => findings.push(finding),
            FINDINGS_MAX => findings.push(format!("more than {FINDINGS_MAX} findings; the rest is not told")),
            _ => {}
        }
    }

    fn read_log(&mut self, only: Option<ConversationId>) -> Result<(), Trouble> {
        let conn = self.conn;
        let mut read = conn.prepare(
            "SELECT seq, visitor_prev, at, author, author_id, author_name, kind, body, pos, conversation, back, skip,
                    client
             FROM entry
             WHERE ?1 IS NULL OR conversation = (SELECT key FROM conversation WHERE id = ?1)
             ORDER BY conversation, pos",
        )?;
        let mut rows = read.query([only.map(conversation_row::blob)])?;
        let mut current: Option<(i64, Folding)> = None;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(9)?;
            if current.as_ref().is_none_or(|(folding, _)| *folding != key) {
                self.finish(current.take());
                current = Some((key, self.begin(key)?));
            }
            if let Some((_, folding)) = &mut current {
                self.entry(folding, row)?;
            }
        }
        self.finish(current);
        Ok(())
    }

    fn begin(&mut self, key: i64) -> Result<Folding, Trouble> {
        self.audit.conversations += 1;
        let row = match conversation_row::by_key(self.conn, key) {
            Ok(row) => row,
            Err(Trouble::Record(error)) => {
                self.find(format!("FOLD: the row of conversation {key}: {error}"));
                None
            }
            Err(store) => return Err(store),
        };
        if row.is_none() {
            self.find(format!("CV-1: entries of conversation {key} have no readable row"));
        }
        let id = row.as_ref().map_or(ConversationId::from_u128(0), |row| row.state.id);
        let name = format!("conversation {id}");
        let state = State::new(id);
        Ok(Folding { row, name, state, positions: Vec::new(), clients: BTreeSet::new() })
    }

    fn entry(&mut self, folding: &mut Folding, row: &Row<'_>) -> Result<(), Trouble> {
        self.audit.entries += 1;
        let (pos, back, skip): (Pos, Pos, Pos) = (row.get(8)?, row.get(10)?, row.get(11)?);
        let seq = folding.positions.len() as u64 + 1;
        let name = &folding.name;
        let entry = match entry_row::entry(folding.row.as_ref().map_or(&folding.state, |row| &row.state), row)
        {
            Ok(entry) => entry,
            Err(Trouble::Record(error)) => {
                self.find(format!("CV-1: {name}: entry {seq}: {error}"));
                folding.positions.push(pos);
                return Ok(());
            }
            Err(store) => return Err(store),
        };
        if entry.seq != seq {
            self.find(format!("CV-1: {name}: entry {} stands where {seq} belongs", entry.seq));
        }
        if entry.visitor_prev != folding.state.visitor_head {
            let expected = folding.state.visitor_head;
            self.find(format!(
                "FO-1: {name}: entry {seq}: visitor_prev {}, not {expected}",
                entry.visitor_prev
            ));
        }
        let position_of = |seq: u64| {
            usize::try_from(seq).ok().and_then(|seq| folding.positions.get(seq.wrapping_sub(1))).copied()
        };
        let links = (position_of(seq - 1).unwrap_or(0), position_of(skip_of(seq)).unwrap_or(0));
        if (back, skip) != links {
            self.find(format!("CV-1: {name}: entry {seq} points to {back} and {skip}, not to {links:?}"));
        }
        if let Err(refusal) = ledger::permitted(&folding.state, &entry.event) {
            let invariant = if refusal.code == Code::Closed { "CV-2" } else { "CV-4" };
            self.find(format!("{invariant}: {name}: entry {seq} should have been refused: {refusal}"));
        }
        if let Some(client) = row.get::<_, Option<Vec<u8>>>(12)?
            && !folding.clients.insert(client)
        {
            self.find(format!("JR-1: {name}: the client key of entry {seq} stands in the log twice"));
        }
        folding.positions.push(pos);
        folding.state.apply(entry.at, &entry.author, &entry.event);
        self.compare(folding, pos);
        Ok(())
    }

    /// Compares the row with the fold where the row stands.
    fn compare(&mut self, folding: &Folding, pos: Pos) {
        let Some(row) = &folding.row else {
            return;
        };
        let name = &folding.name;
        if folding.state.head == row.state.head {
            if folding.state != *row.state {
                self.find(format!(
                    "FOLD: {name}: the stored state is not the fold of its {} entries",
                    row.state.head
                ));
            }
            if row.last_pos != pos {
                self.find(format!(
                    "FOLD: {name}: the row points to {}, its last entry is at {pos}",
                    row.last_pos
                ));
            }
        } else if folding.state.head > row.state.head && pos <= self.flushed_upto {
            self.find(format!(
                "FOLD: {name}: entry {} counts as flushed and is not in the row",
                folding.state.head
            ));
        }
    }

    fn finish(&mut self, done: Option<(i64, Folding)>) {
        let Some((_, folding)) = done else {
            return;
        };
        let (name, count) = (&folding.name, folding.positions.len() as u64);
        if let Some(row) = &folding.row
            && row.state.head > count
        {
            self.find(format!("CV-1: {name}: max(seq) {}, count {count}", row.state.head));
        }
        if let Some(hold) = folding.state.seat_hold() {
            *self.held.entry(hold.agent).or_default() += hold.seats;
        }
    }

    fn rows_without_entries(&mut self) -> Result<(), Trouble> {
        let mut read = self.conn.prepare(
            "SELECT id FROM conversation AS c
             WHERE NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.pos = c.last_pos AND e.conversation = c.key)",
        )?;
        let lost = read.query_map([], |row| row.get::<_, [u8; 16]>(0))?.collect::<Result<Vec<_>, _>>()?;
        for id in lost {
            let id = ConversationId::from_u128(u128::from_be_bytes(id));
            self.find(format!("CV-1: conversation {id}: its last entry is not in the log"));
        }
        Ok(())
    }

    fn loads(&mut self) -> Result<(), Trouble> {
        for row in agent_row::list(self.conn)? {
            let held = self.held.remove(&row.agent).unwrap_or(0);
            if held != row.load {
                self.find(format!("RT-1: agent {}: load {}, seats held {held}", row.agent, row.load));
            }
        }
        for (agent, held) in std::mem::take(&mut self.held) {
            self.find(format!("RT-1: agent {agent} is unknown and holds {held} seats"));
        }
        Ok(())
    }
}
