//! What one connection may do now: pure, with time as an argument.
//!
//! Two small machines. `Pace` is a token bucket with a last straw: who keeps on after many refusals is cut off.
//! `Splice` joins history and live flow for each conversation, so that a resuming client sees rising, gap-free positions
//! (FO-1) without any server remembering it: live entries are held back while history is pulled, and history is pulled
//! until it has passed everything that was held back.

use crate::clock::Timestamp;
use crate::ident::{ConversationId, Seq};
use crate::planted::{Bug, is_planted};
use std::collections::BTreeMap;

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

/// What is to be done with a live entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is written now.
    Next,
    /// It was written, or history will bring it.
    Skip,
    /// Entries between `after` and this one have not come: history is to be pulled from there, and brings this one too.
    Gap { after: Seq },
}

/// Conversations whose flow is kept track of; others flow without being repaired.
const MOST_FLOWS: usize = 1_024;

/// Joins history and live flow.
#[derive(Debug, Default)]
pub struct Splice {
    flows: BTreeMap<ConversationId, Flow>,
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

    /// The flow of a conversation ends here, or begins anew with whatever entry comes next. One that is being pulled
    /// goes on to its end.
    pub fn begin_anew(&mut self, conversation: ConversationId) {
        if let Some(Flow::Live { .. }) = self.flows.get(&conversation) {
            self.flows.remove(&conversation);
        }
    }

    /// The conversations that flow now.
    pub fn flowing(&self) -> impl Iterator<Item = ConversationId> {
        self.flows.iter().filter(|(_, flow)| matches!(flow, Flow::Live { .. })).map(|(id, _)| *id)
    }

    pub fn knows(&self, conversation: ConversationId) -> bool {
        self.flows.contains_key(&conversation)
    }

    /// Whether nothing after `head` has come by.
    pub fn is_at(&self, conversation: ConversationId, head: Seq) -> bool {
        match self.flows.get(&conversation) {
            None => true,
            Some(Flow::Live { upto: last } | Flow::Pulling { held: last }) => *last <= head,
        }
    }

    /// The log goes on to `head`. Where entries up to there have not come, returns after which one history is to be
    /// pulled, and holds the live flow back until it has been.
    pub fn behind(&mut self, conversation: ConversationId, head: Seq) -> Option<Seq> {
        let flow = self.flows.get_mut(&conversation)?;
        match *flow {
            Flow::Live { upto } if upto < head => {
                *flow = Flow::Pulling { held: head };
                Some(upto)
            }
            Flow::Live { .. } | Flow::Pulling { .. } => None,
        }
    }

    /// The last entry that has come by, where the log ends before it at `head`, whatever its reader may see of it: either
    /// `head` is older than that entry, or the log has another history.
    pub fn beyond(&self, conversation: ConversationId, head: Seq) -> Option<Seq> {
        match self.flows.get(&conversation)? {
            Flow::Live { upto } if *upto > head => Some(*upto),
            Flow::Live { .. } | Flow::Pulling { .. } => None,
        }
    }

    /// What is to be done with a live entry; `prev` is the one before it that this recipient may see.
    pub fn live(&mut self, conversation: ConversationId, prev: Seq, seq: Seq) -> Fit {
        match self.flows.get_mut(&conversation) {
            None => {
                if self.flows.len() < MOST_FLOWS {
                    self.live_from(conversation, seq);
                }
                Fit::Next
            }
            Some(Flow::Pulling { held }) => {
                *held = seq.max(*held);
                Fit::Skip
            }
            Some(Flow::Live { upto }) if seq <= *upto => Fit::Skip,
            Some(Flow::Live { upto }) if prev <= *upto || is_planted(Bug::GapIgnored) => {
                *upto = seq;
                Fit::Next
            }
            Some(flow @ Flow::Live { .. }) => {
                let Flow::Live { upto: after } = *flow else { return Fit::Skip };
                *flow = Flow::Pulling { held: seq };
                Fit::Gap { after }
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
        assert_eq!(splice.live(conversation, 11, 12), Fit::Skip);
        assert!(!splice.caught_up(conversation, 10, 10), "entry 12 was held back, so the log goes on");
        assert!(splice.caught_up(conversation, 12, 12));
        assert_eq!(splice.live(conversation, 11, 12), Fit::Skip, "history has brought it");
        assert_eq!(splice.live(conversation, 12, 13), Fit::Next);
    }

    #[test]
    fn after_the_welcome_only_later_entries_flow() {
        let conversation = ConversationId::from_u128(1);
        let mut splice = Splice::default();
        splice.live_from(conversation, 7);
        assert_eq!(splice.live(conversation, 6, 7), Fit::Skip);
        assert_eq!(splice.live(conversation, 7, 8), Fit::Next);
        let later = ConversationId::from_u128(2);
        assert_eq!(splice.live(later, 0, 1), Fit::Next, "a conversation opened later flows whole");
        assert_eq!(splice.live(later, 3, 4), Fit::Gap { after: 1 }, "and is kept track of");
    }

    #[test]
    fn a_gap_in_the_live_flow_is_filled_by_history_before_it_goes_on() {
        let conversation = ConversationId::from_u128(1);
        let mut splice = Splice::default();
        splice.live_from(conversation, 7);
        assert_eq!(splice.live(conversation, 7, 9), Fit::Next, "8 is not for this view");
        assert_eq!(splice.live(conversation, 11, 12), Fit::Gap { after: 9 });
        assert_eq!(splice.live(conversation, 10, 11), Fit::Skip, "it comes late, and history brings it too");
        assert_eq!(splice.live(conversation, 12, 13), Fit::Skip);
        assert!(!splice.caught_up(conversation, 12, 12));
        assert!(splice.caught_up(conversation, 13, 13));
        assert_eq!(splice.live(conversation, 13, 14), Fit::Next);
    }

    #[test]
    fn a_flow_that_is_behind_its_log_is_pulled_once() {
        let (one, other) = (ConversationId::from_u128(1), ConversationId::from_u128(2));
        let mut splice = Splice::default();
        splice.live_from(one, 7);
        assert_eq!((splice.behind(one, 7), splice.behind(other, 7)), (None, None));
        assert_eq!(
            (splice.beyond(one, 7), splice.beyond(other, 7), splice.beyond(one, 6)),
            (None, None, Some(7))
        );
        assert_eq!(splice.behind(one, 9), Some(7));
        assert_eq!(splice.behind(one, 10), None, "it is being pulled");
        assert_eq!(splice.flowing().count(), 0);
        splice.begin_anew(one);
        assert!(!splice.caught_up(one, 8, 8), "what is being pulled goes on to its end");
        assert!(splice.caught_up(one, 9, 9));
        assert_eq!(splice.flowing().collect::<Vec<_>>(), [one]);
        splice.begin_anew(one);
        assert_eq!(splice.live(one, 20, 21), Fit::Next, "it begins with whatever comes next");
    }

    #[test]
    fn the_number_of_flows_that_are_kept_track_of_is_bounded() {
        let mut splice = Splice::default();
        let all = 0..MOST_FLOWS as u128 + 9;
        assert!(all.clone().all(|id| splice.live(ConversationId::from_u128(id), 0, 1) == Fit::Next));
        assert_eq!(splice.len(), MOST_FLOWS);
    }
}
