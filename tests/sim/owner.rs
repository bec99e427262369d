//! The owner of conversations, as the actor is one: decides on a state ahead of the disk, speaks after the commit.
//!
//! It follows `conversation/actor.rs` step by step without actix: writes stand in flight until the world lets the
//! journal take them, so a crash or a pause can fall between any two of them.

use rushdesk::clock::Timestamp;
use rushdesk::conversation::command::{Ask, Command, Policy, Verdict};
use rushdesk::conversation::decide::decide;
use rushdesk::conversation::event::{Entry, Event};
use rushdesk::conversation::state::State;
use rushdesk::conversation::timers;
use rushdesk::ident::{AgentId, ConversationId, Epoch, OfferId, Seq};
use rushdesk::journal::{ClientKey, Done, Guard, Op, Outcome, Write};
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
const DECISION_TRIES: u8 = 3;

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
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Done { seq: Option<Seq> },
    Exists(ConversationId),
    Refused(Refusal),
}

#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(crate) ask: Ask,
    pub(crate) client: Option<ClientKey>,
    pub(crate) waits: Waits,
}

/// What the rest of the process has to do.
pub(crate) enum Effect {
    Answer { conversation: ConversationId, waits: Waits, reply: Reply },
    Committed { held_by: Option<AgentId>, changed: bool, state: Box<State>, entries: Vec<Entry> },
}

/// An operation on its way to the journal.
pub(crate) struct Flight {
    pub(crate) conversation: ConversationId,
    life: u64,
    pub(crate) op: Op,
}

struct Pending {
    errand: Errand,
    tries: u8,
    refusal: Option<Refusal>,
}

struct Live {
    life: u64,
    committed: Option<State>,
    ahead: Option<State>,
    pending: VecDeque<Pending>,
    parked: VecDeque<(Errand, u8)>,
    unsettled: bool,
}

pub(crate) struct Owner {
    pub(crate) epoch: Epoch,
    pub(crate) in_flight: VecDeque<Flight>,
    live: BTreeMap<ConversationId, Live>,
    lives: u64,
}

impl Owner {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch, in_flight: VecDeque::new(), live: BTreeMap::new(), lives: 0 }
    }

    /// Lays idle conversations to rest.
    pub(crate) fn passivate(&mut self) {
        self.live.retain(|_, live| {
            !live.pending.is_empty() || !live.parked.is_empty() || live.committed.is_none()
        });
    }

    pub(crate) fn awake(&self) -> Vec<ConversationId> {
        self.live.keys().copied().collect()
    }

    pub(crate) fn deliver(
        &mut self,
        id: ConversationId,
        fresh: bool,
        errand: Errand,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if !self.live.contains_key(&id) {
            self.lives += 1;
            let life = self.lives;
            let committed = fresh.then(|| State::new(id));
            if committed.is_none() {
                let op = Op::Claim { conversation: id, epoch: self.epoch };
                self.in_flight.push_back(Flight { conversation: id, life, op });
            }
            let live = Live {
                life,
                committed,
                ahead: None,
                pending: VecDeque::new(),
                parked: VecDeque::new(),
                unsettled: false,
            };
            self.live.insert(id, live);
        }
        self.take(id, errand, 0, now, out);
    }

    fn take(&mut self, id: ConversationId, errand: Errand, tries: u8, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let Some(state) = live.ahead.as_ref().or(live.committed.as_ref()).filter(|_| !live.unsettled) else {
            live.parked.push_back((errand, tries));
            return;
        };
        let decided = decide(state, &errand.ask, &Verdict::Pass, &POLICY, now);
        let (events, refusal) = match decided {
            Ok(events) if events.is_empty() => {
                if let (Command::Wake { .. }, Some(wake_at)) =
                    (&errand.ask.command, timers::next(state, &POLICY, now))
                {
                    let op = Op::Reschedule { conversation: id, wake_at };
                    self.in_flight.push_back(Flight { conversation: id, life: 0, op });
                }
                out.push(Effect::Answer {
                    conversation: id,
                    waits: errand.waits,
                    reply: Reply::Done { seq: None },
                });
                return;
            }
            Ok(events) => (events, None),
            Err(refusal) if errand.client.is_some() => (Vec::new(), Some(refusal)),
            Err(refusal) => {
                let reply = Reply::Refused(refusal);
                out.push(Effect::Answer { conversation: id, waits: errand.waits, reply });
                return;
            }
        };
        let probe = refusal.is_some();
        let free = probe || matches!(errand.ask.command, Command::Say(_));
        let guard = if free { Guard::AnyHead } else { Guard::Head(state.head) };
        let mut ahead = state.clone();
        events.iter().for_each(|(author, event)| ahead.apply(now, author, event));
        let wake_at = timers::next(&ahead, &POLICY, now).filter(|_| !probe);
        let client = errand.client;
        let write = Write { conversation: id, epoch: self.epoch, client, guard, events, wake_at };
        if is_planted(Bug::AckBeforeCommit) && client.is_some() && !probe {
            let reply = Reply::Done { seq: Some(ahead.head) };
            out.push(Effect::Answer { conversation: id, waits: errand.waits.clone(), reply });
        }
        if !probe {
            live.ahead = Some(ahead);
        }
        live.pending.push_back(Pending { errand, tries, refusal });
        self.in_flight.push_back(Flight { conversation: id, life: live.life, op: Op::Write(write) });
    }

    /// The journal has answered the operation that was longest in flight.
    pub(crate) fn settle(&mut self, flight: &Flight, done: Done, now: Timestamp, out: &mut Vec<Effect>) {
        let id = flight.conversation;
        let Some(live) = self.live.get_mut(&id).filter(|live| live.life == flight.life) else { return };
        match done {
            Done::Claimed { state } => {
                live.committed = Some(state.map_or_else(|| State::new(id), |state| *state));
            }
            Done::Write(outcome) => {
                if self.settle_write(id, outcome, out) {
                    return self.stop(id, out);
                }
            }
            Done::ClaimStale { .. } | Done::Failed { .. } => return self.stop(id, out),
            Done::Agent(_) | Done::NoAgent | Done::Rescheduled => {}
        }
        while let Some(live) =
            self.live.get_mut(&id).filter(|live| live.committed.is_some() && !live.unsettled)
        {
            let Some((errand, tries)) = live.parked.pop_front() else { return };
            self.take(id, errand, tries, now, out);
        }
    }

    /// Returns whether the memory is to be thrown away.
    fn settle_write(&mut self, id: ConversationId, outcome: Outcome, out: &mut Vec<Effect>) -> bool {
        let Some(live) = self.live.get_mut(&id) else { return false };
        let Some(pending) = live.pending.pop_front() else { return false };
        let waits = pending.errand.waits.clone();
        let surprise = pending.refusal.is_none();
        let mut stop = false;
        let reply = match outcome {
            Outcome::Committed { entries } => Some(committed(live, entries, out)),
            Outcome::Duplicate { seq, .. } => {
                live.unsettled |= surprise;
                Some(Reply::Done { seq: Some(seq) })
            }
            Outcome::Conflict { .. } => {
                live.unsettled |= surprise;
                Some(Reply::Refused(Refusal::conflict("same id, other content")))
            }
            Outcome::Unknown => Some(Reply::Refused(pending.refusal.unwrap_or_else(unavailable))),
            Outcome::Exists { conversation } => {
                live.unsettled = true;
                Some(Reply::Exists(conversation))
            }
            Outcome::Refused(refusal) => {
                live.unsettled = true;
                Some(Reply::Refused(refusal))
            }
            Outcome::Reload { .. } => {
                live.unsettled = true;
                if pending.tries < DECISION_TRIES {
                    live.parked.push_back((pending.errand, pending.tries + 1));
                    None
                } else {
                    Some(Reply::Refused(unavailable()))
                }
            }
            Outcome::Stale { .. } | Outcome::Failed { .. } => {
                stop = true;
                Some(Reply::Refused(unavailable()))
            }
        };
        if live.pending.is_empty() {
            live.ahead = None;
            live.unsettled = false;
        }
        out.extend(reply.map(|reply| Effect::Answer { conversation: id, waits, reply }));
        stop
    }

    fn stop(&mut self, id: ConversationId, out: &mut Vec<Effect>) {
        let Some(live) = self.live.remove(&id) else { return };
        let errands = live.pending.into_iter().map(|pending| pending.errand);
        for errand in errands.chain(live.parked.into_iter().map(|(errand, _)| errand)) {
            let reply = Reply::Refused(unavailable());
            out.push(Effect::Answer { conversation: id, waits: errand.waits, reply });
        }
    }
}

fn committed(live: &mut Live, entries: Vec<Entry>, out: &mut Vec<Effect>) -> Reply {
    let message =
        entries.iter().find(|entry| matches!(&entry.event, Event::Message(content) if !content.is_note()));
    let seq = message.or(entries.last()).map(|entry| entry.seq);
    if let Some(state) = live.committed.as_mut() {
        let standing = |state: &State| (state.phase, state.assignee, state.assign_seq, state.offer.clone());
        let before = standing(state);
        let held_by = state.seat_hold().map(|hold| hold.agent);
        entries.iter().for_each(|entry| state.apply(entry.at, &entry.author, &entry.event));
        let changed = before != standing(state);
        out.push(Effect::Committed { held_by, changed, state: Box::new(state.clone()), entries });
    }
    Reply::Done { seq }
}

fn unavailable() -> Refusal {
    Refusal::unavailable("repeat it with the same id", 300)
}
