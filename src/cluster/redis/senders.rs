//! What was last heard of each sender: so that a lost batch is noticed and a repeated one is not taken twice. Pure.
//!
//! Refuses to know what is in a batch.

use crate::ident::NodeId;
use std::collections::BTreeMap;

/// Senders that are remembered; beyond them the one that was silent for longest is forgotten. Far more than a cluster has
/// nodes, so that only a stranger who makes up names gets there.
const REMEMBERED: usize = 1_024;

/// Where a batch stands among those of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The next one, or the first that is heard.
    Next,
    /// Some before it were lost.
    AfterGap,
    /// It was taken already.
    Repeated,
}

#[derive(Debug)]
struct Last {
    incarnation: String,
    n: u64,
    /// The turn in which it was heard.
    turn: u64,
}

/// The numbers last heard on one channel.
#[derive(Debug, Default)]
pub(super) struct Senders {
    last: BTreeMap<NodeId, Last>,
    turn: u64,
}

impl Senders {
    /// Notes batch `n` of `from`. A sender's new incarnation starts anew: whatever its old one said is past.
    pub(super) fn place(&mut self, from: &NodeId, incarnation: &str, n: u64) -> Place {
        self.turn = self.turn.wrapping_add(1);
        if let Some(last) = self.last.get_mut(from) {
            last.turn = self.turn;
            if last.incarnation == incarnation {
                if n <= last.n {
                    return Place::Repeated;
                }
                let is_next = n - last.n == 1;
                last.n = n;
                return if is_next { Place::Next } else { Place::AfterGap };
            }
            incarnation.clone_into(&mut last.incarnation);
            last.n = n;
            return Place::Next;
        }
        if self.last.len() >= REMEMBERED {
            self.forget_the_most_silent();
        }
        let last = Last { incarnation: incarnation.to_owned(), n, turn: self.turn };
        self.last.insert(from.clone(), last);
        Place::Next
    }

    fn forget_the_most_silent(&mut self) {
        let silent = self.last.iter().min_by_key(|(_, last)| last.turn).map(|(from, _)| from.clone());
        if let Some(from) = silent {
            self.last.remove(&from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    #[test]
    fn a_gap_is_noticed_and_a_repetition_is_not_taken_twice() {
        let mut senders = Senders::default();
        let places: Vec<Place> = [5, 6, 6, 9, 7, 10].map(|n| senders.place(&node("a"), "one", n)).into();
        use Place::{AfterGap, Next, Repeated};
        assert_eq!(places, [Next, Next, Repeated, AfterGap, Repeated, Next]);
        assert_eq!(senders.place(&node("b"), "one", 1), Next, "each sender has numbers of its own");
    }

    #[test]
    fn a_new_incarnation_starts_anew() {
        let mut senders = Senders::default();
        senders.place(&node("a"), "one", 50);
        assert_eq!(senders.place(&node("a"), "two", 1), Place::Next);
        assert_eq!(senders.place(&node("a"), "two", 3), Place::AfterGap);
    }

    #[test]
    fn strangers_names_do_not_pile_up_and_push_out_the_silent_first() {
        let mut senders = Senders::default();
        senders.place(&node("busy"), "one", 1);
        for stranger in 0..3 * REMEMBERED as u64 {
            senders.place(&node(&format!("stranger-{stranger}")), "one", 1);
            assert_eq!(senders.place(&node("busy"), "one", stranger + 2), Place::Next);
        }
        assert_eq!(senders.last.len(), REMEMBERED);
        assert_eq!(senders.place(&node("busy"), "one", 1), Place::Repeated);
    }
}
