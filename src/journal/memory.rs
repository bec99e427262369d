//! The reference adapter: the contract in its plainest form, in memory, without a thread.
//!
//! `submit` carries the operation out at once and calls the reply before it returns, so that a simulation with a
//! virtual clock is deterministic; faults are injected by `Memory::inject` and `Memory::hold`. Nothing survives the
//! process: a desk on this adapter says so in its durability level.
//!
//! Refuses to be fast at the price of being obvious, and to keep anything that the other adapters would not.

mod listings;
mod tailing;

use super::ledger::{self, Known, Rows};
use super::{
    AgentSeats, Answer, AnswerTo, Busy, ClientKey, Done, Filter, Full, Head, Journal, Op, Outcome, Page,
    Query, Reply, Totals, Write,
};
use crate::clock::{Clock, Timestamp};
use crate::cluster::slots::Slot;
use crate::conversation::event::{Entry, Event};
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId, Epoch, Seq};
use crate::planted::{Bug, is_planted};
use listings::Listings;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tailing::Commits;

/// What goes wrong with the next operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and the answer is `Failed`.
    FailBeforeCommit,
    /// It is written, and the answer is `Failed`: the outcome is unknown to the caller.
    UnknownAfterCommit,
}

/// The journal in memory.
pub struct Memory {
    clock: Arc<dyn Clock>,
    queue_bound: usize,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    conversations: BTreeMap<ConversationId, Kept>,
    agents: BTreeMap<AgentId, AgentSeats>,
    listings: Listings,
    entries: u64,
    commits: Commits,
    faults: VecDeque<Fault>,
    held: bool,
    queue: VecDeque<(Op, Reply)>,
}

struct Kept {
    state: State,
    fence: Epoch,
    entries: Vec<Entry>,
    known: BTreeMap<u128, Known>,
}

impl Memory {
    /// An empty journal that takes its time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_queue_bound(clock, 4_096)
    }

    /// As `new`; at most `queue_bound` operations wait while the journal is held.
    pub fn with_queue_bound(clock: Arc<dyn Clock>, queue_bound: usize) -> Self {
        Self { clock, queue_bound, desk: Mutex::default() }
    }

    /// The next operation meets this fault; several are met one by one.
    pub fn inject(&self, fault: Fault) {
        self.desk.lock().faults.push_back(fault);
    }

    /// Stalls: operations queue up, up to the bound.
    pub fn hold(&self) {
        self.desk.lock().held = true;
    }

    /// Ends a stall and carries out what has queued up, in order.
    pub fn resume(&self) {
        let mut desk = self.desk.lock();
        desk.held = false;
        while let Some((op, reply)) = desk.queue.pop_front() {
            let done = desk.perform(&op, self.clock.now());
            reply(done);
        }
    }

    /// Forgets conversations that were closed before `closed_before`; returns how many.
    pub fn prune(&self, closed_before: Timestamp) -> u64 {
        let mut desk = self.desk.lock();
        let gone: Vec<ConversationId> = desk
            .conversations
            .values()
            .filter(|kept| {
                !kept.state.phase.is_live() && kept.state.closed_at.is_some_and(|at| at < closed_before)
            })
            .map(|kept| kept.state.id)
            .collect();
        for id in &gone {
            if let Some(kept) = desk.conversations.remove(id) {
                desk.entries -= kept.entries.len() as u64;
                desk.listings.forget(&kept.state);
            }
        }
        desk.commits.forget(&gone);
        gone.len() as u64
    }
}

impl Journal for Memory {
    fn submit(&self, op: Op, reply: Reply) -> Result<(), Full> {
        let mut desk = self.desk.lock();
        if desk.held {
            if desk.queue.len() >= self.queue_bound {
                return Err(Full(Box::new(op)));
            }
            desk.queue.push_back((op, reply));
            return Ok(());
        }
        let done = desk.perform(&op, self.clock.now());
        // Who is answered may ask or write in turn.
        drop(desk);
        reply(done);
        Ok(())
    }

    fn ask(&self, query: Query, answer: AnswerTo) -> Result<(), Busy> {
        let answered = self.desk.lock().answer(&query);
        answer(answered);
        Ok(())
    }
}

/// The rows that the ledger looks at, in this adapter's terms.
struct View<'a> {
    desk: &'a Desk,
    conversation: ConversationId,
}

impl Rows for View<'_> {
    fn known(&self, client: &ClientKey) -> Option<Known> {
        self.desk.conversations.get(&self.conversation)?.known.get(&client.key).copied()
    }
    fn seats(&self, agent: AgentId) -> Option<AgentSeats> {
        self.desk.agents.get(&agent).copied()
    }
    fn live_twin(&self, state: &State) -> Option<ConversationId> {
        self.desk.listings.live_twin(state).filter(|twin| *twin != state.id)
    }
}

impl Desk {
    fn perform(&mut self, op: &Op, at: Timestamp) -> Done {
        let failed = |reason: &str| match op {
            Op::Write(_) => Done::Write(Outcome::Failed { reason: reason.into() }),
            Op::Claim { .. } | Op::Agent { .. } | Op::Reschedule { .. } => {
                Done::Failed { reason: reason.into() }
            }
        };
        match self.faults.pop_front() {
            Some(Fault::FailBeforeCommit) => failed("injected: failed before the commit"),
            Some(Fault::UnknownAfterCommit) => {
                self.carry_out(op, at);
                failed("injected: unknown after the commit")
            }
            None => self.carry_out(op, at),
        }
    }

    fn carry_out(&mut self, op: &Op, at: Timestamp) -> Done {
        match op {
            Op::Write(write) => Done::Write(self.write(write, at)),
            Op::Claim { conversation, epoch } => self.claim(*conversation, *epoch),
            Op::Agent { agent, change } => {
                let Some(row) = ledger::change_agent(*agent, self.agents.get(agent).copied(), change) else {
                    return Done::NoAgent;
                };
                self.agents.insert(*agent, row);
                Done::Agent(row)
            }
            Op::Reschedule { conversation, epoch, head, wake_at } => {
                self.reschedule(*conversation, (*epoch, *head), *wake_at)
            }
        }
    }

    fn reschedule(
        &mut self,
        conversation: ConversationId,
        (epoch, believed): (Epoch, Seq),
        wake_at: Timestamp,
    ) -> Done {
        let kept = self.conversations.get(&conversation);
        let (fence, head) = kept.map_or((0, 0), |kept| (kept.fence, kept.state.head));
        if let Err(kept_as_it_is) = ledger::reschedule(epoch, believed, fence, head) {
            return kept_as_it_is;
        }
        if let Some(kept) = kept {
            self.listings.note(&kept.state, &kept.state, Some(wake_at));
        }
        Done::Rescheduled
    }

    fn claim(&mut self, conversation: ConversationId, epoch: Epoch) -> Done {
        let Some(kept) = self.conversations.get_mut(&conversation) else {
            return Done::Claimed { state: None };
        };
        match ledger::claim(epoch, kept.fence) {
            Ok(fence) => kept.fence = fence,
            Err(fence) => return Done::Stale { fence },
        }
        Done::Claimed { state: Some(Box::new(kept.state.clone())) }
    }

    fn write(&mut self, write: &Write, at: Timestamp) -> Outcome {
        let fresh = State::new(write.conversation);
        let kept = self.conversations.get(&write.conversation);
        let (state, fence) = kept.map_or((&fresh, 0), |kept| (&kept.state, kept.fence));
        let view = View { desk: self, conversation: write.conversation };
        let admitted = match ledger::admit(write, state, fence, &view, at) {
            Ok(admitted) => admitted,
            Err(outcome) => return outcome,
        };
        for (agent, load) in &admitted.loads {
            if let Some(row) = self.agents.get_mut(agent) {
                row.load = *load;
            }
        }
        let kept = self.conversations.entry(write.conversation).or_insert_with(|| Kept {
            state: fresh,
            fence: write.epoch,
            entries: Vec::new(),
            known: BTreeMap::new(),
        });
        let named = admitted.named().map(|entry| (entry.seq, entry.at));
        self.listings.note(&kept.state, &admitted.state, write.wake_at);
        kept.state = admitted.state;
        kept.entries.extend(admitted.entries.iter().cloned());
        self.entries += admitted.entries.len() as u64;
        self.commits.note(write.conversation, &admitted.entries);
        if let (Some(client), Some(named)) = (write.client, named) {
            kept.known.insert(client.key, Known { seq: named.0, at: named.1, digest: client.digest });
        }
        for entry in &admitted.entries {
            if let Event::Recalled { seq } = entry.event {
                kept.redact(seq);
            }
        }
        Outcome::Committed { entries: admitted.entries }
    }

    fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::State(id) => {
                Answer::State(self.conversations.get(id).map(|kept| Box::new(kept.state.clone())))
            }
            Query::History { conversation, after, limit } => {
                Answer::History(self.conversations.get(conversation).map(|kept| kept.page(*after, *limit)))
            }
            Query::Conversations { filter, before, limit } => {
                Answer::States(self.newest(filter, *before, *limit))
            }
            Query::Waiting { after, limit } => {
                self.states(self.listings.waiting(*after).take(*limit as usize))
            }
            Query::HeldBy(agent) => {
                let Answer::States(mut states) = self.states(self.listings.held_by(*agent)) else {
                    return Answer::States(Vec::new());
                };
                states.sort_by_key(|state| (state.opened_at, state.id));
                Answer::States(states)
            }
            Query::LiveOf { shop, visitor } => self.states(self.listings.live_of(shop, visitor)),
            Query::Heads(ids) => {
                let kept = ids.iter().filter_map(|id| self.conversations.get(id));
                Answer::Heads(kept.map(|kept| Head::of(&kept.state)).collect())
            }
            Query::Due { now, limit, slots } => {
                let own = self.listings.due(*now).filter(|id| slots.has(Slot::of_conversation(*id)));
                Answer::Due(own.take(*limit as usize).collect())
            }
            Query::Agents => Answer::Agents(self.agents.values().copied().collect()),
            Query::Tail { since, limit } => self.tail(since.as_ref(), *limit),
            Query::Totals => Answer::Totals(Totals {
                conversations: self.conversations.len() as u64,
                live: self.listings.live(),
                entries: self.entries,
            }),
        }
    }

    fn newest(&self, filter: &Filter, before: Option<ConversationId>, limit: u32) -> Vec<State> {
        self.conversations
            .range(..before.unwrap_or(ConversationId::from_u128(u128::MAX)))
            .rev()
            .map(|(_, kept)| &kept.state)
            .filter(|state| filter.matches(state))
            .take(limit as usize)
            .cloned()
            .collect()
    }

    fn states(&self, ids: impl Iterator<Item = ConversationId>) -> Answer {
        Answer::States(
            ids.filter_map(|id| self.conversations.get(&id)).map(|kept| kept.state.clone()).collect(),
        )
    }
}

impl Kept {
    fn page(&self, after: Seq, limit: u32) -> Page {
        let skipped = u64::from(is_planted(Bug::ResumeSkips) && after > 0);
        let from = usize::try_from(after + skipped).unwrap_or(usize::MAX);
        Page {
            entries: self.entries.iter().skip(from).take(limit as usize).cloned().collect(),
            head: self.state.head,
            visitor_head: self.state.visitor_head,
        }
    }

    fn redact(&mut self, seq: Seq) {
        let at = usize::try_from(seq).ok().and_then(|seq| seq.checked_sub(1));
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at))
            && let Some(event) = ledger::redacted(&entry.event)
        {
            entry.event = event;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentChange, Guard};
    use super::*;
    use crate::clock::ManualClock;
    use std::sync::mpsc::channel;

    fn capacity(memory: &Memory, seats: u32) -> Result<std::sync::mpsc::Receiver<Done>, Full> {
        let (tell, told) = channel();
        let op = Op::Agent { agent: AgentId::from_u128(1), change: AgentChange::Capacity(seats) };
        memory.submit(op, Box::new(move |done| tell.send(done).unwrap())).map(|()| told)
    }

    fn version(memory: &Memory) -> Option<u64> {
        let (tell, told) = channel();
        memory.ask(Query::Agents, Box::new(move |answer| tell.send(answer).unwrap())).unwrap();
        match told.recv().unwrap() {
            Answer::Agents(rows) => rows.first().map(|row| row.version),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_is_met_once_and_tells_nothing_of_what_was_written() {
        let memory = Memory::new(Arc::new(ManualClock::default()));
        memory.inject(Fault::FailBeforeCommit);
        memory.inject(Fault::UnknownAfterCommit);
        assert!(matches!(capacity(&memory, 1).unwrap().recv(), Ok(Done::Failed { .. })));
        assert_eq!(version(&memory), None);
        assert!(matches!(capacity(&memory, 1).unwrap().recv(), Ok(Done::Failed { .. })));
        assert_eq!(version(&memory), Some(1));
        assert!(matches!(capacity(&memory, 2).unwrap().recv(), Ok(Done::Agent(_))));
        memory.inject(Fault::FailBeforeCommit);
        let (tell, told) = channel();
        let (conversation, events) = (ConversationId::from_u128(1), Vec::new());
        let write =
            Write { conversation, epoch: 1, client: None, guard: Guard::AnyHead, events, wake_at: None };
        memory.submit(Op::Write(write), Box::new(move |done| tell.send(done).unwrap())).unwrap();
        assert!(matches!(told.recv(), Ok(Done::Write(Outcome::Failed { .. }))));
    }

    #[test]
    fn a_stall_queues_up_to_the_bound_and_answers_in_order_afterwards() {
        let memory = Memory::with_queue_bound(Arc::new(ManualClock::default()), 2);
        memory.hold();
        let (first, second) = (capacity(&memory, 5).unwrap(), capacity(&memory, 6).unwrap());
        let Err(Full(op)) = capacity(&memory, 7) else { panic!("the queue has no bound") };
        assert!(matches!(*op, Op::Agent { change: AgentChange::Capacity(7), .. }));
        assert!(first.try_recv().is_err());
        memory.resume();
        let seats = |told: std::sync::mpsc::Receiver<Done>| match told.recv() {
            Ok(Done::Agent(row)) => (row.capacity, row.version),
            other => panic!("{other:?}"),
        };
        assert_eq!((seats(first), seats(second)), ((5, 1), (6, 2)));
    }
}
