//! What the supervisor keeps in mind beside the engine: absences to be looked at, and returning visitors who are awaited.
//!
//! Pure. A moment that comes is only a question; whether the visitor is back is asked then.

use crate::clock::Timestamp;
use crate::ident::ConversationId;
use crate::routing::Wanted;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;

/// Moments at which absences are looked at, one for each conversation.
#[derive(Debug, Default)]
pub(super) struct AbsenceWatch {
    due: BTreeSet<(Timestamp, ConversationId)>,
    watched: HashSet<ConversationId>,
}

impl AbsenceWatch {
    pub(super) fn at(&mut self, when: Timestamp, conversation: ConversationId) {
        if self.watched.insert(conversation) {
            self.due.insert((when, conversation));
        }
    }

    /// Takes the conversations whose moment has come.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<ConversationId> {
        let later = self.due.split_off(&(now.plus_millis(1), ConversationId::from_u128(0)));
        let due = std::mem::replace(&mut self.due, later);
        let due: Vec<_> = due.into_iter().map(|(_, conversation)| conversation).collect();
        due.iter().for_each(|conversation| _ = self.watched.remove(conversation));
        due
    }
}

/// Openings whose visitor comes back to an agent, between the question of where they belong and their arrival.
#[derive(Debug, Default)]
pub(super) struct Returning {
    expected: HashMap<ConversationId, Wanted>,
}

/// Openings that were asked about and never came are forgotten all at once past this many: only a preference is lost.
const MOST_RETURNING: usize = 10_000;

impl Returning {
    pub(super) fn expect(&mut self, conversation: ConversationId, wanted: Wanted) {
        if self.expected.len() >= MOST_RETURNING {
            self.expected.clear();
        }
        self.expected.insert(conversation, wanted);
    }

    pub(super) fn take(&mut self, conversation: ConversationId) -> Option<Wanted> {
        self.expected.remove(&conversation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_taken_once() {
        let mut watch = AbsenceWatch::default();
        let (a, b) = (ConversationId::from_u128(1), ConversationId::from_u128(2));
        watch.at(Timestamp::from_millis(10), a);
        watch.at(Timestamp::from_millis(20), b);
        watch.at(Timestamp::from_millis(15), b);
        assert_eq!(watch.due(Timestamp::from_millis(10)), vec![a]);
        assert_eq!(watch.due(Timestamp::from_millis(10)), vec![]);
        assert_eq!(watch.due(Timestamp::from_millis(99)), vec![b]);
    }
}
