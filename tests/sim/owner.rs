//! The owners of the simulated process: the real ones, whose hands put writes in flight.
//!
//! A write stands in flight until the world lets the journal take it, so a crash or a pause can fall between any two.

use rushdesk::clock::Timestamp;
use rushdesk::conversation::command::Policy;
use rushdesk::conversation::delivery::Reply as Told;
use rushdesk::conversation::event::Entry;
use rushdesk::conversation::owner::{self, Change, Rim};
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId, Epoch, GroupId, OfferId, Seq};
use rushdesk::journal::{ClientKey, Done, Op};
use rushdesk::planted::{Bug, is_planted};
use rushdesk::refusal::Refusal;
use rushdesk::routing::Match;
use std::collections::{BTreeMap, VecDeque};

pub(crate) const POLICY: Policy = Policy {
    idle_end_ms: 40_000,
    reminder_before_ms: 15_000,
    recall_ms: 120_000,
    reopen_ms: 3_600_000,
    wrap_up_ms: 0,
};
const PARKED: usize = 64;

/// Who waits for the outcome.
#[derive(Debug, Clone)]
pub(crate) enum Waits {
    Nobody,
    /// A client's frame on one of its lines.
    Client {
        client: usize,
        line: u64,
        id: u64,
    },
    Supervisor {
        matched: Match,
        offer: Option<OfferId>,
    },
    /// Another node, which has asked under this number.
    Node {
        node: usize,
        request: u64,
    },
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Done { seq: Option<Seq> },
    Exists(ConversationId),
    Refused(Refusal),
}

pub(crate) type Errand = owner::Errand<Waits>;

/// One life of one conversation's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) conversation: ConversationId,
    life: u64,
}

/// What the rest of the process has to do.
pub(crate) enum Effect {
    Answer { conversation: ConversationId, waits: Waits, reply: Reply },
    Committed { held_by: Option<AgentId>, changed: bool, state: Box<State>, entries: Vec<Entry> },
    ReadUntold { place: Place, after: Seq, state: Box<State> },
    Pause(Place),
}

/// An operation on its way to the journal.
pub(crate) struct Flight {
    pub(crate) conversation: ConversationId,
    life: u64,
    pub(crate) op: Op,
}

struct Live {
    life: u64,
    epoch: Epoch,
    owner: owner::Owner<Waits>,
    /// Entries are being read.
    is_reading: bool,
    is_pausing: bool,
}

pub(crate) struct Owners {
    pub(crate) epoch: Epoch,
    pub(crate) in_flight: VecDeque<Flight>,
    live: BTreeMap<ConversationId, Live>,
    lives: u64,
    /// Lives whose operation has reached the journal and whose answer is on its way.
    settling: Vec<u64>,
}

struct Hands<'a> {
    place: Place,
    in_flight: &'a mut VecDeque<Flight>,
    out: &'a mut Vec<Effect>,
    is_reading: &'a mut bool,
    is_pausing: &'a mut bool,
    is_over: bool,
}

impl Rim for Hands<'_> {
    type Caller = Waits;

    fn policy(&self, _group: Option<&GroupId>) -> Policy {
        POLICY
    }

    fn submit(&mut self, op: Op) -> bool {
        let Place { conversation, life } = self.place;
        self.in_flight.push_back(Flight { conversation, life, op });
        true
    }

    fn read_entry(&mut self, seq: Seq, _errand: Errand) {
        panic!("nobody in this world takes words back, but entry {seq} is asked for");
    }

    fn read_untold(&mut self, after: Seq, state: Box<State>) -> bool {
        *self.is_reading = true;
        self.out.push(Effect::ReadUntold { place: self.place, after, state });
        true
    }

    fn answer(&mut self, waits: Waits, reply: Told) {
        let reply = match reply {
            Told::Done(receipt) => Reply::Done { seq: receipt.seq },
            Told::Exists(conversation) => Reply::Exists(conversation),
            Told::Refused(refusal) => Reply::Refused(refusal),
        };
        self.out.push(Effect::Answer { conversation: self.place.conversation, waits, reply });
    }

    fn tell(&mut self, change: &Change<'_>, _caller: Option<&Waits>) {
        self.out.push(Effect::Committed {
            held_by: change.held_by,
            changed: change.before.moved(change.state),
            state: Box::new(change.state.clone()),
            entries: change.entries.to_vec(),
        });
    }

    fn sight_lost(&mut self, _reason: &str) {}

    fn pause(&mut self, _reason: &str) {
        *self.is_pausing = true;
        self.out.push(Effect::Pause(self.place));
    }

    fn give_up(&mut self, _reason: &str) {
        self.is_over = true;
    }
}

impl Owners {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch, in_flight: VecDeque::new(), live: BTreeMap::new(), lives: 0, settling: Vec::new() }
    }

    /// Lays idle conversations to rest.
    pub(crate) fn passivate(&mut self) {
        let (in_flight, settling) = (&self.in_flight, &self.settling);
        self.live.retain(|_, live| {
            live.is_reading
                || live.is_pausing
                || settling.contains(&live.life)
                || in_flight.iter().any(|flight| flight.life == live.life)
        });
    }

    /// Whether nothing of it is under way.
    pub(crate) fn is_idle(&self, conversation: ConversationId) -> bool {
        self.live.get(&conversation).is_none_or(|live| {
            !live.is_reading
                && !live.is_pausing
                && !self.in_flight.iter().any(|flight| flight.life == live.life)
                && !self.settling.contains(&live.life)
        })
    }

    /// Ends these owners; what they have in flight goes on its way.
    pub(crate) fn forget(&mut self, which: impl Fn(ConversationId) -> bool) {
        self.live.retain(|conversation, _| !which(*conversation));
    }

    /// Somebody else has written in it, or may have.
    pub(crate) fn overtaken(&mut self, conversation: ConversationId, out: &mut Vec<Effect>) {
        self.act(self.place(conversation), out, |owner, hands| owner.overtaken(None, hands));
    }

    /// Takes the operation that is longest in flight; `settle` follows when its answer has come back.
    pub(crate) fn takes_off(&mut self) -> Option<Flight> {
        let flight = self.in_flight.pop_front()?;
        self.settling.push(flight.life);
        Some(flight)
    }

    pub(crate) fn awake(&self) -> Vec<ConversationId> {
        self.live.keys().copied().collect()
    }

    pub(crate) fn deliver(
        &mut self,
        conversation: ConversationId,
        fresh: bool,
        errand: Errand,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        // What was owned under another epoch ends: its slot has gone and come back meanwhile.
        if self.live.get(&conversation).is_none_or(|live| live.epoch != self.epoch) {
            self.lives += 1;
            let owner = owner::Owner::new(conversation, self.epoch, PARKED, fresh);
            let live =
                Live { life: self.lives, epoch: self.epoch, owner, is_reading: false, is_pausing: false };
            self.live.insert(conversation, live);
            self.act(self.place(conversation), out, |owner, hands| owner.start(hands));
        }
        let place = self.place(conversation);
        let (client, waits) = (errand.client, errand.caller.clone());
        let submitted = self.in_flight.len();
        self.act(place, out, |owner, hands| owner.deliver(errand, now, hands));
        if is_planted(Bug::AckBeforeCommit) {
            self.ack_early(conversation, client, waits, submitted, out);
        }
        if let Some(place) = place {
            self.read_again(place, out);
        }
    }

    /// The planted mistake: who sends hears `ack` once the write is in flight.
    fn ack_early(
        &self,
        conversation: ConversationId,
        client: Option<ClientKey>,
        waits: Waits,
        submitted: usize,
        out: &mut Vec<Effect>,
    ) {
        let Some(state) = self.live.get(&conversation).and_then(|live| live.owner.state()) else { return };
        let mut head = state.head;
        for (at, flight) in self.in_flight.iter().enumerate() {
            let Op::Write(write) = &flight.op else { continue };
            if flight.conversation == conversation {
                head += write.events.len() as Seq;
            }
            if at >= submitted && client.is_some() && write.client == client && !write.events.is_empty() {
                let reply = Reply::Done { seq: Some(head) };
                out.push(Effect::Answer { conversation, waits: waits.clone(), reply });
            }
        }
    }

    /// The journal has answered the operation that was longest in flight.
    pub(crate) fn settle(&mut self, flight: &Flight, done: Done, now: Timestamp, out: &mut Vec<Effect>) {
        let place = Place { conversation: flight.conversation, life: flight.life };
        if let Some(at) = self.settling.iter().position(|life| *life == flight.life) {
            self.settling.remove(at);
        }
        self.act(Some(place), out, |owner, hands| owner.journaled(done, now, hands));
    }

    pub(crate) fn untold_read(
        &mut self,
        place: Place,
        state: Box<State>,
        entries: Option<Vec<Entry>>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.act(Some(place), out, |owner, hands| {
            *hands.is_reading = false;
            owner.untold_read(state, entries, now, hands);
        });
    }

    /// A pause between two readings is over, by its time or because somebody speaks.
    pub(crate) fn read_again(&mut self, place: Place, out: &mut Vec<Effect>) {
        self.act(Some(place), out, |owner, hands| {
            if std::mem::take(hands.is_pausing) {
                owner.read_again(hands);
            }
        });
    }

    fn place(&self, conversation: ConversationId) -> Option<Place> {
        self.live.get(&conversation).map(|live| Place { conversation, life: live.life })
    }

    fn act(
        &mut self,
        place: Option<Place>,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut owner::Owner<Waits>, &mut Hands<'_>),
    ) {
        let Some(place) = place.filter(|place| self.place(place.conversation) == Some(*place)) else {
            return;
        };
        let Some(live) = self.live.get_mut(&place.conversation) else { return };
        let (is_reading, is_pausing) = (&mut live.is_reading, &mut live.is_pausing);
        let mut hands =
            Hands { place, in_flight: &mut self.in_flight, out, is_reading, is_pausing, is_over: false };
        act(&mut live.owner, &mut hands);
        if hands.is_over {
            self.live.remove(&place.conversation);
        }
    }
}
