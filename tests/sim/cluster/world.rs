//! The cluster's world: an agenda in virtual time, the seats of the nodes, the store, and the clients around them.
//!
//! A node that is paused finds everything that came meanwhile when it wakes; of its writes some were on the wire already.

use super::agenda::Happens;
use super::judge::Grants;
use super::life::Seen;
use super::node::Seat;
use super::store::Store;
use crate::auditor::Auditor;
use crate::chance::Chance;
use crate::client::Client;
use crate::world::{CAPACITIES, CLERKS, VISITORS, agent_id, view, visitor_id};
use rushdesk::clock::Timestamp;
use rushdesk::cluster::slots::Slot;
use rushdesk::cluster::tailing::Tailing;
use rushdesk::ident::{ConversationId, DomainId, NodeId, Seq, VisitorId};
use rushdesk::journal::{AgentChange, Answer, Done, Op, Outcome, Presence, Query};
use std::collections::BTreeMap;

pub(crate) const NODES: usize = 4;
pub(crate) const LEASE_MS: u64 = 10_000;
pub(crate) const TICK_MS: u64 = 100;
const START_MS: u64 = 1_000_000_000;
/// Every so many slots one is in use, so that a plan is quick: all conversations fall into these.
const STRIDE: u16 = 40;

/// What may go wrong, in percent of the occasions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// Something happens to a node, the bus or the store, each second.
    pub(crate) trouble: u64,
    /// An item of the bus is lost, or comes twice.
    pub(crate) bus: u64,
    /// Items and writes that take long.
    pub(crate) late: u64,
    pub(crate) journal: u64,
    pub(crate) reload: u64,
}

pub(crate) const RAGE: Faults = Faults { trouble: 22, bus: 2, late: 8, journal: 2, reload: 4 };
pub(crate) const CALM: Faults = Faults { trouble: 0, bus: 0, late: 0, journal: 0, reload: 4 };

/// Where a client is connected, or was last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) node: usize,
    pub(crate) timeline: u64,
    pub(crate) heard_at: Timestamp,
    pub(crate) gone_since: Option<Timestamp>,
}

pub(crate) struct Cluster {
    pub(crate) now: Timestamp,
    pub(crate) chance: Chance,
    pub(crate) store: Store,
    pub(crate) seats: Vec<Seat>,
    pub(crate) bus_down_until: Timestamp,
    pub(crate) clients: Vec<Client>,
    pub(crate) lines: Vec<Line>,
    /// The visitors' ids.
    pub(crate) names: Vec<VisitorId>,
    pub(crate) auditor: Auditor,
    pub(crate) grants: Grants,
    /// Who holds entries that the store has lost, and up to where what they hold is so.
    pub(crate) deceived: BTreeMap<(usize, ConversationId), Seq>,
    pub(crate) faults: Faults,
    /// Since when there are no faults.
    pub(crate) quiet_since: Option<Timestamp>,
    /// Faults are long over: nothing should need a repair.
    pub(crate) is_settled: bool,
    /// No new business: clients only finish what they have begun.
    pub(crate) healing: bool,
    pub(crate) steps: u64,
    pub(crate) seen: Seen,
    agenda: BTreeMap<(u64, u64), Happens>,
    numbers: u64,
}

pub(crate) fn is_in_use(slot: Slot) -> bool {
    slot.number() % STRIDE == Slot::of_domain(&DomainId::default_domain()).number() % STRIDE
}

impl Cluster {
    pub(crate) fn new(seed: u64) -> Self {
        let now = Timestamp::from_millis(START_MS);
        let slots: Vec<Slot> = Slot::all().filter(|slot| is_in_use(*slot)).collect();
        let capacities: Vec<_> = (0..CLERKS).map(|at| (agent_id(at), CAPACITIES[at])).collect();
        let mut chance = Chance::of(seed);
        let mut seat = |at: usize| Seat {
            id: NodeId::new(&format!("node-{at}")).unwrap(),
            node: None,
            incarnation: 0,
            store_cut: now,
            bus_cut: now,
            paused: now,
            ahead_ms: chance.between(0, 1_500),
        };
        let seats = (0..NODES).map(&mut seat).collect();
        let line = Line { node: 0, timeline: 1, heard_at: now, gone_since: Some(now) };
        let mut auditor = Auditor::new(&capacities);
        auditor.flight_ms = 45_000;
        let mut cluster = Self {
            now,
            chance,
            store: Store::new(now, &slots),
            seats,
            bus_down_until: now,
            clients: (0..VISITORS + CLERKS).map(|at| Client::new(view(at))).collect(),
            lines: vec![line; VISITORS + CLERKS],
            names: (0..VISITORS).map(visitor_id).collect(),
            auditor,
            grants: Grants::default(),
            deceived: BTreeMap::new(),
            faults: RAGE,
            quiet_since: None,
            is_settled: false,
            healing: false,
            steps: 0,
            seen: Seen::default(),
            agenda: BTreeMap::new(),
            numbers: 0,
        };
        cluster.begin(&capacities);
        cluster
    }

    fn begin(&mut self, capacities: &[(rushdesk::ident::AgentId, u32)]) {
        for (agent, capacity) in capacities {
            let agent = *agent;
            self.commit(&Op::Agent { agent, change: AgentChange::Capacity(*capacity) }, None);
            let change = AgentChange::Presence { presence: Presence::Online, reason: "start".into() };
            self.commit(&Op::Agent { agent, change }, None);
        }
        (0..NODES - 1).for_each(|n| self.start(n));
        let joins_after = self.chance.between(5_000, 40_000);
        self.after(joins_after, Happens::Start(NODES - 1));
        for client in 0..VISITORS + CLERKS {
            let pause = self.chance.between(1_500, 5_000);
            self.after(pause, Happens::Acts(client));
        }
        self.after(6_000, Happens::Trouble);
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn after(&mut self, pause_ms: u64, what: Happens) {
        self.at(self.now.plus_millis(pause_ms), what);
    }

    pub(crate) fn at(&mut self, at: Timestamp, what: Happens) {
        let number = self.number();
        self.agenda.insert((at.millis(), number), what);
    }

    /// Lets the agenda run until `until` or until something is found wrong.
    pub(crate) fn run(&mut self, until: Timestamp) {
        while self.auditor.found.is_empty() {
            let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= until.millis())
            else {
                break;
            };
            let ((at, _), what) = entry.remove_entry();
            self.now = self.now.max(Timestamp::from_millis(at));
            self.steps += 1;
            match what.who_is_awake().map(|n| self.seats[n].paused).filter(|paused| *paused > self.now) {
                Some(paused) => self.at(paused, what),
                None => self.happens(what),
            }
        }
        self.now = self.now.max(until);
    }

    /// The troubles are over: what was cut is mended, who slept wakes.
    pub(crate) fn calms(&mut self) {
        self.faults = CALM;
        self.quiet_since = Some(self.now);
        let now = self.now;
        (self.bus_down_until, self.store.down_until) = (now, now);
        for seat in &mut self.seats {
            (seat.store_cut, seat.bus_cut) = (now, now);
        }
    }

    fn happens(&mut self, what: Happens) {
        if what.start().is_some_and(|(n, incarnation)| !self.lives(n, incarnation))
            || what.line().is_some_and(|(client, line)| self.clients[client].line != line)
        {
            return;
        }
        match what {
            Happens::Tick { n, incarnation } => {
                self.after(TICK_MS, Happens::Tick { n, incarnation });
                self.tick(n);
            }
            Happens::Commit { n, guest, .. } => self.commits(n, guest),
            Happens::Settled { n, guest, flight, done, timeline, .. } => {
                self.note_timeline(n, timeline);
                self.with_owners(n, guest, |owners, now, out| owners.settle(&flight, *done, now, out));
            }
            Happens::Zombie { timeline, flight } => {
                if timeline == self.store.timeline && self.now >= self.store.down_until {
                    self.seen.zombies += 1;
                    self.commit(&flight.op, Some(flight.conversation));
                }
            }
            Happens::ReadUntold { n, guest, place, after, state, .. } => {
                let conversation = place.conversation;
                let is_read = self.read(n, Query::State(conversation)).is_some();
                let entries = is_read.then(|| self.entries(conversation, after));
                self.with_owners(n, guest, |owners, now, out| {
                    owners.untold_read(place, state, entries, now, out);
                });
            }
            Happens::ReadAgain { n, guest, place, .. } => {
                self.with_owners(n, guest, |owners, _, out| owners.read_again(place, out));
            }
            Happens::Arrives(parcel) => self.arrives(*parcel),
            Happens::Frame { n, question, .. } => self.deliver(n, *question),
            Happens::Hello { n, client, line, .. } => self.welcomes(n, client, line),
            Happens::Pulled { n, client, .. } => self.pulled(n, client),
            Happens::Answered { client, id, conversation, reply, .. } => {
                self.answered(client, id, conversation, &reply);
            }
            Happens::Pushed { client, conversation, entry, .. } => self.pushed(client, conversation, &entry),
            Happens::Reset { client, conversation, .. } => self.is_reset(client, conversation),
            Happens::Acts(client) => {
                self.acts(client);
                let pause = self.chance.between(100, 2_500);
                self.after(pause, Happens::Acts(client));
            }
            Happens::Trouble => self.trouble(),
            Happens::Start(n) => self.start(n),
        }
    }

    fn lives(&self, n: usize, incarnation: u64) -> bool {
        self.seats[n].node.as_ref().is_some_and(|node| node.start.incarnation == incarnation)
    }

    /// The oldest write of a node reaches the store, or does not. Of a node that is paused some are on the wire.
    fn commits(&mut self, n: usize, guest: bool) {
        let is_paused = self.seats[n].paused > self.now;
        let (reaches, may_write) = (self.reaches(n), self.may_write(n));
        if is_paused && self.chance.percent(50) {
            let incarnation = self.seats[n].incarnation;
            return self.at(self.seats[n].paused, Happens::Commit { n, incarnation, guest });
        }
        let Some(node) = self.seats[n].node.as_mut() else { return };
        node.scheduled[usize::from(guest)] -= 1;
        let (incarnation, is_behind) = (node.start.incarnation, node.timeline != self.store.timeline);
        let Some(flight) = node.owners(guest).takes_off() else { return };
        let done = if !reaches || is_behind || !(is_paused || may_write) {
            failed(&flight.op)
        } else if self.chance.percent(self.faults.journal) {
            if self.chance.percent(50) {
                self.commit(&flight.op, Some(flight.conversation));
            }
            failed(&flight.op)
        } else {
            self.commit(&flight.op, Some(flight.conversation))
        };
        self.auditor.met.failed +=
            u64::from(matches!(&done, Done::Write(Outcome::Failed { .. }) | Done::Failed { .. }));
        let timeline = if reaches { self.store.timeline } else { 0 };
        self.after(1, Happens::Settled { n, incarnation, guest, flight, done: Box::new(done), timeline });
    }

    pub(crate) fn reaches(&self, n: usize) -> bool {
        self.now >= self.store.down_until && self.now >= self.seats[n].store_cut
    }

    pub(crate) fn hears(&self, n: usize) -> bool {
        self.now >= self.bus_down_until && self.now >= self.seats[n].bus_cut
    }

    /// A node that could not renew its row decides nothing.
    pub(crate) fn may_write(&self, n: usize) -> bool {
        let renewed = self.seats[n].node.as_ref().map(|node| node.renewed);
        let is_fresh = renewed.is_some_and(|at| self.now.since_millis(at) <= super::keeper::SILENCE_MS);
        is_fresh && self.reaches(n)
    }

    /// The time as this node's own clock has it.
    pub(crate) fn node_now(&self, n: usize) -> Timestamp {
        self.now.plus_millis(self.seats[n].ahead_ms)
    }

    pub(crate) fn seat_of(&self, id: &NodeId) -> Option<usize> {
        self.seats.iter().position(|seat| seat.id == *id)
    }

    pub(crate) fn gone_since(&self, visitor: &VisitorId) -> Option<Timestamp> {
        let client = self.names.iter().position(|name| name == visitor)?;
        self.lines[client].gone_since
    }

    /// Asks the store; `None` where it cannot be reached.
    pub(crate) fn read(&mut self, n: usize, query: Query) -> Option<Answer> {
        if !self.reaches(n) {
            return None;
        }
        self.note_timeline(n, self.store.timeline);
        Some(self.store.ask(query, self.now))
    }

    /// A node sees that the store has failed over: what it remembers may never have been, and who is connected may have
    /// been told of it.
    pub(crate) fn note_timeline(&mut self, n: usize, timeline: u64) {
        let Some(node) = self.seats[n].node.as_mut().filter(|node| node.timeline < timeline) else { return };
        node.timeline = timeline;
        node.owners.forget(|_| true);
        node.guests.forget(|_| true);
        (node.desk, node.tailing) = (None, Tailing::default());
        let here: Vec<usize> = node.sessions.keys().copied().collect();
        here.into_iter().for_each(|client| self.goes(client));
    }
}

fn failed(op: &Op) -> Done {
    let reason = "the outcome is unknown".into();
    match op {
        Op::Write(_) => Done::Write(Outcome::Failed { reason }),
        Op::Claim { .. } | Op::Agent { .. } | Op::Reschedule { .. } => Done::Failed { reason },
    }
}
