//! Says where a conversation belongs while the supervisor cannot be reached: by rules, hours and groups alone.
//!
//! It knows no queue, so no ceiling and no overflow hold; a conversation that lands in a full queue is moved by the
//! supervisor as soon as there is one again. Better than turning shoppers away for as long as a dead node's lease lasts.

use super::actor::placed;
use super::message::Place;
use crate::clock::Timestamp;
use crate::conversation::command::Landing;
use crate::desk::directory::Directory;
use crate::refusal::Refusal;
use crate::routing::{Engine, Input, Settings};
use parking_lot::Mutex;
use std::sync::Arc;

/// An engine that was told the configuration and nothing else.
pub(super) struct StandIn {
    settings: Settings,
    informed: Mutex<Option<(u64, Engine)>>,
}

impl StandIn {
    pub(super) const fn new(settings: Settings) -> Self {
        Self { settings, informed: Mutex::new(None) }
    }

    pub(super) fn place(
        &self,
        wish: &Place,
        directory: &Arc<Directory>,
        now: Timestamp,
    ) -> Result<Landing, Refusal> {
        let mut informed = self.informed.lock();
        if informed.as_ref().is_none_or(|(revision, _)| *revision != directory.revision) {
            *informed = Some((directory.revision, self.inform(directory, now)));
        }
        match informed.as_ref() {
            Some((_, engine)) => placed(engine, wish, now),
            None => Err(Refusal::unavailable("routing is not there yet; repeat it", 500)),
        }
    }

    fn inform(&self, directory: &Directory, now: Timestamp) -> Engine {
        let mut engine = Engine::new(self.settings.clone());
        let groups =
            directory.groups.values().map(|group| Input::GroupUpserted(Box::new(group.routing.clone())));
        let rules = std::iter::once(Input::RulesReplaced(directory.rules.clone()));
        let mut decisions = Vec::new();
        for input in groups.chain(rules) {
            if let Err(error) = engine.step(input, now, &mut decisions) {
                tracing::warn!(%error, "a part of the configuration cannot be used for placing");
            }
        }
        engine
    }
}
