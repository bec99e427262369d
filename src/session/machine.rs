//! What one connection may do now: pure, with time as an argument.
//!
//! Two small machines. `Pace` is a token bucket with a last straw: who keeps on after many refusals is cut off.
//! `Splice` joins history and live flow for each conversation, so that a resuming client sees rising, gap-free positions
//! (FO-1) without any server remembering it: live entries are held back while history is pulled, and history is pulled
//! until it has passed everything that was held back.

use crate::clock::Timestamp;
use crate::ident::{ConversationId, Seq};
use hashbrown::HashMap;

/// Refusals in one second beyond which a connection is closed with 4429.
const LAST_STRAW: u32 = 200;
const WINDOW_MS: u64 = 1_000;

/// A token bucket over frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    per_s: u64,
    burst_milli: u64,
    /// Thousandths of a frame that may be sent now.
    left_milli: u64,
    at: Timestamp,
    refused: u32,
    window_from: Timestamp,
}

/// Whether a frame may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    Pass,
    /// Refused; the next one may pass after this many milliseconds.
    Wait(u64),
    /// Too many refusals: close.
    CutOff,
}

impl Pace {
    pub fn new(per_s: u32, burst: u32, now: Timestamp) -> Self {
        let burst_milli = u64::from(burst.max(1)) * 1_000;
        Self {
            per_s: u64::from(per_s.max(1)),
            burst_milli,
            left_milli: burst_milli,
            at: now,
            refused: 0,
            window_from: now,
        }
    }

    pub fn frame(&mut self, now: Timestamp) -> Passage {
        let gained = now.since_millis(self.at).saturating_mul(self.per_s);
        self.left_milli = self.left_milli.saturating_add(gained).min(self.burst_milli);
        self.at = now;
        if self.left_milli >= 1_000 {
            self.left_milli -= 1_000;
            return Passage::Pass;
        }
        if now.since_millis(self.window_from) >= WINDOW_MS {
            self.window_from = now;
            self.refused = 0;
        }
        self.refused += 1;
        if self.refused > LAST_STRAW {
            return Passage::CutOff;
        }
        let missing = 1_000 - self.left_milli;
        Passage::Wait(missing.div_ceil(self.per_s).max(1))
    }
}

/// Where a conversation's flow to this connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Everything up to `upto` has been written or is the client's to fetch.
    Live { upto: Seq },
    /// History is being pulled; `held` is the highest position that was held back.
    Pulling { held: Seq },
}

/// Joins history and live flow.
#[derive(Debug, Default)]
pub struct Splice {
    flows: HashMap<ConversationId, Flow>,
}

impl Splice {
    /// Conversations whose flow is kept track of.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Entries after `head` flow from now on.
    pub fn live_from(&mut self, conversation: ConversationId, head: Seq) {
        self.flows.insert(conversation, Flow::Live { upto: head });
    }

    /// Holds the live flow back until history has caught up.
    pub fn pull(&mut self, conversation: ConversationId) {
        self.flows.insert(conversation, Flow::Pulling { held: 0 });
    }

    /// Whether a live entry is to be written now.
    pub fn live(&mut self, conversation: ConversationId, seq: Seq) -> bool {
        match self.flows.get_mut(&conversation) {
            None => true,
            Some(Flow::Pulling { held }) => {
                *held = seq.max(*held);
                false
            }
            Some(Flow::Live { upto }) => {
                let fresh = seq > *upto;
                *upto = seq.max(*upto);
                fresh
            }
        }
    }

    /// A page up to `scanned` has been written and the log's head was `head` in its snapshot. Returns true when the live
    /// flow goes on; false when another page is needed.
    pub fn caught_up(&mut self, conversation: ConversationId, scanned: Seq, head: Seq) -> bool {
        match self.flows.get(&conversation) {
            Some(Flow::Pulling { held }) if scanned < head.max(*held) => false,
            Some(Flow::Pulling { .. }) => {
                self.flows.insert(conversation, Flow::Live { upto: scanned });
                true
            }
            Some(Flow::Live { .. }) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(10_000);

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut pace = Pace::new(20, 3, T0);
        let passed = (0..5).filter(|_| pace.frame(T0) == Passage::Pass).count();
        assert_eq!(passed, 3);
        assert_eq!(pace.frame(T0), Passage::Wait(50));
        assert_eq!(pace.frame(T0.plus_millis(50)), Passage::Pass);
    }

    #[test]
    fn who_keeps_on_after_many_refusals_is_cut_off() {
        let mut pace = Pace::new(1, 1, T0);
        let outcomes: Vec<_> = (0..=LAST_STRAW + 1).map(|_| pace.frame(T0)).collect();
        assert_eq!(outcomes.first(), Some(&Passage::Pass));
        assert_eq!(outcomes.last(), Some(&Passage::CutOff));
    }

    #[test]
    fn live_entries_are_held_back_until_history_has_passed_them() {
        let conversation = ConversationId::from_u128(1);
        let mut splice = Splice::default();
        splice.pull(conversation);
        assert!(!splice.live(conversation, 12));
        assert!(!splice.caught_up(conversation, 10, 10), "entry 12 was held back, so the log goes on");
        assert!(splice.caught_up(conversation, 12, 12));
        assert!(!splice.live(conversation, 12), "history has brought it");
        assert!(splice.live(conversation, 13));
    }

    #[test]
    fn after_the_welcome_only_later_entries_flow() {
        let conversation = ConversationId::from_u128(1);
        let mut splice = Splice::default();
        splice.live_from(conversation, 7);
        assert!(!splice.live(conversation, 7));
        assert!(splice.live(conversation, 8));
        assert!(splice.live(ConversationId::from_u128(2), 1), "a conversation opened later flows whole");
    }
}
