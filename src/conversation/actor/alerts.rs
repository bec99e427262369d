//! The visitor's present wait for an answer, watched so that the desk is alerted before the visitor is lost.
//!
//! Refuses to outlive the actor: an alert is a hint, and a conversation at rest has nobody waiting in it.

use super::ConversationActor;
use crate::clock::Timestamp;
use crate::conversation::state::Phase;
use crate::fanout::announce;
use actix::{AsyncContext, Context};
use std::time::Duration;

impl ConversationActor {
    /// Watches the visitor's present wait for an answer, and stops watching one that is over.
    pub(super) fn watch_reply(&mut self, context: &mut Context<Self>) {
        let waits_since = self
            .owner
            .state()
            .filter(|state| state.phase == Phase::Active)
            .and_then(|state| Some(state.unanswered_since?.max(self.assigned_at)));
        if self.watched.as_ref().map(|(since, _)| *since) == waits_since {
            return;
        }
        if let Some((_, timer)) = self.watched.take() {
            context.cancel_future(timer);
        }
        if let Some(since) = waits_since {
            self.alert_later(since, 0, context);
        }
    }

    fn alert_later(&mut self, since: Timestamp, level: usize, context: &mut Context<Self>) {
        let Some(target_ms) = self.surroundings.slow_reply_ms.get(level).copied() else { return };
        let wait_ms = since.plus_millis(target_ms).since_millis(self.surroundings.clock.now());
        let timer = context.run_later(Duration::from_millis(wait_ms), move |actor, context| {
            actor.alert(since, target_ms, level);
            actor.alert_later(since, level + 1, context);
        });
        self.watched = Some((since, timer));
    }

    fn alert(&self, since: Timestamp, target_ms: u64, level: usize) {
        let Some(state) = self.owner.state() else { return };
        let waited_ms = self.surroundings.clock.now().since_millis(since);
        announce::slow_reply(&self.surroundings.hub, state, level, waited_ms, target_ms);
    }
}
