//! One life of the desk's process: its owner, supervisor and agents' states, and the rounds that it makes by the clock.

use super::owner::{Errand, Owners, Waits};
use super::supervisor::{Order, Supervisor, of_the_desk};
use super::world::{World, sweeps};
use rushdesk::agent::state::{AgentState, Consequence, Lost};
use rushdesk::clock::Timestamp;
use rushdesk::cluster::slots::SlotSet;
use rushdesk::conversation::command::Command;
use rushdesk::conversation::event::RequeueReason;
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId, VisitorId};
use rushdesk::journal::{AgentChange, AgentSeats, Answer, Done, Filter, Op, Presence, Query};
use rushdesk::routing::Input;
use rushdesk::supervisor::tracking::HELD_OR_CALLED_BACK;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const GRACE_MS: u64 = 5_000;
const ABANDON_MS: u64 = 10_000;
const PAGE: u32 = 500;

pub(crate) struct Process {
    pub(crate) owner: Owners,
    pub(crate) supervisor: Supervisor,
    pub(crate) agents: BTreeMap<AgentId, AgentState>,
    /// Visitors without a connection, since when.
    pub(crate) gone: BTreeMap<VisitorId, Timestamp>,
    /// Turns of the journal that stand on the agenda.
    pub(crate) scheduled: usize,
    started: Timestamp,
    connected: BTreeSet<VisitorId>,
}

impl Process {
    pub(crate) fn new(epoch: u64, rows: &[AgentSeats], now: Timestamp) -> Self {
        let seats: Vec<(AgentId, u32)> = rows.iter().map(|row| (row.agent, row.capacity)).collect();
        Self {
            owner: Owners::new(epoch),
            supervisor: Supervisor::new(epoch, &seats, now),
            agents: rows.iter().map(|row| (row.agent, AgentState::stored(row.presence, now))).collect(),
            gone: BTreeMap::new(),
            scheduled: 0,
            started: now,
            connected: BTreeSet::new(),
        }
    }

    fn gone_since(&self, visitor: &VisitorId) -> Option<Timestamp> {
        if self.connected.contains(visitor) {
            return None;
        }
        Some(self.gone.get(visitor).copied().unwrap_or(self.started))
    }

    pub(crate) fn visitor(&mut self, visitor: VisitorId, connected: bool, now: Timestamp) {
        if connected {
            self.gone.remove(&visitor);
            let back: Vec<ConversationId> = self
                .supervisor
                .told
                .iter_mut()
                .filter(|(_, told)| told.suspended && told.visitor.as_ref() == Some(&visitor))
                .map(|(id, told)| {
                    told.suspended = false;
                    *id
                })
                .collect();
            for conversation in back {
                self.supervisor.step(Input::Resumed { conversation }, now);
            }
            self.connected.insert(visitor);
        } else if self.connected.remove(&visitor) {
            self.gone.insert(visitor, now);
        }
    }

    fn look_at_absences(&mut self, now: Timestamp) {
        let mut absent = Vec::new();
        for (id, told) in &self.supervisor.told {
            let since = told.visitor.as_ref().and_then(|visitor| self.gone_since(visitor));
            let long = since.is_some_and(|since| now.since_millis(since) >= ABANDON_MS);
            if long && told.waiting && !told.call_back && !told.suspended {
                absent.push(*id);
            }
        }
        for conversation in absent {
            if let Some(told) = self.supervisor.told.get_mut(&conversation) {
                told.suspended = true;
            }
            self.supervisor.step(Input::Suspended { conversation }, now);
        }
    }
}

impl World {
    /// What a process does by the clock.
    pub(crate) fn round(&mut self) {
        let agents: Vec<AgentId> =
            self.process.as_ref().map(|process| process.agents.keys().copied().collect()).unwrap_or_default();
        for agent in agents {
            self.agent(agent, |state, now| state.tick(GRACE_MS, now));
        }
        if sweeps() {
            self.sweep();
        }
        self.with_process(|process, now, _| {
            process.look_at_absences(now);
            process.supervisor.tick(now);
        });
        if let Answer::Due(due) = self.ask(Query::Due { now: self.now(), limit: 100, slots: SlotSet::all() })
        {
            due.into_iter().for_each(|conversation| self.wake(conversation));
        }
        if self.chance.percent(5)
            && let Some(process) = self.process.as_mut()
        {
            process.owner.passivate();
        }
    }

    fn wake(&mut self, conversation: ConversationId) {
        let Answer::State(Some(state)) = self.ask(Query::State(conversation)) else { return };
        let Some(process) = self.process.as_ref() else { return };
        let visitor_gone_since = state.visitor.as_ref().and_then(|visitor| process.gone_since(visitor));
        self.tell(conversation, false, of_the_desk(Command::Wake { visitor_gone_since }, Waits::Nobody));
    }

    /// Lists who waits and who is held, and looks at whoever routing knows beyond them.
    fn sweep(&mut self) {
        let filter = Box::new(Filter { phases: HELD_OR_CALLED_BACK.to_vec(), ..Filter::default() });
        let mut listed = self.states(Query::Waiting { after: None, limit: PAGE });
        listed.extend(self.states(Query::Conversations { filter, before: None, limit: PAGE }));
        let Some(process) = self.process.as_ref() else { return };
        let mut unseen: BTreeSet<ConversationId> = process.supervisor.told.keys().copied().collect();
        let mut news: Vec<State> = listed;
        news.iter().for_each(|state| _ = unseen.remove(&state.id));
        for conversation in unseen {
            if let Answer::State(Some(state)) = self.ask(Query::State(conversation)) {
                news.push(*state);
            }
        }
        self.with_process(|process, now, _| {
            news.iter().for_each(|state| process.supervisor.take_in(state, None, now));
        });
    }

    /// Carries out what the supervisor has decided.
    pub(crate) fn obey(&mut self) {
        let orders = self.process.as_mut().map(|process| process.supervisor.orders()).unwrap_or_default();
        for order in orders {
            match order {
                Order::Tell(conversation, errand) => self.tell(conversation, false, *errand),
                Order::SetAway(agent) => {
                    self.agent(agent, |state, _| state.wants(Presence::Away, false, false))
                }
            }
        }
    }

    /// Something happens to an agent, and what follows from it.
    pub(crate) fn agent(
        &mut self,
        agent: AgentId,
        f: impl FnOnce(&mut AgentState, Timestamp) -> Vec<Consequence>,
    ) {
        let now = self.now();
        let Some(state) = self.process.as_mut().and_then(|process| process.agents.get_mut(&agent)) else {
            return;
        };
        let mut consequences = VecDeque::from(f(state, now));
        while let Some(consequence) = consequences.pop_front() {
            match consequence {
                Consequence::TellRouting { available } => self.with_process(|process, now, _| {
                    process.supervisor.step(Input::AgentAvailable { agent, available }, now);
                }),
                Consequence::GiveBack(lost) => self.give_back(agent, lost),
                Consequence::Commit(presence) => {
                    let change = AgentChange::Presence { presence, reason: "agent".into() };
                    let done = self.perform(Op::Agent { agent, change });
                    let state = self.process.as_mut().and_then(|process| process.agents.get_mut(&agent));
                    if let (Done::Agent(_), Some(state)) = (done, state) {
                        consequences.extend(state.committed(presence));
                    }
                }
            }
        }
    }

    fn give_back(&mut self, agent: AgentId, lost: Lost) {
        let reason = match lost {
            Lost::Connection => RequeueReason::AgentLost,
            Lost::Offline => RequeueReason::AgentOffline,
        };
        for state in self.states(Query::HeldBy(agent)) {
            let command = match &state.offer {
                Some(open) => Command::EndOffer { offer: open.offer, reason: RequeueReason::OfferWithdrawn },
                None => Command::Requeue { agent, reason },
            };
            let errand: Errand = of_the_desk(command, Waits::Nobody);
            self.tell(state.id, false, errand);
        }
    }
}
