//! The audit: reads the whole log again and compares everything that was ever derived from it.
//!
//! In one snapshot, beside serving nodes, writing nothing. It trusts no row, no column and no count; the only rules that
//! it shares with the writer are the ledger's.

use super::super::{Audit, ledger};
use super::address::Address;
use super::clerk::Clerk;
use super::columns::{self, count};
use super::link::{Link, Param};
use super::options::Options;
use super::schema::OpenError;
use super::trouble::Trouble;
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId};
use crate::refusal::Code;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Findings that are told one by one.
const FINDINGS_MAX: usize = 1_000;
/// Rows read at once.
const STEP_ROWS: i64 = 1_000;

const ROWS: &str = "SELECT id, state, head, visitor_head, live, waiting, holder FROM conversation
    WHERE id > $1 AND ($3::uuid IS NULL OR id = $3) ORDER BY id LIMIT $2";
const LOG: &str =
    "SELECT seq, visitor_prev, at, author, author_id, author_name, kind, body, conversation, client
    FROM entry WHERE (conversation, seq) > ($1, $2) AND ($4::uuid IS NULL OR conversation = $4)
    ORDER BY conversation, seq LIMIT $3";
const AGENTS: &str = "SELECT id, presence, capacity, load, version FROM agent ORDER BY id";
const TALLY: &str = "SELECT coalesce(sum(conversations), 0)::bigint, coalesce(sum(entries), 0)::bigint,
    coalesce(sum(live), 0)::bigint, (SELECT count(*) FROM conversation WHERE live) FROM tally";

/// Audits the database, or one conversation of it.
///
/// # Errors
/// The database cannot be read.
pub fn audit(address: &Address, only: Option<ConversationId>) -> Result<Audit, OpenError> {
    let explain = |trouble| OpenError::unreachable(address, &trouble);
    let clerk = Clerk::open(address, &Options::default())?;
    clerk.run(async move |link| in_a_snapshot(link, only).await).map_err(explain)
}

async fn in_a_snapshot(link: &Link, only: Option<ConversationId>) -> Result<Audit, Trouble> {
    link.within(link.begin_reading()).await?;
    let mut auditor = Auditor::new(link, only.map(ConversationId::uuid));
    auditor.run().await?;
    link.within(link.commit()).await?;
    Ok(auditor.audit)
}

struct Auditor<'l> {
    link: &'l Link,
    only: Option<Uuid>,
    held: BTreeMap<AgentId, u32>,
    live: u64,
    audit: Audit,
}

/// A conversation while its entries are read.
struct Folding {
    id: ConversationId,
    row: Option<Stored>,
    state: State,
    clients: BTreeSet<Uuid>,
    is_readable: bool,
}

/// A row and the columns that are derived from its state.
struct Stored {
    state: State,
    columns: (u64, u64, bool, bool, Option<Uuid>),
}

impl<'l> Auditor<'l> {
    fn new(link: &'l Link, only: Option<Uuid>) -> Self {
        Self { link, only, held: BTreeMap::new(), live: 0, audit: Audit::default() }
    }

    fn find(&mut self, finding: String) {
        let findings = &mut self.audit.findings;
        match findings.len() {
            known if known < FINDINGS_MAX => findings.push(finding),
            FINDINGS_MAX => findings.push(format!("more than {FINDINGS_MAX} findings; the rest is not told")),
            _ => {}
        }
    }

    async fn run(&mut self) -> Result<(), Trouble> {
        let mut rows = Rows::new(self.only);
        let mut current: Option<Folding> = None;
        let mut after = (Uuid::nil(), 0_i64);
        loop {
            let params: [Param<'_>; 4] = [
                (&after.0, Type::UUID),
                (&after.1, Type::INT8),
                (&STEP_ROWS, Type::INT8),
                (&self.only, Type::UUID),
            ];
            let log = self.link.within(self.link.query(LOG, &params)).await?;
            for row in &log {
                let id = columns::conversation_id(row, 8)?;
                if current.as_ref().is_none_or(|folding| folding.id != id) {
                    self.finish(current.take());
                    current = Some(self.begin(&mut rows, id).await?);
                }
                if let Some(folding) = &mut current {
                    self.entry(folding, row)?;
                }
                after = (id.uuid(), row.try_get(0)?);
            }
            if (log.len() as i64) < STEP_ROWS {
                break;
            }
        }
        self.finish(current);
        while let Some((id, _)) = rows.next(self).await? {
            self.find(format!("CV-1: conversation {id}: its entries are not in the log"));
        }
        if self.only.is_none() {
            self.loads().await?;
            self.counts().await?;
        }
        Ok(())
    }

    /// Steps through rows and log together; rows that the log passes over have no entries.
    async fn begin(&mut self, rows: &mut Rows, id: ConversationId) -> Result<Folding, Trouble> {
        self.audit.conversations += 1;
        let mut stored = None;
        while let Some((found, row)) = rows.next_upto(self, id).await? {
            if found == id {
                stored = row;
            } else {
                self.find(format!("CV-1: conversation {found}: its entries are not in the log"));
            }
        }
        if stored.is_none() {
            self.find(format!("CV-1: entries of conversation {id} have no readable row"));
        }
        let state = State::new(id);
        Ok(Folding { id, row: stored, state, clients: BTreeSet::new(), is_readable: true })
    }

    fn entry(&mut self, folding: &mut Folding, row: &Row) -> Result<(), Trouble> {
        self.audit.entries += 1;
        let seq = folding.state.head + 1;
        let name = folding.id;
        let decoded = columns::entry(folding.row.as_ref().map_or(&folding.state, |row| &row.state), row);
        let entry = match decoded {
            Ok(entry) => entry,
            Err(Trouble::Record(error)) => {
                folding.state.head += 1;
                folding.is_readable = false;
                self.find(format!("CV-1: conversation {name}: entry {seq}: {error}"));
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        if entry.seq != seq {
            self.find(format!("CV-1: conversation {name}: entry {} stands where {seq} belongs", entry.seq));
        }
        if entry.visitor_prev != folding.state.visitor_head {
            let (found, wanted) = (entry.visitor_prev, folding.state.visitor_head);
            self.find(format!("FO-1: conversation {name}: entry {seq}: visitor_prev {found}, not {wanted}"));
        }
        if let Err(refusal) = ledger::permitted(&folding.state, &entry.event) {
            let invariant = if refusal.code == Code::Closed { "CV-2" } else { "CV-4" };
            self.find(format!(
                "{invariant}: conversation {name}: entry {seq} should have been refused: {refusal}"
            ));
        }
        if let Some(client) = row.try_get::<_, Option<Uuid>>(9)?
            && !folding.clients.insert(client)
        {
            self.find(format!(
                "JR-1: conversation {name}: the client key of entry {seq} stands in the log twice"
            ));
        }
        folding.state.apply(entry.at, &entry.author, &entry.event);
        Ok(())
    }

    fn finish(&mut self, done: Option<Folding>) {
        let Some(Folding { id, row, state, is_readable, .. }) = done else {
            return;
        };
        if let Some(stored) = row {
            if stored.state.head != state.head {
                self.find(format!(
                    "CV-1: conversation {id}: the row stands at entry {}, the log has {}",
                    stored.state.head, state.head
                ));
            } else if is_readable && stored.state != state {
                self.find(format!(
                    "FOLD: conversation {id}: the stored state is not the fold of its {} entries",
                    state.head
                ));
            }
            if stored.columns != derived(&stored.state) {
                self.find(format!("FOLD: conversation {id}: the row's columns do not fit its state"));
            }
        }
        self.live += u64::from(state.phase.is_live());
        if let Some(hold) = state.seat_hold() {
            *self.held.entry(hold.agent).or_default() += hold.seats;
        }
    }

    async fn loads(&mut self) -> Result<(), Trouble> {
        for row in self.link.within(self.link.query(AGENTS, &[])).await? {
            let row = columns::agent(&row)?;
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

    async fn counts(&mut self) -> Result<(), Trouble> {
        let rows = self.link.within(self.link.query(TALLY, &[])).await?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        let told: (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let found = [self.audit.conversations, self.audit.entries, self.live].map(columns::signed);
        if [told.0, told.1, told.2] != found {
            self.find(format!(
                "FOLD: the tally says {told:?} conversations, entries and live ones, there are {found:?}"
            ));
        }
        if count(row, 3)? != self.live {
            self.find(format!(
                "FOLD: {} rows are marked live, {} conversations are",
                count(row, 3)?,
                self.live
            ));
        }
        Ok(())
    }
}

fn derived(state: &State) -> (u64, u64, bool, bool, Option<Uuid>) {
    let holder = state.seat_hold().map(|hold| hold.agent.uuid());
    (state.head, state.visitor_head, state.phase.is_live(), state.phase.is_waiting(), holder)
}

/// The rows in the order of the log, read some at a time.
struct Rows {
    only: Option<Uuid>,
    read: std::collections::VecDeque<(ConversationId, Option<Stored>)>,
    after: Uuid,
    is_last: bool,
}

impl Rows {
    const fn new(only: Option<Uuid>) -> Self {
        Self { only, read: std::collections::VecDeque::new(), after: Uuid::nil(), is_last: false }
    }

    /// The next row whose id is `id` or lies before it.
    async fn next_upto(
        &mut self,
        auditor: &mut Auditor<'_>,
        id: ConversationId,
    ) -> Result<Option<(ConversationId, Option<Stored>)>, Trouble> {
        self.fill(auditor).await?;
        let is_wanted = self.read.front().is_some_and(|(found, _)| *found <= id);
        Ok(if is_wanted { self.read.pop_front() } else { None })
    }

    async fn next(
        &mut self,
        auditor: &mut Auditor<'_>,
    ) -> Result<Option<(ConversationId, Option<Stored>)>, Trouble> {
        self.fill(auditor).await?;
        Ok(self.read.pop_front())
    }

    async fn fill(&mut self, auditor: &mut Auditor<'_>) -> Result<(), Trouble> {
        if !self.read.is_empty() || self.is_last {
            return Ok(());
        }
        let link = auditor.link;
        let params: [Param<'_>; 3] =
            [(&self.after, Type::UUID), (&STEP_ROWS, Type::INT8), (&self.only, Type::UUID)];
        let rows = link.within(link.query(ROWS, &params)).await?;
        self.is_last = (rows.len() as i64) < STEP_ROWS;
        for row in &rows {
            let id = columns::conversation_id(row, 0)?;
            self.after = id.uuid();
            let stored = match columns::state(row, 0) {
                Ok(state) => {
                    let columns =
                        (count(row, 2)?, count(row, 3)?, row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
                    Some(Stored { state, columns })
                }
                Err(Trouble::Record(error)) => {
                    auditor.find(format!("FOLD: the row of conversation {id}: {error}"));
                    None
                }
                Err(other) => return Err(other),
            };
            self.read.push_back((id, stored));
        }
        Ok(())
    }
}
