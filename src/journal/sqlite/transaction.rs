//! One batch in one transaction: loads what the ledger wants to see, writes what it admitted, and keeps the writer's
//! memory in step with the file, whether the commit succeeds or not.
//!
//! Nothing becomes visible to readers or callers before `commit` has returned. Refuses to judge: `ledger` does.

mod loading;

use super::super::chain::Pos;
use super::super::ledger::{self, Admitted, Known, Rows};
use super::super::{AgentChange, AgentSeats, ClientKey, Done, Op, Outcome, Write};
use super::cache::{Cache, Cached};
use super::entry_row::{self, Append};
use super::lagging::Lagging;
use super::options::Options;
use super::trouble::Trouble;
use super::unflushed::Note;
use super::{Shared, agent_row, conversation_row, meta, prune, recovery};
use crate::clock::Timestamp;
use crate::conversation::event::Event;
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId, Epoch, Seq};
use hashbrown::HashMap;
use loading::Sources;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far the file has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) last_pos: Pos,
    pub(super) last_key: i64,
    pub(super) live: i64,
    pub(super) flushed_upto: Pos,
}

/// What a start found in the file.
pub(super) struct Found {
    pub(super) marks: Marks,
    pub(super) agents: HashMap<AgentId, AgentSeats>,
}

pub(super) struct Transaction<'c> {
    conn: &'c Connection,
    append: Append<'c>,
    shared: Arc<Shared>,
    cache: Cache,
    agents: HashMap<AgentId, AgentSeats>,
    lagging: Lagging,
    committed: Marks,
    pending: Marks,
    at: Timestamp,
    touched: Vec<ConversationId>,
    changes: Vec<Note>,
    agents_touched: bool,
    /// Agents whose load the open transaction has moved, once for each time.
    loads_moved: Vec<AgentId>,
}

/// The rows that the ledger looks at, loaded beforehand.
struct Loaded<'a> {
    known: Option<Known>,
    twin: Option<ConversationId>,
    agents: &'a HashMap<AgentId, AgentSeats>,
}

impl Rows for Loaded<'_> {
    fn known(&self, _: &ClientKey) -> Option<Known> {
        self.known
    }
    fn seats(&self, agent: AgentId) -> Option<AgentSeats> {
        self.agents.get(&agent).copied()
    }
    fn live_twin(&self, _: &State) -> Option<ConversationId> {
        self.twin
    }
}

impl<'c> Transaction<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        shared: Arc<Shared>,
        options: &Options,
        found: Found,
    ) -> Result<Self, Trouble> {
        let Found { marks: committed, agents } = found;
        Ok(Self {
            conn,
            append: Append::prepare(conn)?,
            shared,
            cache: Cache::new(options.cached_conversations),
            agents,
            lagging: Lagging::new(options, committed.flushed_upto),
            committed,
            pending: committed,
            at: Timestamp::default(),
            touched: Vec::new(),
            changes: Vec::new(),
            agents_touched: false,
            loads_moved: Vec::new(),
        })
    }

    pub(super) fn flush_is_due(&self, idle: bool) -> bool {
        self.lagging.is_due(self.committed.last_pos, idle)
    }

    /// Opens the transaction at the moment `at` and flushes rows that have lagged long enough.
    pub(super) fn begin(&mut self, at: Timestamp, idle: bool) -> Result<(), Trouble> {
        self.at = at;
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.lagging.flush(self.conn, &self.shared.unflushed, self.committed.last_pos, idle)
    }

    /// Carries out one operation. A record that cannot be read fails this operation alone; an error of the store
    /// spoils the transaction.
    pub(super) fn perform(&mut self, op: &Op) -> Result<Done, Trouble> {
        let done = match op {
            Op::Write(write) => self.write(write).map(Done::Write),
            Op::Claim { conversation, epoch } => self.claim(*conversation, *epoch),
            Op::Agent { agent, change } => self.change_agent(*agent, change),
            Op::Reschedule { conversation, epoch, head, wake_at } => {
                self.reschedule(*conversation, (*epoch, *head), *wake_at)
            }
        };
        match done {
            Err(Trouble::Record(error)) => {
                tracing::error!(%error, "an operation met a damaged record");
                let reason = error.to_string().into();
                Ok(match op {
                    Op::Write(_) => Done::Write(Outcome::Failed { reason }),
                    Op::Claim { .. } | Op::Agent { .. } | Op::Reschedule { .. } => Done::Failed { reason },
                })
            }
            other => other,
        }
    }

    /// Commits, then lets readers see it.
    pub(super) fn commit(&mut self) -> Result<(), Trouble> {
        self.write_loads()?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        let (lagging, after) = (&mut self.lagging, self.committed.last_pos);
        let flushed = lagging.take_flushed();
        let noted = self.shared.unflushed.settle(flushed.into_iter(), self.changes.drain(..), |note| {
            lagging.remember(note.state.id, after);
        });
        self.shared.meters.unflushed.store(noted as u64, Ordering::Relaxed);
        self.committed = self.pending;
        self.shared.publish(&self.committed);
        self.touched.clear();
        self.agents_touched = false;
        Ok(())
    }

    /// Rolls back and forgets everything that the transaction touched.
    pub(super) fn abandon(&mut self) -> Result<(), Trouble> {
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.lagging.restore_flushed();
        for id in self.touched.drain(..) {
            self.cache.forget(id);
        }
        self.changes.clear();
        self.pending = self.committed;
        self.loads_moved.clear();
        if std::mem::take(&mut self.agents_touched) {
            self.agents = agent_row::all(self.conn)?;
        }
        Ok(())
    }

    /// Whether somebody else has written to the log: then nothing that is remembered here may be believed.
    pub(super) fn is_overtaken(&self) -> Result<bool, Trouble> {
        Ok(recovery::marks(self.conn)?.last_pos > self.committed.last_pos)
    }

    /// Tries whether the disk takes writes.
    pub(super) fn probe(&self) -> Result<(), Trouble> {
        Ok(meta::probe(self.conn)?)
    }

    /// Removes conversations closed before the moment, at most `limit`, in a transaction of its own.
    pub(super) fn prune(&mut self, closed_before_ms: u64, limit: u32) -> Result<u64, Trouble> {
        let removed =
            prune::prune(self.conn, &self.shared.unflushed, &self.committed, closed_before_ms, limit)?;
        for id in &removed {
            self.cache.forget(*id);
        }
        self.shared.count_pruned(self.conn)?;
        Ok(removed.len() as u64)
    }

    fn change_agent(&mut self, agent: AgentId, change: &AgentChange) -> Result<Done, Trouble> {
        let Some(row) = ledger::change_agent(agent, self.agents.get(&agent).copied(), change) else {
            return Ok(Done::NoAgent);
        };
        self.agents_touched = true;
        agent_row::change(self.conn, &row, change, self.at)?;
        self.agents.insert(agent, row);
        Ok(Done::Agent(row))
    }

    fn claim(&mut self, id: ConversationId, epoch: Epoch) -> Result<Done, Trouble> {
        let sources = Sources { conn: self.conn, changes: &self.changes, unflushed: &self.shared.unflushed };
        let cached = loading::load(&mut self.cache, &sources, id)?;
        let Some(key) = cached.key else {
            return Ok(Done::Claimed { state: None });
        };
        let fence = match ledger::claim(epoch, cached.fence) {
            Ok(fence) => fence,
            Err(fence) => return Ok(Done::Stale { fence }),
        };
        let state = Some(Box::new((*cached.state).clone()));
        if fence > cached.fence {
            cached.fence = fence;
            let note = note(key, cached);
            self.touched.push(id);
            self.changes.push(note);
            conversation_row::raise_fence(self.conn, key, fence)?;
        }
        Ok(Done::Claimed { state })
    }

    /// Written at once: a wake-up that is promised earlier than the row says must survive.
    fn reschedule(
        &mut self,
        id: ConversationId,
        (epoch, believed): (Epoch, Seq),
        wake_at: Timestamp,
    ) -> Result<Done, Trouble> {
        let sources = Sources { conn: self.conn, changes: &self.changes, unflushed: &self.shared.unflushed };
        let cached = loading::load(&mut self.cache, &sources, id)?;
        if let Err(kept_as_it_is) = ledger::reschedule(epoch, believed, cached.fence, cached.state.head) {
            return Ok(kept_as_it_is);
        }
        if let Some(key) = cached.key {
            cached.wake_at = Some(wake_at);
            let note = note(key, cached);
            self.touched.push(id);
            self.changes.push(note);
            conversation_row::set_wake_at(self.conn, key, wake_at)?;
        }
        Ok(Done::Rescheduled)
    }

    fn write(&mut self, write: &Write) -> Result<Outcome, Trouble> {
        let (id, conn) = (write.conversation, self.conn);
        let sources = Sources { conn, changes: &self.changes, unflushed: &self.shared.unflushed };
        let cached = loading::load(&mut self.cache, &sources, id)?;
        let keys_before = cached.keys();
        let known = match &write.client {
            Some(client) => loading::known(conn, cached, client)?,
            None => None,
        };
        let keys_read = cached.keys() - keys_before;
        let twin = loading::twin(conn, &cached.state, write)?;
        let recalled = loading::recalled(conn, cached, write)?;
        let loaded = Loaded { known, twin, agents: &self.agents };
        let judged = ledger::admit(write, &cached.state, cached.fence, &loaded, self.at);
        self.cache.grew_by(keys_read);
        let admitted = match judged {
            Ok(admitted) => admitted,
            Err(outcome) => return Ok(outcome),
        };
        self.touched.push(id);
        self.store(write, admitted, &recalled).map_err(spoils)
    }

    /// Writes what was admitted. From here on every error spoils the transaction.
    fn store(
        &mut self,
        write: &Write,
        admitted: Admitted,
        recalled: &[(Pos, Event)],
    ) -> Result<Outcome, Trouble> {
        let named = admitted.named().map(|entry| entry.seq);
        let Admitted { entries, state, loads } = admitted;
        let Some(cached) = self.cache.touch(write.conversation) else {
            return Ok(Outcome::Unknown);
        };
        let was_live = cached.state.phase.is_live();
        let key = cached.key.unwrap_or_else(|| {
            self.pending.last_key += 1;
            self.pending.last_key
        });
        let first_pos = self.pending.last_pos + 1;
        for entry in &entries {
            let client = write.client.filter(|_| Some(entry.seq) == named);
            self.pending.last_pos += 1;
            let pos = self.pending.last_pos;
            self.append.run((pos, cached.chain.push(pos)), (key, &state), entry, client)?;
        }
        if let (Some(client), Some(clients), Some(seq)) = (write.client, &mut cached.clients, named) {
            clients.insert(client.key, seq);
        }
        let is_new = cached.key.is_none();
        cached.fence = if is_new { write.epoch } else { cached.fence };
        cached.key = Some(key);
        cached.last_pos = self.pending.last_pos;
        cached.wake_at = write.wake_at;
        self.pending.live += i64::from(state.phase.is_live()) - i64::from(was_live);
        let before = std::mem::replace(&mut cached.state, Arc::new(state));
        let is_plain = !is_new && write.events.iter().all(|(_, event)| leaves_columns(event));
        cached.row_is_stale = is_plain;
        let note = note(key, cached);
        self.cache.grew_by(1);
        if is_new {
            conversation_row::insert(self.conn, &note)?;
        } else if !is_plain {
            conversation_row::update(self.conn, &before, &note)?;
        }
        self.changes.push(note);
        self.move_loads(&loads);
        self.redact(&entries, first_pos, recalled)?;
        Ok(Outcome::Committed { entries })
    }

    fn move_loads(&mut self, loads: &[(AgentId, u32)]) {
        for (agent, load) in loads {
            self.agents_touched = true;
            if let Some(row) = self.agents.get_mut(agent) {
                row.load = *load;
                self.loads_moved.push(*agent);
            }
        }
    }

    /// Each agent once, however many conversations of the batch came and went.
    fn write_loads(&mut self) -> Result<(), Trouble> {
        self.loads_moved.sort_unstable();
        self.loads_moved.dedup();
        for agent in self.loads_moved.drain(..) {
            if let Some(row) = self.agents.get(&agent) {
                agent_row::set_load(self.conn, agent, row.load)?;
            }
        }
        Ok(())
    }

    fn redact(
        &self,
        entries: &[crate::conversation::event::Entry],
        first_pos: Pos,
        recalled: &[(Pos, Event)],
    ) -> Result<(), Trouble> {
        for (pos, event) in recalled {
            entry_row::replace_event(self.conn, *pos, event)?;
        }
        for entry in entries {
            let Event::Recalled { seq } = entry.event else {
                continue;
            };
            let same_write = (first_pos..).zip(entries).find(|(_, said)| said.seq == seq);
            if let Some((pos, said)) = same_write
                && let Some(event) = ledger::redacted(&said.event)
            {
                entry_row::replace_event(self.conn, pos, &event)?;
            }
        }
        Ok(())
    }
}

/// A record's damage that shows itself only after the first write is no longer one operation's matter.
fn spoils(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Record(error) => Trouble::Store(rusqlite::Error::ToSqlConversionFailure(Box::new(error))),
        store @ Trouble::Store(_) => store,
    }
}

/// Whether the event changes nothing that listings search by.
const fn leaves_columns(event: &Event) -> bool {
    matches!(event, Event::Message(_) | Event::Recalled { .. })
}

fn note(key: i64, cached: &Cached) -> Note {
    Note {
        key,
        fence: cached.fence,
        state: Arc::clone(&cached.state),
        last_pos: cached.last_pos,
        wake_at: cached.wake_at,
        row_is_stale: cached.row_is_stale,
    }
}
