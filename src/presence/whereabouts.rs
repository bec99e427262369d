//! What the other nodes have said of who is connected to them: pure, with time as an argument.
//!
//! Each node numbers its changes; a list holds as long as the numbers rise by one. Where one is missing, or the bus says
//! that something was lost, the list goes on as it was last known, is called incomplete, and is asked for again; changes
//! that come meanwhile are taken in at once and once more on top of the list.
//!
//! Memory for one visitor on another node: about 150 bytes and the id (at most 200 bytes). Refuses more than `MOST_NAMES`
//! and `MOST_NODES`; what does not fit is counted, and then nobody counts as gone.

use crate::clock::Timestamp;
use crate::ident::{AgentId, ConversationId, NodeId, VisitorId};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// Names of all other nodes together.
pub const MOST_NAMES: usize = 1_000_000;
/// Other nodes.
pub const MOST_NODES: usize = 256;
/// Changes that are kept of a node whose list is awaited; the list asked for next has those that did not fit.
const MOST_KEPT: usize = 64;
/// When a node that has not told its list is asked again.
const ASK_AGAIN_MS: u64 = 2_000;

/// Somebody who may be connected to a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    Visitor(VisitorId),
    Agent(AgentId),
    /// Whoever watches this conversation.
    Watched(ConversationId),
}

/// What a node says of its own people. `incarnation` tells its process from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Who came and left since the change before; with nobody in it, which change was the last.
    Changed { incarnation: u64, number: u64, came: Vec<Name>, left: Vec<Name> },
    /// One part of the whole list `list` as of change `number`.
    Part { incarnation: u64, number: u64, list: u64, part: u32, last: bool, here: Vec<Name> },
}

/// Who is on some other node now and was on none before, and the other way round.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub came: Vec<Name>,
    pub left: Vec<Name>,
}

/// A change that waits for the list it belongs on.
type Kept = (Vec<Name>, Vec<Name>);

#[derive(Debug, Default)]
struct Staged {
    number: u64,
    list: u64,
    next: u32,
    names: BTreeSet<Name>,
}

#[derive(Debug, Default)]
struct Peer {
    incarnation: Option<u64>,
    /// The last change that was taken in.
    number: u64,
    names: BTreeSet<Name>,
    complete: bool,
    /// This process's list was complete at some time.
    was_complete: bool,
    /// Some of its names found no room.
    too_many: bool,
    asked_at: Option<Timestamp>,
    staged: Option<Staged>,
    kept: BTreeMap<u64, Kept>,
}

impl Peer {
    fn doubt(&mut self) {
        self.complete = false;
        self.asked_at = None;
        self.staged = None;
    }

    fn keep(&mut self, number: u64, came: Vec<Name>, left: Vec<Name>) {
        if came.is_empty() && left.is_empty() {
            return;
        }
        self.kept.insert(number, (came, left));
        if self.kept.len() > MOST_KEPT {
            self.kept.pop_first();
        }
    }
}

/// The other nodes' people.
#[derive(Debug)]
pub struct Whereabouts {
    peers: BTreeMap<NodeId, Peer>,
    /// The live nodes were named once: before that, anybody may be anywhere.
    introduced: bool,
    places: HashMap<Name, SmallVec<[NodeId; 1]>>,
    most: usize,
    held: usize,
    /// Names that found no room, since the start.
    pub refused: u64,
}

impl Default for Whereabouts {
    fn default() -> Self {
        Self::with_room_for(MOST_NAMES)
    }
}

impl Whereabouts {
    fn with_room_for(most: usize) -> Self {
        Self { peers: BTreeMap::new(), introduced: false, places: HashMap::new(), most, held: 0, refused: 0 }
    }

    /// Takes in what `from` says.
    pub fn hear(&mut self, from: &NodeId, word: Word) -> Moved {
        let mut moved = Moved::default();
        if !self.peers.contains_key(from) && self.peers.len() >= MOST_NODES {
            return moved;
        }
        let (Word::Changed { incarnation, .. } | Word::Part { incarnation, .. }) = word;
        let known = self.peers.get(from).and_then(|peer| peer.incarnation);
        if known.is_some_and(|known| known != incarnation) {
            // Whoever was connected to the process before is not any more.
            moved = self.forget(from);
        }
        self.peers.entry(from.clone()).or_default().incarnation = Some(incarnation);
        match word {
            Word::Changed { number, came, left, .. } => self.changed(from, number, came, left, &mut moved),
            Word::Part { number, list, part, last, here, .. } => {
                self.part(from, (number, list, part, last), here, &mut moved);
            }
        }
        moved
    }

    fn changed(&mut self, from: &NodeId, number: u64, came: Vec<Name>, left: Vec<Name>, moved: &mut Moved) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        if number <= peer.number && peer.was_complete {
            return;
        }
        let says_number_only = came.is_empty() && left.is_empty();
        let follows = peer.complete && number == peer.number + 1 && !says_number_only;
        if follows {
            peer.number = number;
        } else {
            if peer.complete {
                peer.doubt();
            }
            peer.keep(number, came.clone(), left.clone());
        }
        self.take_in(from, came, left, moved);
    }

    fn part(
        &mut self,
        from: &NodeId,
        (number, list, part, last): (u64, u64, u32, bool),
        here: Vec<Name>,
        moved: &mut Moved,
    ) {
        let room = self.most.saturating_sub(self.held);
        let Some(peer) = self.peers.get_mut(from) else { return };
        if peer.complete && number <= peer.number {
            return;
        }
        if part == 0 {
            peer.staged = Some(Staged { number, list, ..Staged::default() });
            peer.too_many = false;
        }
        let Some(mut staged) = peer.staged.take().filter(|it| (it.list, it.next) == (list, part)) else {
            return;
        };
        staged.next += 1;
        for name in here {
            // Names that it had before have room already.
            if staged.names.len() < room + peer.names.len() {
                staged.names.insert(name);
            } else {
                peer.too_many = true;
                self.refused += 1;
            }
        }
        if last {
            self.told(from, staged, moved);
        } else {
            peer.staged = Some(staged);
        }
    }

    /// The whole list of `from` is there; what it said since comes on top.
    fn told(&mut self, from: &NodeId, staged: Staged, moved: &mut Moved) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        let left: Vec<Name> = peer.names.difference(&staged.names).cloned().collect();
        let came: Vec<Name> = staged.names.difference(&peer.names).cloned().collect();
        peer.number = staged.number;
        let mut on_top = Vec::new();
        peer.kept.retain(|number, _| *number > staged.number);
        while let Some(kept) = peer.kept.remove(&(peer.number + 1)) {
            peer.number += 1;
            on_top.push(kept);
        }
        peer.complete = peer.kept.is_empty();
        peer.was_complete |= peer.complete;
        self.take_in(from, came, left, moved);
        for (came, left) in on_top {
            self.take_in(from, came, left, moved);
        }
    }

    fn take_in(&mut self, at: &NodeId, came: Vec<Name>, left: Vec<Name>, moved: &mut Moved) {
        for name in left {
            self.remove(at, &name, moved);
        }
        for name in came {
            self.add(at, name, moved);
        }
    }

    fn add(&mut self, at: &NodeId, name: Name, moved: &mut Moved) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        if peer.names.contains(&name) {
            return;
        }
        if self.held >= self.most {
            peer.too_many = true;
            self.refused += 1;
            return;
        }
        self.held += 1;
        peer.names.insert(name.clone());
        let places = self.places.entry(name.clone()).or_default();
        places.push(at.clone());
        if places.len() == 1 {
            moved.came.push(name);
        }
    }

    fn remove(&mut self, at: &NodeId, name: &Name, moved: &mut Moved) {
        if self.peers.get_mut(at).is_some_and(|peer| peer.names.remove(name)) {
            self.held -= 1;
            self.leave(at, name, moved);
        }
    }

    fn leave(&mut self, at: &NodeId, name: &Name, moved: &mut Moved) {
        let Some(nodes) = self.places.get_mut(name) else { return };
        nodes.retain(|node| node != at);
        if nodes.is_empty() {
            self.places.remove(name);
            moved.left.push(name.clone());
        }
    }

    /// `live` are all other nodes of the desk, as the store has them: others are forgotten, new ones are asked.
    pub fn live(&mut self, live: &[NodeId]) -> Moved {
        self.introduced = true;
        let mut moved = Moved::default();
        let dead: Vec<NodeId> = self.peers.keys().filter(|node| !live.contains(node)).cloned().collect();
        for node in &dead {
            moved.left.append(&mut self.forget(node).left);
        }
        for node in live.iter().take(MOST_NODES) {
            self.peers.entry(node.clone()).or_default();
        }
        moved
    }

    /// `node` has left, or is dead: its people count as gone from now on.
    pub fn forget(&mut self, node: &NodeId) -> Moved {
        let mut moved = Moved::default();
        let Some(peer) = self.peers.remove(node) else { return moved };
        self.held -= peer.names.len();
        for name in &peer.names {
            self.leave(node, name, &mut moved);
        }
        moved
    }

    /// Something that `from` said was lost.
    pub fn lost(&mut self, from: &NodeId) {
        if let Some(peer) = self.peers.get_mut(from) {
            peer.doubt();
        }
    }

    /// Whatever the others said lately was lost.
    pub fn all_lost(&mut self) {
        self.peers.values_mut().for_each(Peer::doubt);
    }

    /// Nodes that are to be asked for their lists now; they count as asked.
    pub fn to_ask(&mut self, now: Timestamp) -> Vec<NodeId> {
        let mut ask = Vec::new();
        for (node, peer) in &mut self.peers {
            let waits = peer.asked_at.is_some_and(|asked| now.since_millis(asked) < ASK_AGAIN_MS);
            if !peer.complete && !waits {
                peer.asked_at = Some(now);
                ask.push(node.clone());
            }
        }
        ask
    }

    /// The nodes that `name` is connected to, as far as they have said.
    pub fn nodes_of(&self, name: &Name) -> &[NodeId] {
        self.places.get(name).map_or(&[], |nodes| nodes.as_slice())
    }

    /// Nodes whose list is not known: anybody may be there.
    pub fn in_doubt(&self) -> impl Iterator<Item = &NodeId> {
        self.peers.iter().filter(|(_, peer)| !peer.complete || peer.too_many).map(|(node, _)| node)
    }

    /// Every list is known up to now.
    pub fn knows_all(&self) -> bool {
        self.introduced && self.in_doubt().next().is_none()
    }

    /// Every list was known at some time.
    pub fn knew_all(&self) -> bool {
        self.introduced && self.peers.values().all(|peer| peer.was_complete)
    }

    /// Names on other nodes; somebody who is on two counts twice.
    pub const fn len(&self) -> usize {
        self.held
    }

    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }
}

#[cfg(test)]
#[path = "whereabouts_tests.rs"]
mod tests;
