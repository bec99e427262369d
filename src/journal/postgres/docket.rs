//! What one transaction has loaded, what the ledger made of it, and what is to be written: operation by operation in
//! memory, so that many operations on one conversation become one write of its row.
//!
//! No statement is sent from here. Refuses to judge: `ledger` does.

use super::super::ledger::{self, Admitted, Known, Rows};
use super::super::{AgentChange, AgentSeats, ClientKey, Done, Op, Outcome, Write};
use crate::clock::Timestamp;
use crate::conversation::event::{Entry, Event};
use crate::conversation::state::State;
use crate::ident::{AgentId, ChannelId, ConversationId, Epoch, Seq, ShopId, VisitorId};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Said of rows that were passed over, see `loading::Patience`.
pub(super) const LOCKED_AWAY: &str = "another node keeps the row locked; it is given back to be tried again";

/// Where at most one conversation is live.
pub(super) type Place = (ShopId, VisitorId, ChannelId);

/// A conversation as the transaction sees it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) fence: Epoch,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) state: Arc<State>,
}

/// A conversation before and after the operations of the transaction.
#[derive(Debug)]
pub(super) struct Row {
    /// As it was locked; `None` where it had no entry.
    pub(super) before: Option<Standing>,
    pub(super) now: Standing,
    /// The row's record cannot be read: operations on this conversation fail, others do not.
    damage: Option<Arc<str>>,
}

/// An entry to be appended.
#[derive(Debug)]
pub(super) struct NewEntry {
    pub(super) conversation: ConversationId,
    pub(super) entry: Entry,
    pub(super) client: Option<ClientKey>,
}

/// A change to be journaled: the agent after it, and the reason given.
#[derive(Debug)]
pub(super) struct NewChange {
    pub(super) row: AgentSeats,
    pub(super) reason: Option<Arc<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Docket {
    pub(super) at: Timestamp,
    pub(super) rows: BTreeMap<ConversationId, Row>,
    agents: BTreeMap<AgentId, AgentSeats>,
    /// Agents whose rows another node keeps locked.
    locked_away: BTreeSet<AgentId>,
    pub(super) touched_agents: BTreeMap<AgentId, AgentSeats>,
    known: HashMap<(ConversationId, u128), Known>,
    twins: HashMap<Place, ConversationId>,
    messages: HashMap<(ConversationId, Seq), Event>,
    pub(super) entries: Vec<NewEntry>,
    pub(super) redactions: Vec<(ConversationId, Seq, Event)>,
    pub(super) changes: Vec<NewChange>,
}

impl Docket {
    /// An empty one; everything admitted happens at `at`.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { at, ..Self::default() }
    }

    pub(super) fn add_conversation(&mut self, standing: Standing) {
        let id = standing.state.id;
        let row = Row { before: Some(standing.clone()), now: standing, damage: None };
        self.rows.insert(id, row);
    }

    pub(super) fn add_damaged(&mut self, id: ConversationId, reason: &str) {
        let mut row = unopened(id);
        row.damage = Some(reason.into());
        self.rows.insert(id, row);
    }

    pub(super) fn add_agent(&mut self, row: AgentSeats) {
        self.agents.insert(row.agent, row);
    }

    pub(super) fn add_locked_away(&mut self, agent: AgentId) {
        self.locked_away.insert(agent);
    }

    pub(super) fn has_agent(&self, agent: AgentId) -> bool {
        self.agents.contains_key(&agent) || self.locked_away.contains(&agent)
    }

    /// Who holds seats for the conversation as it was locked.
    pub(super) fn holder(&self, id: ConversationId) -> Option<AgentId> {
        self.rows.get(&id)?.now.state.seat_hold().map(|hold| hold.agent)
    }

    pub(super) fn add_known(&mut self, id: ConversationId, key: u128, known: Known) {
        self.known.insert((id, key), known);
    }

    pub(super) fn add_twin(&mut self, place: Place, id: ConversationId) {
        self.twins.insert(place, id);
    }

    /// An entry that the batch takes back, as it stands in the log.
    pub(super) fn add_message(&mut self, id: ConversationId, seq: Seq, event: Event) {
        self.messages.insert((id, seq), event);
    }

    /// Carries one operation out, on top of those before it.
    pub(super) fn perform(&mut self, op: &Op) -> Done {
        match op {
            Op::Write(write) => Done::Write(self.write(write)),
            Op::Claim { conversation, epoch } => self.claim(*conversation, *epoch),
            Op::Agent { agent, change } => self.change_agent(*agent, change),
            Op::Reschedule { conversation, epoch, head, wake_at } => {
                self.reschedule(*conversation, (*epoch, *head), *wake_at)
            }
        }
    }

    fn reschedule(
        &mut self,
        id: ConversationId,
        (epoch, believed): (Epoch, Seq),
        wake_at: Timestamp,
    ) -> Done {
        let row = self.rows.get_mut(&id);
        if let Some(reason) = row.as_ref().and_then(|row| row.damage.as_ref()) {
            return Done::Failed { reason: Arc::clone(reason) };
        }
        let row = row.filter(|row| row.now.state.head > 0);
        let (fence, head) = row.as_ref().map_or((0, 0), |row| (row.now.fence, row.now.state.head));
        if let Err(kept_as_it_is) = ledger::reschedule(epoch, believed, fence, head) {
            return kept_as_it_is;
        }
        if let Some(row) = row {
            row.now.wake_at = Some(wake_at);
        }
        Done::Rescheduled
    }

    fn change_agent(&mut self, agent: AgentId, change: &AgentChange) -> Done {
        if self.locked_away.contains(&agent) {
            return Done::Failed { reason: LOCKED_AWAY.into() };
        }
        let before = self.agents.get(&agent).copied();
        let Some(row) = ledger::change_agent(agent, before, change) else {
            return Done::NoAgent;
        };
        let reason = match change {
            AgentChange::Presence { reason, .. } => Some(Arc::clone(reason)),
            AgentChange::Capacity(_) => None,
        };
        self.changes.push(NewChange { row, reason });
        self.put_agent(row);
        Done::Agent(row)
    }

    fn put_agent(&mut self, row: AgentSeats) {
        self.agents.insert(row.agent, row);
        self.touched_agents.insert(row.agent, row);
    }

    fn claim(&mut self, id: ConversationId, epoch: Epoch) -> Done {
        let Some(row) = self.rows.get_mut(&id) else {
            return Done::Claimed { state: None };
        };
        if let Some(reason) = &row.damage {
            return Done::Failed { reason: Arc::clone(reason) };
        }
        if row.now.state.head == 0 {
            return Done::Claimed { state: None };
        }
        match ledger::claim(epoch, row.now.fence) {
            Ok(fence) => row.now.fence = fence,
            Err(fence) => return Done::Stale { fence },
        }
        Done::Claimed { state: Some(Box::new((*row.now.state).clone())) }
    }

    fn write(&mut self, write: &Write) -> Outcome {
        let row = self.rows.entry(write.conversation).or_insert_with(|| unopened(write.conversation));
        if let Some(reason) = &row.damage {
            return Outcome::Failed { reason: Arc::clone(reason) };
        }
        let (state, fence) = (Arc::clone(&row.now.state), row.now.fence);
        if self.needs_what_is_locked_away(write, &state) {
            return Outcome::Failed { reason: LOCKED_AWAY.into() };
        }
        let view = View { docket: self, conversation: write.conversation };
        match ledger::admit(write, &state, fence, &view, self.at) {
            Ok(admitted) => self.put(write, &state, admitted),
            Err(outcome) => outcome,
        }
    }

    fn needs_what_is_locked_away(&self, write: &Write, state: &State) -> bool {
        let events = || write.events.iter().map(|(_, event)| event);
        let holder = state.seat_hold().map(|hold| hold.agent).filter(|_| events().any(may_move_seats));
        events().filter_map(named_agent).chain(holder).any(|agent| self.locked_away.contains(&agent))
    }

    fn put(&mut self, write: &Write, before: &State, admitted: Admitted) -> Outcome {
        let id = write.conversation;
        let named = admitted.named().map(|entry| (entry.seq, entry.at));
        let Admitted { entries, state, loads } = admitted;
        if let (Some(client), Some((seq, at))) = (write.client, named) {
            self.known.insert((id, client.key), Known { seq, at, digest: client.digest });
        }
        for entry in &entries {
            let client = write.client.filter(|_| Some(entry.seq) == named.map(|(seq, _)| seq));
            self.entries.push(NewEntry { conversation: id, entry: entry.clone(), client });
            if let Event::Recalled { seq } = entry.event {
                self.redact(id, seq);
            }
        }
        for (agent, load) in loads {
            if let Some(row) = self.agents.get(&agent).copied() {
                self.put_agent(AgentSeats { load, ..row });
            }
        }
        self.move_twin(before, &state);
        let row = self.rows.entry(id).or_insert_with(|| unopened(id));
        row.now.fence = if before.head == 0 { write.epoch } else { row.now.fence };
        row.now.wake_at = write.wake_at;
        row.now.state = Arc::new(state);
        Outcome::Committed { entries }
    }

    /// Where the entry was appended by this very transaction it is changed before it is written.
    fn redact(&mut self, id: ConversationId, seq: Seq) {
        let mut fresh = self.entries.iter_mut().rev().filter(|new| new.conversation == id);
        if let Some(new) = fresh.find(|new| new.entry.seq == seq) {
            if let Some(event) = ledger::redacted(&new.entry.event) {
                new.entry.event = event;
            }
        } else if let Some(event) = self.messages.get(&(id, seq)).and_then(ledger::redacted) {
            self.redactions.push((id, seq, event));
        }
    }

    fn move_twin(&mut self, before: &State, after: &State) {
        let Some(place) = place(after) else {
            return;
        };
        match (before.phase.is_live(), after.phase.is_live()) {
            (false, true) => {
                self.twins.insert(place, after.id);
            }
            (true, false) if self.twins.get(&place) == Some(&after.id) => {
                self.twins.remove(&place);
            }
            _ => {}
        }
    }
}

/// Whether `State::seat_hold` may differ after the event.
pub(super) const fn may_move_seats(event: &Event) -> bool {
    !matches!(
        event,
        Event::Message(_)
            | Event::Recalled { .. }
            | Event::Rated { .. }
            | Event::IdleReminder { .. }
            | Event::BotLeft
            | Event::Escalated { .. }
    )
}

/// The agent whose seats the event takes.
pub(super) const fn named_agent(event: &Event) -> Option<AgentId> {
    match event {
        Event::Offered { agent, .. } | Event::Assigned { agent, .. } => Some(*agent),
        _ => None,
    }
}

pub(super) fn place(state: &State) -> Option<Place> {
    Some((state.shop.clone(), state.visitor.clone()?, state.channel.clone()))
}

fn unopened(id: ConversationId) -> Row {
    let now = Standing { fence: 0, wake_at: None, state: Arc::new(State::new(id)) };
    Row { before: None, now, damage: None }
}

/// The rows that the ledger looks at, in this adapter's terms.
struct View<'a> {
    docket: &'a Docket,
    conversation: ConversationId,
}

impl Rows for View<'_> {
    fn known(&self, client: &ClientKey) -> Option<Known> {
        self.docket.known.get(&(self.conversation, client.key)).copied()
    }
    fn seats(&self, agent: AgentId) -> Option<AgentSeats> {
        self.docket.agents.get(&agent).copied()
    }
    fn live_twin(&self, state: &State) -> Option<ConversationId> {
        self.docket.twins.get(&place(state)?).copied().filter(|twin| *twin != state.id)
    }
}
