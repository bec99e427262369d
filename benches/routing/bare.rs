//! The scan in its own favour: skills are bits, seats a number; no names, groups, rules or presence to look at.

use crate::naive::Hand;
use rushdesk::ident::ConversationId;

/// An agent of four numbers; a conversation is the number of the skill that it needs.
#[derive(Debug, Clone)]
pub(crate) struct BareHand {
    pub(crate) skills: u32,
    pub(crate) free: u32,
    pub(crate) idle_since_ms: u64,
}

impl Hand for BareHand {
    type Waiter = u32;

    fn can_serve(&self, skill: &u32) -> bool {
        self.skills >> skill & 1 == 1
    }

    fn free_seats(&self) -> u32 {
        self.free
    }

    fn idle_since_ms(&self) -> u64 {
        self.idle_since_ms
    }

    fn take(&mut self, _: ConversationId, now_ms: u64) {
        self.free -= 1;
        self.idle_since_ms = now_ms;
    }

    fn give_back(&mut self, _: ConversationId, now_ms: u64) {
        self.free += 1;
        self.idle_since_ms = now_ms;
    }
}
