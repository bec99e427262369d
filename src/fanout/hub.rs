//! Who is connected to this node, and how a committed entry reaches each of them: encoded once per view, delivered by
//! pointer.
//!
//! Sockets are found by the identity behind them: a conversation's visitor, its agent, and supervisors who watch it.
//! So nothing has to be subscribed or unsubscribed when a conversation changes hands. Refuses to know what a
//! conversation is: the audience is named by the caller.

use super::outbox::{Item, Outbox, Push};
use crate::clock::Timestamp;
use crate::conversation::event::{Entry, View};
use crate::ident::{AgentId, ConversationId, SessionId, VisitorId};
use crate::wire::close::CloseCode;
use crate::wire::{encode_entry, with_re};
use bytes::Bytes;
use dashmap::DashMap;
use smallvec::SmallVec;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Sockets = SmallVec<[Arc<Outbox>; 1]>;

/// Who shall hear of something.
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    pub conversation: ConversationId,
    pub visitor: Option<&'a VisitorId>,
    /// The agent who holds it, and the one who has just lost it; each once.
    pub agents: SmallVec<[AgentId; 2]>,
}

/// The request that made an entry: its answer goes to this connection, and only there the entry carries `re`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub session: SessionId,
    pub re: Arc<str>,
}

/// Counters of the fan-out, read by telemetry.
#[derive(Debug, Default)]
pub struct HubMeters {
    pub frames_delivered: AtomicU64,
    pub hints_dropped: AtomicU64,
    pub slow_readers: AtomicU64,
}

/// The sockets of this node.
#[derive(Debug, Default)]
pub struct Hub {
    visitors: DashMap<VisitorId, Sockets>,
    agents: DashMap<AgentId, Sockets>,
    watchers: DashMap<ConversationId, Sockets>,
    /// When visitors without a connection left; forgotten by `forget_gone_before`.
    gone: DashMap<VisitorId, Timestamp>,
    pub meters: HubMeters,
}

impl Hub {
    /// Adds a visitor's socket; another socket of the same device is closed with 4409.
    pub fn join_visitor(&self, visitor: &VisitorId, outbox: &Arc<Outbox>) {
        join(&self.visitors, visitor.clone(), outbox);
        self.gone.remove(visitor);
    }

    /// Removes a visitor's socket. Returns true when it was the last one.
    pub fn leave_visitor(&self, visitor: &VisitorId, session: SessionId, now: Timestamp) -> bool {
        let last = leave(&self.visitors, visitor, session);
        if last {
            self.gone.insert(visitor.clone(), now);
        }
        last
    }

    /// Adds an agent's socket; another socket of the same device is closed with 4409.
    pub fn join_agent(&self, agent: AgentId, outbox: &Arc<Outbox>) {
        join(&self.agents, agent, outbox);
    }

    /// Removes an agent's socket. Returns true when it was the last one.
    pub fn leave_agent(&self, agent: AgentId, session: SessionId) -> bool {
        leave(&self.agents, &agent, session)
    }

    pub fn watch(&self, conversation: ConversationId, outbox: &Arc<Outbox>) {
        let mut sockets = self.watchers.entry(conversation).or_default();
        if !sockets.iter().any(|socket| socket.session == outbox.session) {
            sockets.push(outbox.clone());
        }
    }

    pub fn unwatch(&self, conversation: ConversationId, session: SessionId) -> bool {
        leave(&self.watchers, &conversation, session)
    }

    pub fn is_agent_connected(&self, agent: AgentId) -> bool {
        self.agents.contains_key(&agent)
    }

    /// Since when the visitor has no connection; `None` while there is one. A visitor never seen by this node counts
    /// as gone since `node_start`.
    pub fn visitor_gone_since(&self, visitor: &VisitorId, node_start: Timestamp) -> Option<Timestamp> {
        if self.visitors.contains_key(visitor) {
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
        let conversation = audience.conversation;
        let to = |frame: &Bytes, socket: &Arc<Outbox>| {
            let frame = match origin.filter(|origin| origin.session == socket.session) {
                Some(origin) => with_re(frame, &origin.re),
                None => frame.clone(),
            };
            self.push(socket, Item::Entry { conversation, seq: entry.seq, frame });
        };
        if let Some(visitor) = audience.visitor.filter(|_| entry.event.visible_to(View::Visitor))
            && let Some(sockets) = self.visitors.get(visitor)
            && let Some(frame) = encode_entry(entry, conversation, View::Visitor)
        {
            sockets.iter().for_each(|socket| to(&frame, socket));
        }
        let mut desk_frame = None;
        self.each_desk_socket(audience, |socket| {
            if desk_frame.is_none() {
                desk_frame = encode_entry(entry, conversation, View::Desk);
            }
            if let Some(frame) = &desk_frame {
                to(frame, socket);
            }
        });
    }

    /// Delivers a frame to the conversation's agents and watchers.
    pub fn to_desk(&self, audience: &Audience<'_>, frame: &Bytes) {
        self.each_desk_socket(audience, |socket| self.push(socket, Item::Frame(frame.clone())));
    }

    pub fn to_visitor(&self, visitor: &VisitorId, frame: &Bytes) {
        if let Some(sockets) = self.visitors.get(visitor) {
            sockets.iter().for_each(|socket| self.push(socket, Item::Frame(frame.clone())));
        }
    }

    pub fn to_agent(&self, agent: AgentId, frame: &Bytes) {
        if let Some(sockets) = self.agents.get(&agent) {
            sockets.iter().for_each(|socket| self.push(socket, Item::Frame(frame.clone())));
        }
    }

    /// Delivers a hint of one side to the other: to the desk, or to the visitor.
    pub fn hint(&self, audience: &Audience<'_>, to: View, frame: &Bytes, from: SessionId) {
        let send = |socket: &Arc<Outbox>| {
            if socket.session != from {
                self.push(socket, Item::Hint(frame.clone()));
            }
        };
        match to {
            View::Desk => self.each_desk_socket(audience, send),
            View::Visitor => {
                if let Some(sockets) = audience.visitor.and_then(|visitor| self.visitors.get(visitor)) {
                    sockets.iter().for_each(send);
                }
            }
        }
    }

    /// Ends every connection of an agent (disabled, signed out everywhere).
    pub fn close_agent(&self, agent: AgentId, code: CloseCode) {
        if let Some(sockets) = self.agents.get(&agent) {
            sockets.iter().for_each(|socket| self.push(socket, Item::Close(code)));
        }
    }

    /// Sends `item` to every socket of this node.
    pub fn to_all(&self, item: &Item) {
        for sockets in &self.visitors {
            sockets.iter().for_each(|socket| self.push(socket, item.clone()));
        }
        for sockets in &self.agents {
            sockets.iter().for_each(|socket| self.push(socket, item.clone()));
        }
    }

    fn each_desk_socket(&self, audience: &Audience<'_>, mut visit: impl FnMut(&Arc<Outbox>)) {
        let mut of_agents: SmallVec<[SessionId; 4]> = SmallVec::new();
        for agent in &audience.agents {
            if let Some(sockets) = self.agents.get(agent) {
                for socket in sockets.iter() {
                    of_agents.push(socket.session);
                    visit(socket);
                }
            }
        }
        if let Some(sockets) = self.watchers.get(&audience.conversation) {
            sockets.iter().filter(|socket| !of_agents.contains(&socket.session)).for_each(visit);
        }
    }

    fn push(&self, socket: &Outbox, item: Item) {
        let counter = match socket.push(item) {
            Push::Queued => &self.meters.frames_delivered,
            Push::Dropped => &self.meters.hints_dropped,
            Push::Overflowed => &self.meters.slow_readers,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn join<K: Eq + Hash>(map: &DashMap<K, Sockets>, key: K, outbox: &Arc<Outbox>) {
    let mut sockets = map.entry(key).or_default();
    if outbox.device.is_some() {
        sockets.retain(|other| {
            let replaced = other.device == outbox.device;
            if replaced {
                other.push(Item::Close(CloseCode::Replaced));
            }
            !replaced
        });
    }
    sockets.push(outbox.clone());
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
