//! Changing the configuration: documents are checked, put into the store, and in force at once.
//!
//! The store's documents are the truth; a `Directory` is made of all of them after each change, whoever made it (this
//! process, another one, the command line: `revision` tells). Blocking: callers on an arbiter use a blocking thread.

pub mod agents;
mod bootstrap;
mod channels;
pub mod document;
mod domains;
mod groups;
mod ladder;
mod rules;
mod shelf;
mod trial;

pub use bootstrap::{FirstStart, bootstrap};
pub use document::{Editor, Kept};
pub use shelf::Webhook;

use super::Desk;
use super::directory::record::kind;
use super::directory::{AgentProfile, Defaults, Defect, Directory, Documents};
use crate::agent::actor::SetPresence;
use crate::ident::AgentId;
use crate::journal::{AgentChange, Done, Op, Presence};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::supervisor::actor::Reconfigured;
use crate::wire::close::CloseCode;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// Documents read at once.
const PAGE: u32 = 500;
/// The kinds that make a directory.
const DIRECTORY_KINDS: [&str; 5] = [kind::GROUP, kind::AGENT, kind::RULE, kind::CHANNEL, kind::LADDER];

/// Whether documents of this kind make the configuration that a `Directory` holds.
pub fn is_configuration(kind: &str) -> bool {
    DIRECTORY_KINDS.contains(&kind)
}

/// Changes the configuration, reads it, and puts it in force.
pub struct Administration {
    pub store: Arc<dyn Store>,
    pub defaults: Defaults,
    pub settings: Arc<Settings>,
    /// Changes of this process take turns, so that what one checked still holds when it writes.
    turn: Mutex<()>,
    tell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Administration {
    pub fn new(store: Arc<dyn Store>, settings: Arc<Settings>, defaults: Defaults) -> Self {
        Self { store, defaults, settings, turn: Mutex::new(()), tell: OnceLock::new() }
    }

    /// How other nodes hear that something has changed; they find out by themselves within a second otherwise. Only the
    /// first call counts.
    pub fn tell_others_by(&self, tell: Box<dyn Fn() + Send + Sync>) {
        if self.tell.set(tell).is_err() {
            tracing::debug!("other nodes are told of changes already");
        }
    }

    /// Something was changed: other nodes shall look.
    pub fn tell_others(&self) {
        if let Some(tell) = self.tell.get() {
            tell();
        }
    }

    /// Makes a change and puts it in force before it answers.
    ///
    /// # Errors
    /// What `change` refuses; `unavailable` where the store cannot be read after it.
    pub fn apply<T>(
        &self,
        desk: &Desk,
        change: impl FnOnce(&Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let _turn = self.turn.lock();
        let changed = change(self)?;
        let (directory, _) = self.read().map_err(document::refused)?;
        desk.adopt(directory);
        self.tell_others();
        Ok(changed)
    }

    /// The configuration as the store has it now, with the revision that it stands at.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(&self) -> Result<(Directory, u64), StoreError> {
        // Before the documents: a change that comes between makes another round and is not missed.
        let revision = self.store.revision()?;
        let (mut directory, defects) = Directory::read(&self.documents()?, self.defaults);
        directory.revision = revision;
        for defect in &defects {
            report(defect);
        }
        Ok((directory, revision))
    }

    fn documents(&self) -> Result<Documents, StoreError> {
        let mut documents = Documents::new();
        for kind in DIRECTORY_KINDS {
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(kind, after.as_deref(), PAGE)?;
                let last = page.last().map(|document| document.id.clone());
                let whole = page.len() >= PAGE as usize;
                documents.extend(
                    page.into_iter().map(|document| (document.kind, document.id, document.body.to_string())),
                );
                after = last;
                if !whole {
                    break;
                }
            }
        }
        Ok(documents)
    }
}

fn report(defect: &Defect) {
    tracing::error!(
        kind = defect.kind,
        id = defect.id,
        reason = defect.reason,
        "a document of the configuration cannot be used"
    );
}

impl Desk {
    /// Puts a configuration in force: for new openings, for routing, for capacities, and for who is signed in. One that
    /// is older than what is in force changes nothing: two readers may come here in either order.
    pub fn adopt(&self, directory: Directory) {
        let directory = Arc::new(directory);
        let before = {
            let mut current = self.directory.write();
            if current.revision > directory.revision {
                return;
            }
            // Routing is told under the same lock, so that it hears of configurations in their order.
            self.tell_routing(&directory);
            std::mem::replace(&mut *current, directory.clone())
        };
        self.settle_domains(&before, &directory);
        self.settle_capacities(&directory);
        for agent in directory.agents.values() {
            let old = before.agent(agent.id);
            if agent.disabled && old.is_some_and(|old| !old.disabled) {
                self.send_home(agent.id);
            } else if old.is_some_and(|old| old.token_version != agent.token_version) {
                self.hub.close_agent(agent.id, CloseCode::NotSignedIn);
            }
        }
        for gone in before.agents.keys().filter(|agent| directory.agent(**agent).is_none()) {
            self.set_capacity(*gone, 0);
            self.send_home(*gone);
        }
    }

    /// Repeats what a busy store or a busy supervisor did not take when the configuration came into force.
    pub fn adopt_the_rest(&self) {
        let directory = self.directory();
        if self.routing_untold.load(Ordering::Relaxed) {
            self.tell_routing(&directory);
        }
        self.settle_capacities(&directory);
    }

    /// Starts the supervisors of new domains, and has agents who serve another domain now say so there.
    fn settle_domains(&self, before: &Directory, directory: &Directory) {
        if before.domains != directory.domains {
            self.supervisor.settle();
        }
        let moved =
            |agent: &AgentProfile| before.agent(agent.id).is_some_and(|before| before.domain != agent.domain);
        if directory.agents.values().any(moved) {
            self.agents.tell_availability();
        }
    }

    fn tell_routing(&self, directory: &Arc<Directory>) {
        // One on another node reads the configuration there, and one that begins here begins with what is in force.
        let untold = !self.supervisor.tell_all_here(|| Reconfigured(directory.clone()));
        if untold {
            tracing::warn!("routing is too busy to hear of the new configuration; it is told again");
        }
        self.routing_untold.store(untold, Ordering::Relaxed);
    }

    fn settle_capacities(&self, directory: &Directory) {
        for agent in directory.agents.values() {
            let capacity = if agent.disabled { 0 } else { agent.routing.capacity };
            if self.agents.seats(agent.id).is_none_or(|seats| seats.capacity != capacity) {
                self.set_capacity(agent.id, capacity);
            }
        }
    }

    /// Signs an agent out everywhere; what they hold goes back to its queues.
    fn send_home(&self, agent: AgentId) {
        let wish = SetPresence {
            presence: Presence::Offline,
            reason: "administrator".into(),
            after_current: false,
            answer: Box::new(move |outcome| {
                if let Err(refusal) = outcome {
                    tracing::error!(?agent, %refusal, "an agent could not be set offline");
                }
            }),
        };
        if self.agents.tell(agent, wish).is_err() {
            tracing::error!(?agent, "an agent could not be set offline: too much is under way for them");
        }
        self.hub.close_agent(agent, CloseCode::NotSignedIn);
    }

    fn set_capacity(&self, agent: AgentId, capacity: u32) {
        let agents = self.agents.clone();
        let op = Op::Agent { agent, change: AgentChange::Capacity(capacity) };
        let reply = Box::new(move |done| match done {
            Done::Agent(seats) => agents.note(seats),
            other => tracing::error!(?agent, ?other, "an agent's capacity could not be written"),
        });
        if self.journal.submit(op, reply).is_err() {
            tracing::warn!(?agent, "an agent's capacity waits to be written: the store is busy");
        }
    }
}
