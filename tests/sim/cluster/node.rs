//! One start of a node: what it believes, what lives in it, what it has asked, and who is connected to it.

use super::bus::Wire;
use super::register::Start;
use super::routing::Desk;
use super::session::Session;
use crate::owner::{Errand, Owners};
use rushdesk::clock::Timestamp;
use rushdesk::cluster::exchange::under_way::UnderWay;
use rushdesk::cluster::placement::Placement;
use rushdesk::cluster::reconcile::Mine;
use rushdesk::cluster::slots::Slot;
use rushdesk::cluster::tailing::Tailing;
use rushdesk::ident::{ConversationId, GUEST, NodeId};
use std::collections::BTreeMap;

/// A command for whoever owns its conversation.
pub(crate) struct Question {
    pub(crate) conversation: ConversationId,
    pub(crate) fresh: bool,
    pub(crate) errand: Errand,
}

/// What a node does by the clock, and when it is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) beat: Timestamp,
    pub(crate) round: Timestamp,
    pub(crate) tail: Timestamp,
    pub(crate) desk: Timestamp,
    pub(crate) wake: Timestamp,
    pub(crate) rest: Timestamp,
}

pub(crate) struct Node {
    pub(crate) start: Start,
    pub(crate) owners: Owners,
    pub(crate) guests: Owners,
    /// Turns of the journal that stand on the agenda, for owners and guests.
    pub(crate) scheduled: [usize; 2],
    pub(crate) placement: Placement,
    pub(crate) mine: BTreeMap<Slot, Mine>,
    pub(crate) handed: BTreeMap<Slot, Timestamp>,
    pub(crate) renewed: Timestamp,
    pub(crate) trusts_silence_at: Timestamp,
    pub(crate) leaves: bool,
    pub(crate) due: Due,
    pub(crate) under_way: UnderWay<Question>,
    pub(crate) wire: Wire,
    pub(crate) tailing: Tailing,
    /// By client.
    pub(crate) sessions: BTreeMap<usize, Session>,
    /// Routing and the agents, while they are here.
    pub(crate) desk: Option<Desk>,
    /// The store's, as this node saw it last.
    pub(crate) timeline: u64,
}

/// A place for a node; nodes come and go.
pub(crate) struct Seat {
    pub(crate) id: NodeId,
    pub(crate) node: Option<Node>,
    pub(crate) incarnation: u64,
    pub(crate) store_cut: Timestamp,
    pub(crate) bus_cut: Timestamp,
    pub(crate) paused: Timestamp,
    /// How much its clock is ahead of the store's.
    pub(crate) ahead_ms: u64,
}

impl Node {
    pub(crate) fn new(start: Start, now: Timestamp, timeline: u64) -> Self {
        let first = start.incarnation << 32;
        Self {
            start,
            owners: Owners::new(0),
            guests: Owners::new(GUEST),
            scheduled: [0, 0],
            placement: Placement::unknown(),
            mine: BTreeMap::new(),
            handed: BTreeMap::new(),
            renewed: now,
            trusts_silence_at: now,
            leaves: false,
            due: Due { beat: now, round: now, tail: now, desk: now, wake: now, rest: now },
            under_way: UnderWay::from(first),
            wire: Wire::new(now),
            tailing: Tailing::default(),
            sessions: BTreeMap::new(),
            desk: None,
            timeline,
        }
    }

    pub(crate) fn owners(&mut self, guest: bool) -> &mut Owners {
        if guest { &mut self.guests } else { &mut self.owners }
    }
}
