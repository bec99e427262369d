//! What was taken in of other nodes, so that a command is never carried out before one that its asker sent earlier. Pure:
//! time is an argument.
//!
//! A bus may lose one item and carry the next, and a slot may come to this node between two. So a command names the
//! latest one of its conversation that its asker still waits for, and is sent back where that one was not taken in here:
//! it is asked again in its order (JR-2).
//!
//! Refuses to remember for longer than an asker waits, and more than so many.

use super::Request;
use super::under_way::ANSWER_WITHIN_MS;
use crate::clock::Timestamp;
use crate::ident::{ConversationId, NodeId};
use std::collections::BTreeMap;

/// Entries after which the older ones are forgotten early; who follows them is asked again, later than needed.
const MOST: usize = 65_536;
/// How long at least an entry is kept.
const KEPT_MS: u64 = 2 * ANSWER_WITHIN_MS;

/// Numbers of one process of an asker are closer together than this; those of another begin elsewhere.
const OF_ONE_PROCESS: u64 = 1 << 32;

type Last = BTreeMap<(ConversationId, NodeId), Request>;

/// The last command of each conversation and asker.
#[derive(Debug, Default)]
pub(super) struct TakenIn {
    young: Last,
    old: Last,
    turned_at: Timestamp,
}

impl TakenIn {
    /// Whether a command that follows `after` may be carried out now.
    pub(super) fn is_next(
        &self,
        conversation: ConversationId,
        from: &NodeId,
        after: Option<Request>,
    ) -> bool {
        let own = (conversation, from.clone());
        let last = self.young.get(&own).or_else(|| self.old.get(&own)).copied();
        // Each was taken in behind the one that it follows, so a later one stands for all before it.
        let came = |after: Request| {
            last.and_then(|last| last.checked_sub(after)).is_some_and(|past| past < OF_ONE_PROCESS)
        };
        after.is_none_or(came)
    }

    /// A command was handed to its conversation.
    pub(super) fn note(
        &mut self,
        conversation: ConversationId,
        from: &NodeId,
        request: Request,
        now: Timestamp,
    ) {
        if now.since_millis(self.turned_at) >= KEPT_MS || self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
        self.young.insert((conversation, from.clone()), request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_next_where_the_one_before_it_was_taken_in() {
        let (conversation, node) = (ConversationId::from_u128(1), NodeId::new("a").unwrap());
        let (other, at) = (NodeId::new("b").unwrap(), Timestamp::from_millis);
        let mut taken = TakenIn::default();
        assert!(taken.is_next(conversation, &node, None) && !taken.is_next(conversation, &node, Some(7)));
        taken.note(conversation, &node, 7, at(10_000));
        assert!(taken.is_next(conversation, &node, Some(7)) && !taken.is_next(conversation, &node, Some(8)));
        assert!(taken.is_next(conversation, &node, Some(6)), "7 came behind it");
        taken.note(conversation, &node, 7 + OF_ONE_PROCESS, at(10_000));
        assert!(!taken.is_next(conversation, &node, Some(7)), "its asker has started anew");
        taken.note(conversation, &node, 7, at(10_000));
        assert!(!taken.is_next(conversation, &other, Some(7)), "numbers are each node's own");
        taken.note(ConversationId::from_u128(2), &node, 8, at(10_000 + KEPT_MS));
        assert!(taken.is_next(conversation, &node, Some(7)), "its asker may still wait");
        taken.note(ConversationId::from_u128(2), &node, 9, at(10_000 + 2 * KEPT_MS));
        assert!(!taken.is_next(conversation, &node, Some(7)), "nobody waits for so long");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (node, mut taken) = (NodeId::new("a").unwrap(), TakenIn::default());
        for number in 0..3 * MOST as u64 {
            taken.note(ConversationId::from_u128(number.into()), &node, number, Timestamp::from_millis(1));
        }
        assert!(taken.young.len() + taken.old.len() <= 2 * MOST);
        let last = 3 * MOST as u64 - 1;
        assert!(taken.is_next(ConversationId::from_u128(last.into()), &node, Some(last)));
    }
}
