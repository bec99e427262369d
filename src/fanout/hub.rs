//! Who is connected to this node, and how a committed entry reaches each of them: encoded once per view, delivered by
//! pointer here, and sent to those nodes (`others`) where somebody concerned is connected.
//!
//! Sockets are found by the identity behind them: a conversation's visitor, its agent, and supervisors who watch it.
//! So nothing has to be subscribed or unsubscribed when a conversation changes hands. Refuses to know what a
//! conversation is: the audience is named by the caller.

use super::others::{Others, Piece, Reach};
use super::outbox::{Item, Outbox, Push};
use crate::clock::Timestamp;
use crate::conversation::event::{Entry, View};
use crate::ident::{AgentId, ConversationId, SessionId, VisitorId};
use crate::presence::whereabouts::Name;
use crate::wire::close::CloseCode;
use crate::wire::encode_entry;
pub use crate::wire::node::Origin;
use crate::wire::node::{Fan, ForDesk, ForVisitor, Frame, News};
use bytes::Bytes;
use dashmap::DashMap;
use smallvec::SmallVec;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

pub(super) type Sockets = SmallVec<[Arc<Outbox>; 1]>;

/// Who shall hear of something.
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    pub conversation: ConversationId,
    pub visitor: Option<&'a VisitorId>,
    /// The agent who holds it, and the one who has just lost it; each once.
    pub agents: SmallVec<[AgentId; 2]>,
}

/// Counters of the fan-out, read by telemetry.
#[derive(Debug, Default)]
pub struct HubMeters {
    pub frames_delivered: AtomicU64,
    pub hints_dropped: AtomicU64,
    pub slow_readers: AtomicU64,
    /// Items for sockets of other nodes.
    pub items_sent: AtomicU64,
    /// Of them, those that the bus did not take.
    pub items_dropped: AtomicU64,
    /// Items that came for sockets of this node.
    pub items_heard: AtomicU64,
    /// Times that all sockets were told to ask the store for what they may have missed.
    pub look_agains: AtomicU64,
    /// Entries that the store had and the flow had not brought.
    pub entries_repaired: AtomicU64,
    /// Frames about an agent's work or a conversation's state that were told again.
    pub frames_repaired: AtomicU64,
}

/// The sockets of this node, and the way to those of others.
#[derive(Debug, Default)]
pub struct Hub {
    pub(super) visitors: DashMap<VisitorId, Sockets>,
    pub(super) agents: DashMap<AgentId, Sockets>,
    pub(super) watchers: DashMap<ConversationId, Sockets>,
    /// When visitors without a connection left; forgotten by `forget_gone_before`.
    pub(super) gone: DashMap<VisitorId, Timestamp>,
    /// None on a desk of one node.
    pub(super) others: OnceLock<Others>,
    pub meters: HubMeters,
}

impl Hub {
    /// Adds a visitor's socket; another socket of the same device is closed with 4409, on whatever node.
    pub fn join_visitor(&self, visitor: &VisitorId, outbox: &Arc<Outbox>) {
        let first = join(&self.visitors, visitor.clone(), outbox);
        self.gone.remove(visitor);
        if first {
            self.note(|| Name::Visitor(visitor.clone()));
        }
        self.tell_device_is_back(outbox, |device, session| Fan::VisitorBack {
            visitor: visitor.clone(),
            device,
            session,
        });
    }

    /// Removes a visitor's socket. Returns true when it was the last one of this node.
    pub fn leave_visitor(&self, visitor: &VisitorId, session: SessionId, now: Timestamp) -> bool {
        let last = leave(&self.visitors, visitor, session);
        if last {
            self.gone.insert(visitor.clone(), now);
            self.note(|| Name::Visitor(visitor.clone()));
        }
        last
    }

    /// Adds an agent's socket; another socket of the same device is closed with 4409, on whatever node.
    pub fn join_agent(&self, agent: AgentId, outbox: &Arc<Outbox>) {
        let first = join(&self.agents, agent, outbox);
        if first {
            self.note(|| Name::Agent(agent));
        }
        self.tell_device_is_back(outbox, |device, session| Fan::AgentBack { agent, device, session });
    }

    /// Removes an agent's socket. Returns true when it was the last one of this node.
    pub fn leave_agent(&self, agent: AgentId, session: SessionId) -> bool {
        let last = leave(&self.agents, &agent, session);
        if last {
            self.note(|| Name::Agent(agent));
        }
        last
    }

    pub fn watch(&self, conversation: ConversationId, outbox: &Arc<Outbox>) {
        let mut sockets = self.watchers.entry(conversation).or_default();
        if !sockets.iter().any(|socket| socket.session == outbox.session) {
            sockets.push(outbox.clone());
        }
        let first = sockets.len() == 1;
        drop(sockets);
        if first {
            self.note(|| Name::Watched(conversation));
        }
    }

    pub fn unwatch(&self, conversation: ConversationId, session: SessionId) -> bool {
        let last = leave(&self.watchers, &conversation, session);
        if last {
            self.note(|| Name::Watched(conversation));
        }
        last
    }

    /// Whether the agent has a connection to any node. Where that cannot be known now: what was last known.
    pub fn is_agent_connected(&self, agent: AgentId) -> bool {
        let elsewhere = |others: &Others| others.roll.may_be_connected(agent);
        self.agents.contains_key(&agent) || self.others.get().is_some_and(elsewhere)
    }

    /// Since when the visitor has no connection to any node; `None` while there is one, or while that cannot be known.
    /// A visitor never seen since this node began counts as gone since `node_start`.
    pub fn visitor_gone_since(&self, visitor: &VisitorId, node_start: Timestamp) -> Option<Timestamp> {
        let elsewhere = |others: &Others| !others.roll.is_gone(&Name::Visitor(visitor.clone()));
        if self.visitors.contains_key(visitor) || self.others.get().is_some_and(elsewhere) {
            return None;
        }
        Some(self.gone.get(visitor).map_or(node_start, |at| *at))
    }

    /// Forgets when visitors left, where that is longer ago than anybody asks for.
    pub fn forget_gone_before(&self, before: Timestamp) {
        self.gone.retain(|_, left_at| *left_at >= before);
    }

    /// Connections of visitors and of agents.
    pub fn counts(&self) -> (usize, usize) {
        let visitors = self.visitors.iter().map(|sockets| sockets.len()).sum();
        let agents = self.agents.iter().map(|sockets| sockets.len()).sum();
        (visitors, agents)
    }

    /// Delivers one committed entry to everybody who may see it.
    pub fn deliver_entry(&self, audience: &Audience<'_>, entry: &Entry, origin: Option<&Origin>) {
        let visitor = audience.visitor.filter(|_| entry.event.visible_to(View::Visitor));
        self.deliver_within(&self.reach(visitor, Some(audience)), audience, entry, origin);
    }

    /// As `deliver_entry`, to sockets of this node and of the nodes in `reach`.
    pub(super) fn deliver_within(
        &self,
        reach: &Reach,
        audience: &Audience<'_>,
        entry: &Entry,
        origin: Option<&Origin>,
    ) {
        let visitor = audience.visitor.filter(|_| entry.event.visible_to(View::Visitor));
        let piece = |view| Piece {
            conversation: audience.conversation,
            prev: entry.prev(view),
            seq: entry.seq,
            origin,
        };
        let mut for_visitor = None;
        if let Some(visitor) = visitor {
            let encoded = || encode_entry(entry, audience.conversation, View::Visitor);
            let sockets = self.visitors.get(visitor);
            let frame = if sockets.is_some() || reach.has_visitor() { encoded() } else { None };
            if let (Some(sockets), Some(frame)) = (sockets, &frame) {
                sockets.iter().for_each(|socket| self.push(socket, piece(View::Visitor).item(socket, frame)));
            }
            for_visitor = frame.map(|frame| ForVisitor { id: visitor.clone(), frame: Frame(frame) });
        }
        let mut desk_frame = None;
        if reach.has_desk() {
            desk_frame = encode_entry(entry, audience.conversation, View::Desk);
        }
        self.each_desk_socket(audience.conversation, &audience.agents, |socket| {
            if desk_frame.is_none() {
                desk_frame = encode_entry(entry, audience.conversation, View::Desk);
            }
            if let Some(frame) = &desk_frame {
                self.push(socket, piece(View::Desk).item(socket, frame));
            }
        });
        if reach.has_visitor() || reach.has_desk() {
            let for_desk =
                desk_frame.map(|frame| ForDesk { agents: audience.agents.clone(), frame: Frame(frame) });
            self.send(reach, for_visitor, for_desk, |visitor, desk| {
                Some(Fan::Entry {
                    conversation: audience.conversation,
                    seq: entry.seq,
                    visitor_prev: entry.visitor_prev,
                    visitor,
                    desk,
                    origin: origin.cloned(),
                })
            });
        }
    }

    /// Delivers a frame to the conversation's agents and watchers.
    pub fn to_desk(&self, audience: &Audience<'_>, frame: &Bytes) {
        let Audience { conversation, agents, .. } = audience;
        self.desk_here(*conversation, agents, frame);
        let reach = self.reach(None, Some(audience));
        if reach.has_desk() {
            let desk = ForDesk { agents: agents.clone(), frame: Frame(frame.clone()) };
            self.send(&reach, None, Some(desk), |_, desk| {
                desk.map(|desk| Fan::Desk { conversation: *conversation, desk })
            });
        }
    }

    pub fn to_visitor(&self, visitor: &VisitorId, frame: &Bytes) {
        self.visitor_here(visitor, frame);
        let reach = self.reach(Some(visitor), None);
        if reach.has_visitor() {
            let visitor = ForVisitor { id: visitor.clone(), frame: Frame(frame.clone()) };
            self.send(&reach, Some(visitor), None, |visitor, _| visitor.map(Fan::Visitor));
        }
    }

    /// Delivers a frame about an agent's work to them; `news` is what it says.
    pub fn to_agent(&self, agent: AgentId, frame: &Bytes, news: News) {
        self.agent_here(agent, frame, news);
        self.send_to_agent(agent, || Fan::Agent { agent, news, frame: Frame(frame.clone()) });
    }

    /// Delivers a hint of one side to the other: to the desk, or to the visitor.
    pub fn hint(&self, audience: &Audience<'_>, to: View, frame: &Bytes, from: SessionId) {
        let conversation = audience.conversation;
        let (visitor, desk) = match to {
            View::Desk => (None, Some(audience)),
            View::Visitor => (audience.visitor, None),
        };
        let reach = self.reach(visitor, desk);
        let whole = |frame: &Bytes| Frame(frame.clone());
        let visitor = visitor.map(|id| ForVisitor { id: id.clone(), frame: whole(frame) });
        let desk = desk.map(|desk| ForDesk { agents: desk.agents.clone(), frame: whole(frame) });
        self.hint_here(conversation, visitor.as_ref(), desk.as_ref(), from);
        if reach.has_visitor() || reach.has_desk() {
            self.send(&reach, visitor, desk, |visitor, desk| {
                Some(Fan::Hint { conversation, from, visitor, desk })
            });
        }
    }

    /// Ends every connection of an agent (disabled, signed out everywhere).
    pub fn close_agent(&self, agent: AgentId, code: CloseCode) {
        self.close_agent_here(agent, code);
        self.send_to_agent(agent, || Fan::Close { agent, code: code.number() });
    }

    /// Sends `item` to every socket of this node.
    pub fn to_all(&self, item: &Item) {
        for sockets in &self.visitors {
            sockets.iter().for_each(|socket| self.push(socket, item.clone()));
        }
        self.to_all_agents(item);
    }

    pub(super) fn to_all_agents(&self, item: &Item) {
        for sockets in &self.agents {
            sockets.iter().for_each(|socket| self.push(socket, item.clone()));
        }
    }

    pub(super) fn each_desk_socket(
        &self,
        conversation: ConversationId,
        agents: &[AgentId],
        mut visit: impl FnMut(&Arc<Outbox>),
    ) {
        let mut of_agents: SmallVec<[SessionId; 4]> = SmallVec::new();
        for agent in agents {
            if let Some(sockets) = self.agents.get(agent) {
                for socket in sockets.iter() {
                    of_agents.push(socket.session);
                    visit(socket);
                }
            }
        }
        if let Some(sockets) = self.watchers.get(&conversation) {
            sockets.iter().filter(|socket| !of_agents.contains(&socket.session)).for_each(visit);
        }
    }

    pub(super) fn push(&self, socket: &Outbox, item: Item) {
        let counter = match socket.push(item) {
            Push::Queued => &self.meters.frames_delivered,
            Push::Dropped => &self.meters.hints_dropped,
            Push::Overflowed => &self.meters.slow_readers,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns true when it is the first socket under `key`.
fn join<K: Eq + Hash>(map: &DashMap<K, Sockets>, key: K, outbox: &Arc<Outbox>) -> bool {
    let mut sockets = map.entry(key).or_default();
    let first = sockets.is_empty();
    if outbox.device.is_some() {
        let is_replaced = |other: &Outbox| other.device == outbox.device;
        close_if(&sockets, is_replaced);
        sockets.retain(|other| !is_replaced(other));
    }
    sockets.push(outbox.clone());
    first
}

/// Closes sockets that a newer one of the same device has replaced; they leave when they have ended.
pub(super) fn close_if(sockets: &Sockets, is_replaced: impl Fn(&Outbox) -> bool) {
    sockets.iter().filter(|socket| is_replaced(socket)).for_each(|socket| {
        socket.push(Item::Close(CloseCode::Replaced));
    });
}

/// Returns true when the last socket under `key` has gone with this call.
fn leave<K: Eq + Hash>(map: &DashMap<K, Sockets>, key: &K, session: SessionId) -> bool {
    let Some(mut sockets) = map.get_mut(key) else { return false };
    let before = sockets.len();
    sockets.retain(|socket| socket.session != session);
    let left = before > sockets.len() && sockets.is_empty();
    drop(sockets);
    map.remove_if(key, |_, sockets| sockets.is_empty());
    left
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
