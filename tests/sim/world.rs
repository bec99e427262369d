//! The world: an agenda in virtual time, one process at a time, its zombies, and the clients around it.
//!
//! Everything happens in one thread in the order of the agenda; chance comes from the seed alone. A process is the
//! owner, the supervisor and the agents' states; a crash throws all of it away and the next one has a higher epoch.

use super::auditor::Auditor;
use super::chance::Chance;
use super::client::Client;
use super::owner::{Effect, Errand, Flight, Place, Reply, Waits};
use super::process::Process;
use rushdesk::clock::{Clock, ManualClock, Timestamp};
use rushdesk::conversation::command::{Command, Who};
use rushdesk::conversation::event::{Author, Entry, Event, RequeueReason, View};
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId, VisitorId};
use rushdesk::journal::memory::{Fault, Memory};
use rushdesk::journal::{AgentChange, Answer, Done, Journal, Op, Presence, Query};
use rushdesk::planted::{Bug, is_planted};
use rushdesk::rehearsal::history::Sight;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) const VISITORS: usize = 6;
pub(crate) const CLERKS: usize = 3;
pub(crate) const CAPACITIES: [u32; CLERKS] = [2, 1, 2];
const START_MS: u64 = 1_000_000_000;
const ROUND_MS: u64 = 250;
pub(crate) const WIRE_MS: u64 = 3;

/// What may go wrong, in percent of the occasions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) crash: u64,
    pub(crate) lost_hint: u64,
    pub(crate) journal: u64,
    pub(crate) reload: u64,
    /// A client whose outbox is full loses its line and what was in it.
    pub(crate) slow_reader: u64,
}

pub(crate) const SAFETY: Faults = Faults { crash: 4, lost_hint: 15, journal: 3, reload: 6, slow_reader: 2 };
pub(crate) const CALM: Faults = Faults { crash: 0, lost_hint: 0, journal: 0, reload: 0, slow_reader: 0 };

pub(crate) enum Happens {
    /// The oldest write of the living process reaches the journal.
    Journal(u64),
    /// A write of a process that is believed dead reaches the journal.
    Zombie(Flight),
    /// An owner of the life `epoch` reads what it may not have told.
    ReadUntold {
        epoch: u64,
        place: Place,
        after: u64,
        state: Box<State>,
    },
    /// The pause after a failed reading is over.
    ReadAgain {
        epoch: u64,
        place: Place,
    },
    Told {
        epoch: u64,
        state: Box<State>,
        requeued: Option<RequeueReason>,
    },
    Round(u64),
    Acts(usize),
    Answered {
        client: usize,
        line: u64,
        id: u64,
        conversation: ConversationId,
        reply: Reply,
    },
    Pushed {
        client: usize,
        line: u64,
        conversation: ConversationId,
        entry: Box<Entry>,
    },
    Trouble,
    Start,
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) chance: Chance,
    pub(crate) memory: Memory,
    pub(crate) faults: Faults,
    pub(crate) process: Option<Process>,
    pub(crate) clients: Vec<Client>,
    pub(crate) auditor: Auditor,
    /// No new business: clients only finish what they have begun.
    pub(crate) healing: bool,
    pub(crate) steps: u64,
    agenda: BTreeMap<(u64, u64), Happens>,
    numbers: u64,
    pub(crate) epoch: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
        let capacities: Vec<(AgentId, u32)> = (0..CLERKS).map(|at| (agent_id(at), CAPACITIES[at])).collect();
        let mut world = Self {
            memory: Memory::new(clock.clone()),
            clock,
            chance: Chance::of(seed),
            faults: SAFETY,
            process: None,
            clients: (0..VISITORS + CLERKS).map(|at| Client::new(view(at))).collect(),
            auditor: Auditor::new(&capacities),
            healing: false,
            steps: 0,
            agenda: BTreeMap::new(),
            numbers: 0,
            epoch: 0,
        };
        for (agent, capacity) in capacities {
            world.perform(Op::Agent { agent, change: AgentChange::Capacity(capacity) });
            let change = AgentChange::Presence { presence: Presence::Online, reason: "start".into() };
            world.perform(Op::Agent { agent, change });
        }
        world.start();
        (0..VISITORS + CLERKS).for_each(|client| {
            let pause = world.chance.between(10, 3_000);
            world.after(pause, Happens::Acts(client));
        });
        world.after(1_000, Happens::Trouble);
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn after(&mut self, pause_ms: u64, what: Happens) {
        let number = self.number();
        self.agenda.insert((self.now().millis() + pause_ms, number), what);
    }

    /// Lets the agenda run until `until` or until something is found wrong.
    pub(crate) fn run(&mut self, until: Timestamp) {
        while self.auditor.found.is_empty() {
            let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= until.millis())
            else {
                break;
            };
            let ((at, _), what) = entry.remove_entry();
            self.clock.advance_millis(at.saturating_sub(self.now().millis()));
            self.steps += 1;
            self.happens(what);
        }
        let rest = until.millis().saturating_sub(self.now().millis());
        if self.auditor.found.is_empty() {
            self.clock.advance_millis(rest);
        }
    }

    fn happens(&mut self, what: Happens) {
        match what {
            Happens::Journal(epoch) => {
                let living = self.process.as_mut().filter(|process| process.owner.epoch == epoch);
                let flight = living.and_then(|process| {
                    process.scheduled -= 1;
                    process.owner.in_flight.pop_front()
                });
                if let Some(flight) = flight {
                    let done = self.journal(&flight);
                    self.with_process(|process, now, out| process.owner.settle(&flight, done, now, out));
                }
            }
            Happens::Zombie(flight) => drop(self.journal(&flight)),
            Happens::ReadUntold { epoch, place, after, state } if epoch == self.epoch => {
                let failed = self.chance.percent(self.faults.journal);
                let entries = (!failed).then(|| self.entries(place.conversation, after));
                self.with_process(|process, now, out| {
                    process.owner.untold_read(place, state, entries, now, out);
                });
            }
            Happens::ReadAgain { epoch, place } if epoch == self.epoch => {
                self.with_process(|process, _, out| process.owner.read_again(place, out));
            }
            Happens::Told { epoch, state, requeued } if epoch == self.epoch => {
                self.with_process(|process, now, _| process.supervisor.take_in(&state, requeued, now));
            }
            Happens::Round(epoch) if epoch == self.epoch && self.process.is_some() => {
                self.round();
                self.after(ROUND_MS, Happens::Round(epoch));
            }
            Happens::Told { .. }
            | Happens::Round(_)
            | Happens::ReadUntold { .. }
            | Happens::ReadAgain { .. } => {}
            Happens::Acts(client) => {
                self.acts(client);
                let pause = self.chance.between(100, 2_500);
                self.after(pause, Happens::Acts(client));
            }
            Happens::Answered { client, line, id, conversation, reply } => {
                if self.clients[client].line == line {
                    self.answered(client, id, conversation, &reply);
                }
            }
            Happens::Pushed { client, line, conversation, entry } => {
                if self.clients[client].line == line {
                    self.pushed(client, conversation, &entry);
                }
            }
            Happens::Trouble => {
                if self.chance.percent(self.faults.crash) && self.process.is_some() {
                    self.crash();
                }
                self.after(1_000, Happens::Trouble);
            }
            Happens::Start => self.start(),
        }
    }

    /// Carries out one operation, perhaps with a fault, and lets the auditor see what the log says now.
    fn journal(&mut self, flight: &Flight) -> Done {
        if self.chance.percent(self.faults.journal) {
            let unknown = self.chance.percent(50);
            self.memory.inject(if unknown { Fault::UnknownAfterCommit } else { Fault::FailBeforeCommit });
        }
        let done = self.perform(flight.op.clone());
        self.auditor.answered(&flight.op, &done);
        self.audit(flight.conversation);
        done
    }

    fn audit(&mut self, conversation: ConversationId) {
        let after = self.auditor.after(conversation);
        let Answer::State(Some(state)) = self.ask(Query::State(conversation)) else { return };
        if state.head == after {
            return;
        }
        self.auditor.commit(conversation, &self.entries(conversation, after));
        let Answer::Agents(rows) = self.ask(Query::Agents) else { return };
        for row in rows {
            let load = self.auditor.load_of(row.agent);
            if row.load != load {
                self.auditor.say(format!("RT-1: the store counts {} seats, the log {load}", row.load));
            }
        }
    }

    pub(crate) fn perform(&self, op: Op) -> Done {
        let told = Arc::new(Mutex::new(None));
        let cell = told.clone();
        let reply = Box::new(move |done| *cell.lock().unwrap() = Some(done));
        self.memory.submit(op, reply).unwrap();
        told.lock().unwrap().take().unwrap()
    }

    pub(crate) fn ask(&self, query: Query) -> Answer {
        let told = Arc::new(Mutex::new(None));
        let cell = told.clone();
        self.memory.ask(query, Box::new(move |answer| *cell.lock().unwrap() = Some(answer))).unwrap();
        told.lock().unwrap().take().unwrap()
    }

    pub(crate) fn states(&self, query: Query) -> Vec<State> {
        match self.ask(query) {
            Answer::States(states) => states,
            other => panic!("{other:?}"),
        }
    }

    /// What the log says after a position; read from the beginning, to be free of what is judged here.
    fn entries(&self, conversation: ConversationId, after: u64) -> Vec<Entry> {
        match self.ask(Query::History { conversation, after: 0, limit: u32::MAX }) {
            Answer::History(Some(page)) => {
                page.entries.into_iter().filter(|entry| entry.seq > after).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Lets the living process do something, then carries out what follows.
    pub(crate) fn with_process(&mut self, f: impl FnOnce(&mut Process, Timestamp, &mut Vec<Effect>)) {
        let now = self.now();
        let mut out = Vec::new();
        let Some(process) = self.process.as_mut() else { return };
        f(process, now, &mut out);
        self.follow(out);
    }

    pub(crate) fn tell(&mut self, conversation: ConversationId, fresh: bool, errand: Errand) {
        self.with_process(|process, now, out| process.owner.deliver(conversation, fresh, errand, now, out));
    }

    fn crash(&mut self) {
        let Some(process) = self.process.take() else { return };
        let paused = self.chance.percent(60);
        let Process { mut owner, .. } = process;
        if paused {
            let now = self.now();
            let mut out = Vec::new();
            for conversation in owner.awake() {
                if self.chance.percent(40) {
                    let command = Command::Close { reason: None, disposition: None, tags: Vec::new() };
                    let errand = super::supervisor::of_the_desk(command, Waits::Nobody);
                    owner.deliver(conversation, false, errand, now, &mut out);
                }
            }
            let late: Vec<Flight> = owner.in_flight.drain(..).collect();
            let mut pause = self.chance.between(500, 6_000);
            for flight in late {
                self.after(pause, Happens::Zombie(flight));
                pause += self.chance.between(1, 400);
            }
        }
        self.clients.iter_mut().for_each(|client| client.line = 0);
        let pause = self.chance.between(50, 2_000);
        self.after(pause, Happens::Start);
    }

    fn start(&mut self) {
        self.epoch += 1;
        let Answer::Agents(rows) = self.ask(Query::Agents) else { return };
        let now = self.now();
        self.process = Some(Process::new(self.epoch, &rows, now));
        let epoch = self.epoch;
        self.after(1, Happens::Round(epoch));
    }

    fn pushed(&mut self, client: usize, conversation: ConversationId, entry: &Entry) {
        if self.receives(client, conversation, entry) {
            return;
        }
        self.fetches(client, conversation);
    }

    /// Takes one entry by the client rule; false where a fetch is needed.
    fn receives(&mut self, client: usize, conversation: ConversationId, entry: &Entry) -> bool {
        let me = self.clients[client].view;
        let number = (me == View::Desk).then(|| agent_id(client.saturating_sub(VISITORS)).as_u128());
        let took = self.clients[client].receive(conversation, number, entry);
        if took == super::client::Took::Taken {
            let sight = if me == View::Desk { Sight::Desk } else { Sight::Visitor };
            self.auditor.took(&author(client), sight, conversation, entry, entry.prev(me));
            if let Event::Offered { offer, agent, .. } = &entry.event
                && Some(agent.as_u128()) == number
            {
                self.clients[client].offers.push((*offer, conversation));
            }
        }
        took != super::client::Took::Gap
    }

    /// Pages after the position that the client holds.
    pub(crate) fn fetches(&mut self, client: usize, conversation: ConversationId) {
        let after = self.clients[client].places.get(&conversation).map_or(0, |place| place.have);
        let Answer::History(Some(page)) = self.ask(Query::History { conversation, after, limit: 500 }) else {
            return;
        };
        let view = self.clients[client].view;
        for entry in page.entries.iter().filter(|entry| entry.event.visible_to(view)) {
            if !self.receives(client, conversation, entry) {
                self.auditor.say(format!(
                    "FO-1 {conversation}: a page after {after} began with entry {} after {}",
                    entry.seq,
                    entry.prev(view)
                ));
            }
        }
    }
}

pub(crate) const fn view(client: usize) -> View {
    if client < VISITORS { View::Visitor } else { View::Desk }
}

pub(crate) fn agent_id(clerk: usize) -> AgentId {
    AgentId::from_u128(clerk as u128 + 1)
}

pub(crate) fn visitor_id(client: usize) -> VisitorId {
    VisitorId::new(&format!("visitor-{client}")).unwrap()
}

pub(crate) fn who(client: usize) -> Who {
    if client < VISITORS {
        return Who::Visitor { id: visitor_id(client), name: None };
    }
    Who::Agent { id: agent_id(client - VISITORS), name: "agent".into(), supervisor: false }
}

pub(crate) fn author(client: usize) -> Author {
    who(client).author()
}

/// Whether the supervisor compares with the store.
pub(crate) fn sweeps() -> bool {
    !is_planted(Bug::SweepOff)
}
