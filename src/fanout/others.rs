//! The hub's way to the sockets of other nodes, and theirs to the sockets here.
//!
//! What is for people on other nodes is handed to the bus, one item a node, and only to nodes where somebody concerned
//! may be connected. What comes from other nodes is delivered by the same doors as what is announced here, to local
//! sockets only. Neither is ever waited for: after a loss every session asks the store (`look_again`).
//!
//! Refuses to know which nodes live: the composition says it.

use super::hub::{Audience, Hub, close_if};
use super::outbox::{Item, Outbox};
use crate::clock::Timestamp;
use crate::cluster::bus::{Bus, To};
use crate::ident::{AgentId, ConversationId, NodeId, Seq, SessionId, VisitorId};
use crate::presence::roll::{Here, Roll};
use crate::presence::whereabouts::{Moved, Name};
use crate::wire::close::CloseCode;
use crate::wire::node::{self, Fan, ForDesk, ForVisitor, News, Origin, People};
use crate::wire::with_re;
use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Sockets that ask the store again in one second, at most, after a loss.
const LOOK_AGAINS_PER_S: u64 = 500;
/// The least time over which they are spread.
const LOOK_AGAIN_WITHIN_MS: u64 = 200;
/// Losses that follow each other closely are looked after together.
const LOOK_AGAIN_EVERY_MS: u64 = 1_000;
/// While the bus does not carry, the log is read (`retell`) and brings every entry. What entries do not name is found by
/// looking: whose offer or conversation went to somebody else. That concerns agents, who are few.
const AGENTS_POLL_EVERY_MS: u64 = 2_000;
/// Should the log not be read either, this is what brings it to visitors.
const POLL_EVERY_MS: u64 = 10_000;

type Nodes = SmallVec<[NodeId; 2]>;

/// The other nodes, as the hub needs them.
pub(super) struct Others {
    bus: Arc<dyn Bus>,
    pub(super) roll: Roll,
    look: Mutex<Look>,
}

#[derive(Default)]
struct Look {
    due: bool,
    last: Option<Timestamp>,
    agents_last: Option<Timestamp>,
}

/// Who has to look into the store now.
enum Whom {
    Nobody,
    Agents,
    Everybody,
}

impl Look {
    fn whom(&mut self, carries: bool, now: Timestamp) -> Whom {
        let passed = |last: Option<Timestamp>, ms| last.is_none_or(|last| now.since_millis(last) >= ms);
        let polls = !carries && passed(self.last, POLL_EVERY_MS);
        if polls || self.due && passed(self.last, LOOK_AGAIN_EVERY_MS) {
            *self = Self { due: false, last: Some(now), agents_last: Some(now) };
            return Whom::Everybody;
        }
        if !carries && passed(self.agents_last, AGENTS_POLL_EVERY_MS) {
            self.agents_last = Some(now);
            return Whom::Agents;
        }
        Whom::Nobody
    }
}

fn look_again(sockets: usize) -> Item {
    let sockets = u64::try_from(sockets).unwrap_or(u64::MAX);
    let within_ms = (sockets.saturating_mul(1_000) / LOOK_AGAINS_PER_S).max(LOOK_AGAIN_WITHIN_MS);
    Item::LookAgain { within_ms }
}

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Others").field("carries", &self.bus.carries()).finish_non_exhaustive()
    }
}

/// The nodes that one thing concerns, by the side that is there.
#[derive(Debug, Default)]
pub(super) struct Reach {
    visitor: Nodes,
    desk: Nodes,
}

impl Reach {
    pub(super) fn has_visitor(&self) -> bool {
        !self.visitor.is_empty()
    }

    pub(super) fn has_desk(&self) -> bool {
        !self.desk.is_empty()
    }

    /// Each node once, with the sides that are there.
    fn sides(&self) -> impl Iterator<Item = (&NodeId, bool, bool)> {
        let of_visitor = self.visitor.iter().map(|node| (node, true, self.desk.contains(node)));
        let of_desk = self.desk.iter().filter(|node| !self.visitor.contains(node));
        of_visitor.chain(of_desk.map(|node| (node, false, true)))
    }
}

/// Where an entry stands, on its way to one socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) conversation: ConversationId,
    pub(super) prev: Seq,
    pub(super) seq: Seq,
    pub(super) origin: Option<&'a Origin>,
}

impl Piece<'_> {
    pub(super) fn item(&self, socket: &Outbox, frame: &Bytes) -> Item {
        let Piece { conversation, prev, seq, origin } = *self;
        let frame = match origin.filter(|origin| origin.session == socket.session) {
            Some(origin) => with_re(frame, &origin.re),
            None => frame.clone(),
        };
        Item::Entry { conversation, prev, seq, frame }
    }
}

/// What concerns other nodes; said by the composition.
impl Hub {
    /// Reaches people on other nodes by `bus` from now on. Returns false where that was said before.
    pub fn join_others(&self, bus: Arc<dyn Bus>) -> bool {
        let roll = Roll::new(bus.clone());
        self.others.set(Others { bus, roll, look: Mutex::default() }).is_ok()
    }

    /// Whether this desk has other nodes.
    pub fn has_others(&self) -> bool {
        self.others.get().is_some()
    }

    /// The roll call's counters and the names known of other nodes, with how many found no room.
    pub fn roll(&self) -> Option<(&crate::presence::roll::RollMeters, usize, u64)> {
        let roll = &self.others.get()?.roll;
        let (known, refused) = roll.known();
        Some((&roll.meters, known, refused))
    }

    /// Whether it is known of every node who is connected there.
    pub fn knows_everybody(&self) -> bool {
        self.others.get().is_none_or(|others| others.roll.knows_all())
    }

    /// Says what has gathered: who came and left, which lists are missing, and that something was lost or is not carried at
    /// all. To be called every 20 to 50 ms.
    pub fn flush(&self, now: Timestamp) {
        let Some(others) = self.others.get() else { return };
        others.roll.flush(self, now);
        let whom = others.look.lock().whom(others.bus.carries(), now);
        let (visitors, agents) = self.counts();
        match whom {
            Whom::Nobody => {}
            Whom::Agents => self.to_all_agents(&look_again(agents)),
            Whom::Everybody => {
                self.meters.look_agains.fetch_add(1, Ordering::Relaxed);
                self.to_all(&look_again(visitors + agents));
            }
        }
    }

    /// Something for sockets here may have been lost: at the next `flush` every session is told to ask the store.
    pub fn look_again(&self) {
        if let Some(others) = self.others.get() {
            others.look.lock().due = true;
        }
    }

    /// What sockets here were sent may not stand in the store any more: every session is told to ask it, also on a desk
    /// of one node.
    pub fn another_history(&self) {
        let (visitors, agents) = self.counts();
        self.meters.look_agains.fetch_add(1, Ordering::Relaxed);
        self.to_all(&look_again(visitors + agents));
    }

    /// The bus does not carry: what was under way is lost, and from now on the log is read.
    pub fn interrupted(&self) {
        self.look_again();
    }

    /// The bus carries, for the first time or again.
    pub fn resumed(&self) {
        if let Some(others) = self.others.get() {
            others.roll.resumed();
            self.look_again();
        }
    }

    /// Something that `from` said was lost.
    pub fn lost(&self, from: &NodeId) {
        if let Some(others) = self.others.get() {
            others.roll.lost(from);
            self.look_again();
        }
    }

    /// `nodes` are all other nodes that live. Returns who has gone with those that do not any more.
    pub fn live_nodes(&self, nodes: &[NodeId], now: Timestamp) -> Moved {
        self.others.get().map_or_else(Moved::default, |others| self.settle(others.roll.live(nodes), now))
    }

    /// Takes in what `from` says of its people. Returns who is connected to the desk now and was not before, and the
    /// other way round, as far as this node has no socket of theirs.
    pub fn hear_people(&self, from: &NodeId, people: People, now: Timestamp) -> Moved {
        let Some(others) = self.others.get() else { return Moved::default() };
        self.settle(others.roll.hear(from, people, self), now)
    }

    fn settle(&self, mut moved: Moved, now: Timestamp) -> Moved {
        moved.came.retain(|name| !self.is_here(name));
        moved.left.retain(|name| !self.is_here(name));
        for name in &moved.left {
            if let Name::Visitor(visitor) = name {
                self.gone.insert(visitor.clone(), now);
            }
        }
        for name in &moved.came {
            if let Name::Visitor(visitor) = name {
                self.gone.remove(visitor);
            }
        }
        moved
    }

    /// Delivers what another node has for sockets here, to them alone.
    pub fn replay(&self, fan: Fan) {
        self.meters.items_heard.fetch_add(1, Ordering::Relaxed);
        match fan {
            Fan::Entry { conversation, seq, visitor_prev, visitor, desk, origin } => {
                let origin = origin.as_ref();
                let piece = |prev| Piece { conversation, prev, seq, origin };
                if let Some(ForVisitor { id, frame }) = visitor
                    && let Some(sockets) = self.visitors.get(&id)
                {
                    let piece = piece(visitor_prev);
                    sockets.iter().for_each(|socket| self.push(socket, piece.item(socket, &frame.0)));
                }
                if let Some(ForDesk { agents, frame }) = desk {
                    let piece = piece(seq.saturating_sub(1));
                    self.each_desk_socket(conversation, &agents, |socket| {
                        self.push(socket, piece.item(socket, &frame.0));
                    });
                }
            }
            Fan::Desk { conversation, desk } => self.desk_here(conversation, &desk.agents, &desk.frame.0),
            Fan::Visitor(ForVisitor { id, frame }) => self.visitor_here(&id, &frame.0),
            Fan::Agent { agent, news, frame } => self.agent_here(agent, &frame.0, news),
            Fan::Hint { conversation, from, visitor, desk } => {
                self.hint_here(conversation, visitor.as_ref(), desk.as_ref(), from);
            }
            Fan::Close { agent, code } => {
                // A later version may close for reasons of its own; that it is over is what counts.
                let code = CloseCode::from_number(code).unwrap_or(CloseCode::NotSignedIn);
                self.close_agent_here(agent, code);
            }
            Fan::VisitorBack { visitor, device, session } => {
                if let Some(sockets) = self.visitors.get(&visitor) {
                    close_if(&sockets, |socket| is_older(socket, &device, session));
                }
            }
            Fan::AgentBack { agent, device, session } => {
                if let Some(sockets) = self.agents.get(&agent) {
                    close_if(&sockets, |socket| is_older(socket, &device, session));
                }
            }
        }
    }
}

/// The doors, each to sockets of this node alone.
impl Hub {
    pub(super) fn desk_here(&self, conversation: ConversationId, agents: &[AgentId], frame: &Bytes) {
        self.each_desk_socket(conversation, agents, |socket| self.push(socket, Item::Frame(frame.clone())));
    }

    pub(super) fn visitor_here(&self, visitor: &VisitorId, frame: &Bytes) {
        if let Some(sockets) = self.visitors.get(visitor) {
            sockets.iter().for_each(|socket| self.push(socket, Item::Frame(frame.clone())));
        }
    }

    pub(super) fn agent_here(&self, agent: AgentId, frame: &Bytes, news: News) {
        if let Some(sockets) = self.agents.get(&agent) {
            sockets.iter().for_each(|socket| self.push(socket, Item::News { news, frame: frame.clone() }));
        }
    }

    pub(super) fn hint_here(
        &self,
        conversation: ConversationId,
        visitor: Option<&ForVisitor>,
        desk: Option<&ForDesk>,
        from: SessionId,
    ) {
        let send = |socket: &Arc<Outbox>, frame: &Bytes| {
            if socket.session != from {
                self.push(socket, Item::Hint(frame.clone()));
            }
        };
        if let Some(ForVisitor { id, frame }) = visitor
            && let Some(sockets) = self.visitors.get(id)
        {
            sockets.iter().for_each(|socket| send(socket, &frame.0));
        }
        if let Some(ForDesk { agents, frame }) = desk {
            self.each_desk_socket(conversation, agents, |socket| send(socket, &frame.0));
        }
    }

    pub(super) fn close_agent_here(&self, agent: AgentId, code: CloseCode) {
        if let Some(sockets) = self.agents.get(&agent) {
            sockets.iter().for_each(|socket| self.push(socket, Item::Close(code)));
        }
    }
}

/// The way out.
impl Hub {
    /// The nodes where `visitor` or the desk's side of `desk` may be connected.
    pub(super) fn reach(&self, visitor: Option<&VisitorId>, desk: Option<&Audience<'_>>) -> Reach {
        let Some(Others { roll, .. }) = self.others.get() else { return Reach::default() };
        let mut reach = Reach::default();
        if let Some(visitor) = visitor {
            reach.visitor = roll.nodes_of(&[Name::Visitor(visitor.clone())]);
        }
        if let Some(desk) = desk {
            let mut names: SmallVec<[Name; 3]> = desk.agents.iter().copied().map(Name::Agent).collect();
            names.push(Name::Watched(desk.conversation));
            reach.desk = roll.nodes_of(&names);
        }
        reach
    }

    /// Sends each node the sides that are there; what `make` gives is encoded once for all with the same sides.
    pub(super) fn send(
        &self,
        reach: &Reach,
        visitor: Option<ForVisitor>,
        desk: Option<ForDesk>,
        make: impl Fn(Option<ForVisitor>, Option<ForDesk>) -> Option<Fan>,
    ) {
        let line = |visitor, desk| make(visitor, desk).and_then(line);
        let (mut of_visitor, mut of_desk, mut of_both) = (None, None, None);
        for (to, has_visitor, has_desk) in reach.sides() {
            let line = match (has_visitor && visitor.is_some(), has_desk && desk.is_some()) {
                (true, true) => of_both.get_or_insert_with(|| line(visitor.clone(), desk.clone())),
                (true, false) => of_visitor.get_or_insert_with(|| line(visitor.clone(), None)),
                (false, true) => of_desk.get_or_insert_with(|| line(None, desk.clone())),
                (false, false) => continue,
            };
            if let Some(line) = line {
                self.hand_over(To::Node(to), line.clone());
            }
        }
    }

    pub(super) fn send_to_agent(&self, agent: AgentId, make: impl FnOnce() -> Fan) {
        let Some(others) = self.others.get() else { return };
        let nodes = others.roll.nodes_of(&[Name::Agent(agent)]);
        if nodes.is_empty() {
            return;
        }
        if let Some(line) = line(make()) {
            nodes.iter().for_each(|to| self.hand_over(To::Node(to), line.clone()));
        }
    }

    /// Told to all nodes, not only to those where the person is known to be: the older connection may be too young to
    /// be known there.
    pub(super) fn tell_device_is_back(&self, outbox: &Outbox, make: impl FnOnce(String, SessionId) -> Fan) {
        if self.has_others()
            && let Some(device) = &outbox.device
            && let Some(line) = line(make(device.clone(), outbox.session))
        {
            self.hand_over(To::Everybody, line);
        }
    }

    fn hand_over(&self, to: To<'_>, line: Bytes) {
        let Some(others) = self.others.get() else { return };
        self.meters.items_sent.fetch_add(1, Ordering::Relaxed);
        if !others.bus.send(to, line) {
            self.meters.items_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Somebody's first socket here has joined, or their last has left.
    pub(super) fn note(&self, name: impl FnOnce() -> Name) {
        if let Some(others) = self.others.get()
            && others.roll.note(name())
        {
            others.roll.tell_changes(self);
        }
    }
}

impl Here for Hub {
    fn is_here(&self, name: &Name) -> bool {
        match name {
            Name::Visitor(visitor) => self.visitors.contains_key(visitor),
            Name::Agent(agent) => self.agents.contains_key(agent),
            Name::Watched(conversation) => self.watchers.contains_key(conversation),
        }
    }

    fn all_here(&self) -> Vec<Name> {
        let visitors = self.visitors.iter().map(|sockets| Name::Visitor(sockets.key().clone()));
        let agents = self.agents.iter().map(|sockets| Name::Agent(*sockets.key()));
        let watched = self.watchers.iter().map(|sockets| Name::Watched(*sockets.key()));
        visitors.chain(agents).chain(watched).collect()
    }
}

fn line(fan: Fan) -> Option<Bytes> {
    match node::encode(&node::Item::Fan(Box::new(fan))) {
        Ok(line) => Some(line),
        Err(error) => {
            tracing::error!(%error, "an item could not be written; the other nodes find out from the store");
            None
        }
    }
}

/// Sessions are numbered by time (UUIDv7). Of two nodes whose clocks differ the older may stay until its next heartbeat.
fn is_older(socket: &Outbox, device: &str, than: SessionId) -> bool {
    socket.session < than && socket.device.as_deref() == Some(device)
}
