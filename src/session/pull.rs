//! History on its way to one connection: page by page, one at a time, only while the socket takes it.
//!
//! Pure bookkeeping. One question at a time stands at the store for each connection: the next one follows when the
//! answer has been written, so a slow reader holds one page and not a whole history, and a `hello` with many positions
//! takes no more of the readers' queue than one with none. Both a `fetch` and the resume of a position are pulls.

use super::machine::Splice;
use crate::conversation::event::View;
use crate::ident::{ConversationId, Seq};
use std::collections::VecDeque;
use std::sync::Arc;

/// Entries of one page; with the largest texts it is half a megabyte.
pub(super) const PAGE: u32 = 50;
/// Pulls that may wait on one connection: all positions of a `hello` and some fetches.
pub(super) const MOST_PULLS: usize = 512;

/// Why history is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The client asked for it; the live flow goes on beside it.
    Fetch,
    /// The client goes on from a position: the live flow waits for it.
    Resume,
    /// The live flow did not bring everything: it waits, and the client hears of nothing but the entries.
    Repair,
}

impl Purpose {
    /// Whether the live flow waits.
    pub(super) const fn joins_the_flow(self) -> bool {
        matches!(self, Self::Resume | Self::Repair)
    }
}

/// One pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pull {
    pub(super) re: Arc<str>,
    pub(super) conversation: ConversationId,
    pub(super) view: View,
    /// The last entry that the client holds or has been sent.
    pub(super) after: Seq,
    /// The last entry that was looked at, whether this view sees it or not.
    pub(super) scanned: Seq,
    /// Entries that may still be sent.
    pub(super) left: u32,
    pub(super) purpose: Purpose,
    /// The client may read it: that was found out, and pages are asked for.
    pub(super) opened: bool,
}

/// The pulls of one connection, in their order.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    waiting: VecDeque<Pull>,
    under_way: bool,
}

impl Pulls {
    /// Adds a pull; it comes back when too many wait.
    pub(super) fn add(&mut self, pull: Pull) -> Result<(), Pull> {
        if self.waiting.len() >= MOST_PULLS {
            return Err(pull);
        }
        self.waiting.push_back(pull);
        Ok(())
    }

    /// The pull that is to be gone on with now, unless one is under way.
    pub(super) fn next(&mut self) -> Option<Pull> {
        if self.under_way {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.under_way = true;
        Some(next)
    }

    /// The pull under way has been answered; `again` goes on with its next page.
    pub(super) fn done(&mut self, again: Option<Pull>) {
        self.under_way = false;
        if let Some(pull) = again {
            self.waiting.push_front(pull);
        }
    }
}

impl Pull {
    /// Entries to ask for in the next page.
    pub(super) fn page_limit(&self) -> u32 {
        self.left.clamp(1, PAGE)
    }

    /// Ends it with a refusal. Returns the request that the refusal answers.
    ///
    /// Only a resume holds the live flow back, so only its end lets it go on: a fetch that fails leaves a resume of the
    /// same conversation as it is (FO-1), and leaves no trace of what the client named (MB-1). The `hello` of a resume
    /// has had its one answer, the welcome.
    pub(super) fn given_up(&self, splice: &mut Splice) -> Option<&str> {
        if self.purpose.joins_the_flow() {
            splice.live_from(self.conversation, self.scanned);
            return None;
        }
        Some(&self.re)
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Fit;
    use super::*;

    fn pull(after: Seq) -> Pull {
        Pull {
            re: "r".into(),
            conversation: ConversationId::from_u128(1),
            view: View::Visitor,
            after,
            scanned: after,
            left: 200,
            purpose: Purpose::Fetch,
            opened: true,
        }
    }

    #[test]
    fn a_fetch_that_fails_leaves_the_flow_as_it_is_and_is_answered() {
        let mut splice = Splice::default();
        assert_eq!(pull(3).given_up(&mut splice), Some("r"));
        assert_eq!(splice.len(), 0, "what a client names is not kept");
        splice.pull(pull(3).conversation);
        assert_eq!(pull(3).given_up(&mut splice), Some("r"));
        assert_eq!(
            splice.live(pull(3).conversation, 8, 9),
            Fit::Skip,
            "the resume still holds the live flow back"
        );
    }

    #[test]
    fn a_resume_that_fails_lets_the_later_entries_flow_and_does_not_answer_the_hello_again() {
        let mut splice = Splice::default();
        let resume = Pull { purpose: Purpose::Resume, scanned: 5, ..pull(3) };
        splice.pull(resume.conversation);
        assert_eq!(resume.given_up(&mut splice), None);
        assert_eq!(splice.live(resume.conversation, 4, 5), Fit::Skip, "a page has brought it");
        assert_eq!(splice.live(resume.conversation, 5, 6), Fit::Next);
    }

    #[test]
    fn one_page_is_under_way_at_a_time_and_a_pull_goes_on_before_the_next() {
        let mut pulls = Pulls::default();
        assert!(pulls.add(pull(1)).is_ok());
        assert!(pulls.add(pull(2)).is_ok());
        let first = pulls.next();
        assert_eq!(first.as_ref().map(|pull| pull.after), Some(1));
        assert_eq!(pulls.next(), None);
        pulls.done(first);
        assert_eq!(pulls.next().map(|pull| pull.after), Some(1));
        pulls.done(None);
        assert_eq!(pulls.next().map(|pull| pull.after), Some(2));
    }

    #[test]
    fn the_number_of_waiting_pulls_is_bounded() {
        let mut pulls = Pulls::default();
        let taken = (0..MOST_PULLS as u64 + 1).filter(|after| pulls.add(pull(*after)).is_ok()).count();
        assert_eq!(taken, MOST_PULLS);
    }
}
