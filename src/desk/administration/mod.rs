//! Changing the configuration: documents are checked, put into the store, and in force at once.
//!
//! The store's documents are the truth; a `Directory` is made of all of them after each change, whoever made it (this
//! process, another one, the command line: `revision` tells). Blocking: callers on an arbiter use a blocking thread.

mod bootstrap;

pub use bootstrap::{FirstStart, bootstrap};

use super::Desk;
use super::directory::record::kind;
use super::directory::{Defaults, Defect, Directory, Documents};
use crate::journal::{AgentChange, Done, Op};
use crate::store::{Store, StoreError};
use crate::supervisor::actor::Reconfigured;
use crate::wire::close::CloseCode;
use std::sync::Arc;

/// Documents read at once.
const PAGE: u32 = 500;
/// The kinds that make a directory.
const DIRECTORY_KINDS: [&str; 4] = [kind::GROUP, kind::AGENT, kind::RULE, kind::CHANNEL];

/// Reads the configuration and puts it in force.
pub struct Administration {
    pub store: Arc<dyn Store>,
    pub defaults: Defaults,
}

impl Administration {
    /// The configuration as the store has it now, with the revision that it stands at.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(&self) -> Result<(Directory, u64), StoreError> {
        // Before the documents: a change that comes between makes another round and is not missed.
        let revision = self.store.revision()?;
        let (directory, defects) = Directory::read(&self.documents()?, self.defaults);
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
    /// Puts a configuration in force: for new openings, for routing, for capacities, and for who is signed in.
    pub fn adopt(&self, directory: Directory) {
        let directory = Arc::new(directory);
        let before = std::mem::replace(&mut *self.directory.write(), directory.clone());
        for agent in directory.agents.values() {
            let capacity = if agent.disabled { 0 } else { agent.routing.capacity };
            if self.agents.seats(agent.id).is_none_or(|seats| seats.capacity != capacity) {
                self.set_capacity(agent.id, capacity);
            }
            let revoked = before.agent(agent.id).is_some_and(|old| old.token_version != agent.token_version);
            if agent.disabled || revoked {
                self.hub.close_agent(agent.id, CloseCode::NotSignedIn);
            }
        }
        if self.supervisor.tell(Reconfigured(directory)).is_err() {
            tracing::error!(
                "routing could not be told of the new configuration; it is told again with the next change"
            );
        }
    }

    fn set_capacity(&self, agent: crate::ident::AgentId, capacity: u32) {
        let agents = self.agents.clone();
        let op = Op::Agent { agent, change: AgentChange::Capacity(capacity) };
        let reply = Box::new(move |done| match done {
            Done::Agent(seats) => agents.note(seats),
            other => tracing::error!(?agent, ?other, "an agent's capacity could not be written"),
        });
        if self.journal.submit(op, reply).is_err() {
            tracing::error!(?agent, "an agent's capacity could not be written: the store is busy");
        }
    }
}
