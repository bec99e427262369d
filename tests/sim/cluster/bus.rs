//! The bus: a lane from each node to each other, whose items keep their order, carry numbers, and may be lost, late or
//! repeated; and a probe that tells after three seconds of silence that it does not carry.

use super::agenda::Happens;
use super::world::{Cluster, NODES};
use crate::owner::Reply;
use rushdesk::clock::Timestamp;
use rushdesk::conversation::command::Ask;
use rushdesk::conversation::event::{Entry, RequeueReason};
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId};
use rushdesk::journal::ClientKey;
use rushdesk::planted::{Bug, is_planted};

const PROBE_MS: u64 = 1_000;
const SILENT_MS: u64 = 3_000;

/// What one node says to another.
#[derive(Clone)]
pub(crate) enum Item {
    Command {
        request: u64,
        conversation: ConversationId,
        fresh: bool,
        ask: Box<Ask>,
        client: Option<ClientKey>,
        /// When its asker does without, by the store's clock.
        until: Timestamp,
    },
    Reply {
        request: u64,
        reply: Reply,
    },
    NotMine {
        request: u64,
    },
    Fan {
        held_by: Option<AgentId>,
        state: Box<State>,
        entry: Box<Entry>,
    },
    Changed {
        state: Box<State>,
        requeued: Option<RequeueReason>,
    },
    Overtaken(ConversationId),
    /// Slots have moved.
    Moved,
    /// Somebody has come or gone.
    People,
}

/// An item on its lane.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) from: usize,
    pub(crate) to: usize,
    incarnation: u64,
    number: u64,
    timeline: u64,
    item: Item,
}

/// A node's end of the bus.
pub(crate) struct Wire {
    pub(crate) carries: bool,
    probed_at: Timestamp,
    came_back_at: Timestamp,
    said: [u64; NODES],
    /// When the last item of each lane arrives: none overtakes it.
    arrives_at: [Timestamp; NODES],
    /// Incarnation and number heard last.
    heard: [Option<(u64, u64)>; NODES],
    /// When a loss was noticed, last.
    pub(crate) noticed_at: Option<Timestamp>,
}

impl Wire {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self {
            carries: true,
            probed_at: now,
            came_back_at: now,
            said: [0; NODES],
            arrives_at: [now; NODES],
            heard: [None; NODES],
            noticed_at: None,
        }
    }
}

impl Cluster {
    /// Hands an item over; false where the bus does not carry.
    pub(crate) fn say(&mut self, from: usize, to: usize, item: Item) -> bool {
        let is_up = self.hears(from);
        let is_lost = !is_up || self.chance.percent(self.faults.bus);
        let is_late = self.chance.percent(self.faults.late);
        let is_repeated = self.chance.percent(self.faults.bus);
        let pause = if is_late { self.chance.between(30, 400) } else { self.chance.between(1, 12) };
        let now = self.now;
        let Some(node) = self.seats[from].node.as_mut().filter(|node| node.wire.carries) else {
            return false;
        };
        node.wire.said[to] += 1;
        let arrives_at = now.plus_millis(pause).max(node.wire.arrives_at[to]);
        node.wire.arrives_at[to] = arrives_at;
        let parcel = Parcel {
            from,
            to,
            incarnation: node.start.incarnation,
            number: node.wire.said[to],
            timeline: node.timeline,
            item,
        };
        if is_lost {
            self.seen.lost_items += 1;
            return true;
        }
        if is_repeated {
            self.at(arrives_at, Happens::Arrives(Box::new(parcel.clone())));
        }
        self.at(arrives_at, Happens::Arrives(Box::new(parcel)));
        true
    }

    pub(crate) fn tell_everybody(&mut self, from: usize, item: &Item) {
        for to in self.others(from) {
            self.say(from, to, item.clone());
        }
    }

    pub(crate) fn others(&self, from: usize) -> Vec<usize> {
        (0..NODES).filter(|to| *to != from && self.seats[*to].node.is_some()).collect()
    }

    pub(crate) fn arrives(&mut self, parcel: Parcel) {
        let Parcel { from, to, incarnation, number, timeline, item } = parcel;
        let now = self.now;
        let own = self.node_now(to);
        let heard_from = self.seats[from].id.clone();
        if !self.hears(to) {
            self.seen.lost_items += 1;
            return;
        }
        let Some(node) = self.seats[to].node.as_mut() else { return };
        let last = node.wire.heard[from].filter(|last| last.0 == incarnation).map(|last| last.1);
        if last.is_some_and(|last| number <= last) {
            return;
        }
        node.wire.heard[from] = Some((incarnation, number));
        node.under_way.heard(&heard_from, own);
        if last.is_some_and(|last| number > last + 1) {
            node.wire.noticed_at = Some(now);
            self.seen.gaps += 1;
            self.look_again_everybody(to);
        }
        // What is said on a newer timeline is not mixed with what was known on the one before.
        self.note_timeline(to, timeline);
        self.takes_in(to, from, item);
    }

    /// The self-probe of a second, and what follows from it.
    pub(crate) fn probe(&mut self, n: usize) {
        let (now, is_up) = (self.now, self.hears(n));
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let wire = &mut node.wire;
        if now.since_millis(wire.probed_at) < PROBE_MS {
            return;
        }
        wire.probed_at = now;
        if is_up {
            wire.came_back_at = now;
        }
        let carries = now.since_millis(wire.came_back_at) < SILENT_MS;
        let carried = std::mem::replace(&mut wire.carries, carries);
        if carried && !carries {
            self.seen.silences += 1;
            let asked = node.under_way.take_all_asked();
            for due in asked {
                self.take_over(n, due.question);
                if let Some(node) = self.seats[n].node.as_mut() {
                    node.under_way.settled(due.request, due.lane);
                }
            }
        } else if !carried && carries {
            wire.noticed_at = Some(now);
            node.under_way.forgive();
            node.due.round = now;
            self.look_again_everybody(n);
            self.tell_everybody(n, &Item::Moved);
        }
    }

    /// After a loss everybody who is connected looks into the store, and owners read again.
    pub(crate) fn look_again_everybody(&mut self, n: usize) {
        if is_planted(Bug::LossUnchecked) {
            return;
        }
        let soon = self.now.plus_millis(self.chance.between(1, 200));
        let Some(node) = self.seats[n].node.as_mut() else { return };
        node.sessions.values_mut().for_each(|session| session.look_at = Some(soon));
        for conversation in node.owners.awake() {
            self.with_owners(n, false, |owners, _, out| owners.overtaken(conversation, out));
        }
    }
}
