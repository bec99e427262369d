//! Whether routing would take something, found out before it is stored: routing itself is asked, on a trial desk.

use super::Administration;
use crate::clock::Timestamp;
use crate::desk::directory;
use crate::refusal::Refusal;
use crate::routing::{Engine, Input, Settings};
use crate::wire::rest::GroupResource;

impl Administration {
    /// Gives `input` to an engine that knows `groups` and nothing else.
    ///
    /// # Errors
    /// `bad_frame` with routing's reason.
    pub(super) fn try_in_routing(&self, groups: &[GroupResource], input: Input) -> Result<(), Refusal> {
        let mut engine = Engine::new(Settings::new(self.settings.routing.default_group.clone()));
        let groups = groups
            .iter()
            .filter_map(|group| directory::group(group.clone()).ok())
            .map(|group| Input::GroupUpserted(Box::new(group.routing)));
        let mut decisions = Vec::new();
        // A stored group that routing no longer takes is not this change's fault.
        for group in groups {
            if let Err(error) = engine.step(group, Timestamp::default(), &mut decisions) {
                tracing::warn!(%error, "routing does not take a stored group");
            }
        }
        engine
            .step(input, Timestamp::default(), &mut decisions)
            .map_err(|error| Refusal::bad_frame(error.to_string()))
    }
}
