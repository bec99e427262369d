//! What the checker says: the invariants by their ids, each violation with a sentence, and the counts beside them.
//!
//! Pure. A verdict is clean only if everything that was observed was also judged.

use crate::ident::ConversationId;
use std::collections::BTreeMap;
use std::fmt;

/// The invariants that can be judged from outside (`docs/INVARIANTS.md`), and the two plain promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Sequence numbers are contiguous.
    Cv1,
    /// A closed conversation takes no message.
    Cv2,
    /// No output before durability: whatever was shown stands in the log.
    Cv3,
    /// At most one assignee, `assign_seq` contiguous, effects only from the current assignee.
    Cv4,
    /// One seq per client id, one message per seq, all observers agree.
    Jr1,
    /// Per-sender order; what was called after an ack stands after what was acked.
    Jr2,
    /// What was refused never appears unless repeated.
    Jr4,
    /// Each device sees rising, gap-free seqs.
    Fo1,
    /// At rest every cursor is at its head.
    Fo2,
    /// Load never passes the capacity.
    Rt1,
    /// An acknowledged message is not in the log.
    LostAcked,
    /// A message stands in the log more than once.
    Doubled,
}

impl Invariant {
    pub const ALL: [Self; 12] = [
        Self::Cv1,
        Self::Cv2,
        Self::Cv3,
        Self::Cv4,
        Self::Jr1,
        Self::Jr2,
        Self::Jr4,
        Self::Fo1,
        Self::Fo2,
        Self::Rt1,
        Self::LostAcked,
        Self::Doubled,
    ];

    /// The id as it stands in documents and reports.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Cv1 => "CV-1",
            Self::Cv2 => "CV-2",
            Self::Cv3 => "CV-3",
            Self::Cv4 => "CV-4",
            Self::Jr1 => "JR-1",
            Self::Jr2 => "JR-2",
            Self::Jr4 => "JR-4",
            Self::Fo1 => "FO-1",
            Self::Fo2 => "FO-2",
            Self::Rt1 => "RT-1",
            Self::LostAcked => "lost-acked",
            Self::Doubled => "doubled",
        }
    }
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    /// `None` where it concerns an agent over many conversations.
    pub conversation: Option<ConversationId>,
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.conversation {
            Some(conversation) => write!(f, "{} {conversation}: {}", self.invariant.id(), self.sentence),
            None => write!(f, "{}: {}", self.invariant.id(), self.sentence),
        }
    }
}

/// How much was judged; a clean verdict over nothing says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub conversations: u64,
    pub log_entries: u64,
    pub sends: u64,
    pub acked: u64,
    pub refused: u64,
    /// Sends that were put on the wire again while an earlier try was unanswered: what a lost connection leaves.
    pub repeated: u64,
    /// Sends that never got an answer, and of these how many stand in a log.
    pub unknown: u64,
    pub unknown_in_log: u64,
    pub entries_taken: u64,
    pub assignments: u64,
    /// Conversations that were observed and whose log was never read back.
    pub unsettled: u64,
    /// Observations that found no room (see `Limits`).
    pub unjudged: u64,
}

/// The outcome of a whole history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub counts: Counts,
    pub by_invariant: BTreeMap<Invariant, u64>,
    /// The first violations, up to `Limits::kept_violations`; `by_invariant` counts all of them.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Nothing is broken and nothing was left unjudged.
    pub fn is_clean(&self) -> bool {
        self.by_invariant.is_empty() && self.counts.unsettled == 0 && self.counts.unjudged == 0
    }

    pub fn count(&self, invariant: Invariant) -> u64 {
        self.by_invariant.get(&invariant).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, violation: Violation, kept_violations: usize) {
        *self.by_invariant.entry(violation.invariant).or_insert(0) += 1;
        if self.violations.len() < kept_violations {
            self.violations.push(violation);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.counts;
        writeln!(
            f,
            "checker: {} conversations, {} log entries, {} sends ({} acked, {} refused, {} repeated, {} unknown of which {} in a log), \
             {} entries taken by devices, {} assignments",
            c.conversations,
            c.log_entries,
            c.sends,
            c.acked,
            c.refused,
            c.repeated,
            c.unknown,
            c.unknown_in_log,
            c.entries_taken,
            c.assignments
        )?;
        for invariant in Invariant::ALL {
            write!(f, "  {} {}", invariant.id(), self.count(invariant))?;
        }
        writeln!(f)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        if c.unsettled + c.unjudged > 0 {
            writeln!(
                f,
                "  not judged: {} conversations unread, {} observations without room",
                c.unsettled, c.unjudged
            )?;
        }
        write!(f, "verdict: {}", if self.is_clean() { "clean" } else { "NOT CLEAN" })
    }
}
