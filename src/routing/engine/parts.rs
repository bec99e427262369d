//! What brought a waiting conversation forward: cheap enough to be asked for with each decision, so that it can be kept
//! with the assignment. Why each agent was not taken is the explanation's business.

use super::Engine;
use crate::ident::{ConversationId, RuleId};
use crate::routing::score::GroupFact;

impl Engine {
    /// The matching rules and what each adds, in seconds, before the clamp; empty where it has no head start, or does not
    /// wait.
    pub fn head_start_parts(&self, conversation: &ConversationId) -> Vec<(RuleId, u64)> {
        let item = self.items.find(conversation).and_then(|slot| self.items.get(slot));
        let Some(item) = item.filter(|item| item.head_start_ms > 0) else { return Vec::new() };
        let Some(queue) = self.queues.get(item.queue) else { return Vec::new() };
        let fact = GroupFact { group: &queue.group.id, trusted: true };
        self.rules.parts(&item.arrival.facts, Some(fact))
    }
}
