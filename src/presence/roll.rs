//! The roll call: tells the other nodes who came and who left here, and keeps what they tell.
//!
//! Changes are gathered until `flush` is called or `CHANGES` of them wait. Only who has changed is noted, and whether
//! they are here is looked up when it is said: so the last change that is told is the truth, whichever thread came first.
//!
//! Refuses to wait for an answer: who has not told their list is asked again at a later `flush`.

use super::whereabouts::{Moved, Name, Whereabouts, Word};
use crate::clock::{Timestamp, fresh_uuid};
use crate::cluster::bus::{Bus, To};
use crate::ident::{AgentId, NodeId};
use crate::wire::node::{Item, Names, People, encode};
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes of one item; as many are told at once.
pub const CHANGES: usize = 256;
/// Names in one part of a whole list.
const NAMES_A_PART: usize = 2_000;
/// How often the number of the last change is said, so that a lost last change is noticed.
const SAY_NUMBER_MS: u64 = 5_000;

/// Who is connected to this node.
pub trait Here {
    fn is_here(&self, name: &Name) -> bool;
    fn all_here(&self) -> Vec<Name>;
}

/// Counters of the roll call, read by telemetry.
#[derive(Debug, Default)]
pub struct RollMeters {
    /// Whole lists that other nodes were asked for.
    pub lists_asked: AtomicU64,
    /// Whole lists that were told to others.
    pub lists_told: AtomicU64,
    /// Items with changes that were told to all.
    pub changes_told: AtomicU64,
}

#[derive(Debug, Default)]
struct Said {
    number: u64,
    /// Whole lists told.
    lists: u64,
    /// When the number alone was said; `None`: it is to be said at once.
    at: Option<Timestamp>,
}

/// What this node says of its people, and hears of others'.
pub struct Roll {
    bus: Arc<dyn Bus>,
    incarnation: u64,
    changed: Mutex<BTreeSet<Name>>,
    /// Held while something is said, so that numbers go out in their order.
    said: Mutex<Said>,
    others: RwLock<Whereabouts>,
    pub meters: RollMeters,
}

impl Roll {
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            bus,
            incarnation: fresh_uuid().as_u64_pair().1,
            changed: Mutex::default(),
            said: Mutex::default(),
            others: RwLock::default(),
            meters: RollMeters::default(),
        }
    }

    /// Somebody came or left. Returns true when so many wait that they are to be told now.
    pub fn note(&self, name: Name) -> bool {
        let mut changed = self.changed.lock();
        changed.insert(name);
        changed.len() >= CHANGES
    }

    /// Tells the others what has gathered, and asks those whose lists are not known.
    pub fn flush(&self, here: &dyn Here, now: Timestamp) {
        self.tell_changes(here);
        self.say_number(now);
        if self.others.read().knows_all() {
            return;
        }
        let ask = self.others.write().to_ask(now);
        for node in &ask {
            self.send(To::Node(node), People::Tell {});
            self.meters.lists_asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells the others who has come and left since the last time.
    pub fn tell_changes(&self, here: &dyn Here) {
        let mut said = self.said.lock();
        let changed = std::mem::take(&mut *self.changed.lock());
        let mut names = changed.into_iter().peekable();
        while names.peek().is_some() {
            let (came, left): (Vec<_>, Vec<_>) =
                names.by_ref().take(CHANGES).partition(|name| here.is_here(name));
            said.number += 1;
            self.say(said.number, came, left);
        }
    }

    fn say_number(&self, now: Timestamp) {
        let mut said = self.said.lock();
        if said.at.is_none_or(|at| now.since_millis(at) >= SAY_NUMBER_MS) {
            said.at = Some(now);
            self.say(said.number, Vec::new(), Vec::new());
        }
    }

    fn say(&self, number: u64, came: Vec<Name>, left: Vec<Name>) {
        let changed = People::Changed {
            incarnation: self.incarnation,
            number,
            came: Names::from_iter(came),
            left: Names::from_iter(left),
        };
        self.send(To::Everybody, changed);
        self.meters.changes_told.fetch_add(1, Ordering::Relaxed);
    }

    /// A change that the bus drops is missed by its number, and a question or a list that it drops is asked for again.
    fn send(&self, to: To<'_>, people: People) {
        let sent = encode(&Item::People(people)).map(|line| self.bus.send(to, line));
        if !matches!(sent, Ok(true)) {
            tracing::debug!(?to, ?sent, "what was said of people was dropped");
        }
    }

    /// Takes in what another node says, or tells it the list that it asks for.
    pub fn hear(&self, from: &NodeId, people: People, here: &dyn Here) -> Moved {
        let word = match people {
            People::Tell {} => {
                self.tell_all(from, here);
                return Moved::default();
            }
            People::Changed { incarnation, number, came, left } => {
                Word::Changed { incarnation, number, came: came.into(), left: left.into() }
            }
            People::Part { incarnation, number, list, part, last, here } => {
                Word::Part { incarnation, number, list, part, last, here: here.into() }
            }
        };
        self.others.write().hear(from, word)
    }

    fn tell_all(&self, to: &NodeId, here: &dyn Here) {
        let mut said = self.said.lock();
        said.lists += 1;
        let all = here.all_here();
        let mut parts = all.chunks(NAMES_A_PART).map(|part| part.iter().cloned().collect::<Names>());
        let count = all.len().div_ceil(NAMES_A_PART).max(1);
        for part in 0..count {
            let part_of = People::Part {
                incarnation: self.incarnation,
                number: said.number,
                list: said.lists,
                part: u32::try_from(part).unwrap_or(u32::MAX),
                last: part + 1 == count,
                here: parts.next().unwrap_or_default(),
            };
            self.send(To::Node(to), part_of);
        }
        self.meters.lists_told.fetch_add(1, Ordering::Relaxed);
    }

    /// As `Whereabouts::live`.
    pub fn live(&self, nodes: &[NodeId]) -> Moved {
        self.others.write().live(nodes)
    }

    /// Something that `from` said was lost.
    pub fn lost(&self, from: &NodeId) {
        self.others.write().lost(from);
    }

    /// The bus carries again: every list is asked for again, and the others hear what they have missed.
    pub fn resumed(&self) {
        self.others.write().all_lost();
        self.said.lock().at = None;
    }

    /// The nodes that one of `names` may be connected to: where they were said to be, and those whose lists are not
    /// known. Each once.
    pub fn nodes_of(&self, names: &[Name]) -> SmallVec<[NodeId; 2]> {
        let others = self.others.read();
        let mut nodes: SmallVec<[NodeId; 2]> = others.in_doubt().cloned().collect();
        for node in names.iter().flat_map(|name| others.nodes_of(name)) {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    /// Whether somebody counts as gone from every other node; nobody does while the bus does not carry.
    pub fn is_gone(&self, name: &Name) -> bool {
        let others = self.others.read();
        self.bus.carries() && others.nodes_of(name).is_empty() && others.knows_all()
    }

    /// Whether an agent is connected to another node, as far as was last known; where a list was never known, they may
    /// be.
    pub fn may_be_connected(&self, agent: AgentId) -> bool {
        let others = self.others.read();
        !others.nodes_of(&Name::Agent(agent)).is_empty() || !others.knew_all()
    }

    /// Whether every other node's list is known up to now.
    pub fn knows_all(&self) -> bool {
        self.others.read().knows_all()
    }

    /// Names known of other nodes, and how many found no room since the start.
    pub fn known(&self) -> (usize, u64) {
        let others = self.others.read();
        (others.len(), others.refused)
    }
}
