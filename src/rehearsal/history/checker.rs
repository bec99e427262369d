//! The checker itself: it sorts observations by conversation, judges each when its log is read back, and sums up.
//!
//! Pure. Bounded: it holds the dossiers of unsettled conversations only, up to `Limits::open_conversations`; what
//! finds no room is counted, and a verdict with such a count is not clean.

use super::dossier::Dossier;
use super::fold::Fold;
use super::seats::SeatBook;
use super::verdict::{Counts, Verdict, Violation};
use super::{LogEntry, Observation, Observed};
use crate::ident::{AgentId, ConversationId};
use std::collections::BTreeMap;

/// How much the checker may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Conversations observed and not yet settled.
    pub open_conversations: usize,
    /// Violations kept with their sentences; all are counted.
    pub kept_violations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open_conversations: 200_000, kept_violations: 100 }
    }
}

/// Judges a history as it is told.
#[derive(Debug, Default)]
pub struct Checker {
    limits: Limits,
    dossiers: BTreeMap<ConversationId, Dossier>,
    seats: SeatBook,
    verdict: Verdict,
}

impl Checker {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes note of one observation; the order of calls is the order of real time.
    pub fn observe(&mut self, observed: Observed) {
        let Observed { conversation, what } = observed;
        let room = self.dossiers.len() < self.limits.open_conversations;
        if !room && !self.dossiers.contains_key(&conversation) {
            self.verdict.counts.unjudged += 1;
            return;
        }
        self.verdict.counts.entries_taken += u64::from(matches!(what, Observation::Took { .. }));
        self.dossiers.entry(conversation).or_default().observe(what);
    }

    /// From `since_ms` (UTC) on `agent` has `seats`. A raise is told before it is asked for, a lowering after it was
    /// answered.
    pub fn capacity(&mut self, agent: AgentId, since_ms: u64, seats: u32) {
        self.seats.capacity(agent, since_ms, seats);
    }

    /// Conversations that still wait for their log.
    pub fn unsettled(&self) -> impl Iterator<Item = ConversationId> + '_ {
        self.dossiers.keys().copied()
    }

    /// Judges a conversation against its whole final log (desk's view, ascending) and forgets it. Nothing may be
    /// observed of it afterwards.
    pub fn settle(&mut self, conversation: ConversationId, log: &[LogEntry]) {
        let mut dossier = self.dossiers.remove(&conversation).unwrap_or_default();
        let fold = Fold::read(log);
        self.verdict.counts.conversations += 1;
        self.verdict.counts.log_entries += log.len() as u64;
        self.verdict.counts.assignments += fold.stays.len() as u64;
        for stay in &fold.stays {
            self.seats.stay(stay.agent, stay.from_ms, stay.until_ms);
        }
        dossier.judge(log, &fold, &mut self.verdict.counts);
        for (invariant, sentence) in fold.faults.into_iter().chain(dossier.faults) {
            let violation = Violation { invariant, conversation: Some(conversation), sentence };
            self.verdict.add(violation, self.limits.kept_violations);
        }
    }

    /// What has been judged so far, for a line per second.
    pub fn counts(&self) -> &Counts {
        &self.verdict.counts
    }

    /// The verdict over everything; conversations whose log never came make it unclean.
    pub fn finish(mut self) -> Verdict {
        for violation in self.seats.judge() {
            self.verdict.add(violation, self.limits.kept_violations);
        }
        for (conversation, dossier) in self.dossiers {
            self.verdict.counts.unsettled += 1;
            for (invariant, sentence) in dossier.faults {
                let violation = Violation { invariant, conversation: Some(conversation), sentence };
                self.verdict.add(violation, self.limits.kept_violations);
            }
        }
        self.verdict
    }
}
