//! The final log of one conversation, read from its first entry: what it says of itself without any observer.
//!
//! Pure. Judges contiguity (CV-1), silence after the close (CV-2) and the chain of assignments (CV-4), and tells who
//! held the conversation when. Refuses to know what clients sent or saw; that is the dossier's.

use super::verdict::Invariant;
use super::{LogEntry, Party, Said};
use crate::ident::{AgentId, AssignSeq, Seq};

/// A time during which one agent held the conversation, by the store's stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) agent: AgentId,
    pub(super) assign_seq: AssignSeq,
    pub(super) from_ms: u64,
    /// `None` where it lasts beyond the log.
    pub(super) until_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Fold {
    pub(super) faults: Vec<(Invariant, String)>,
    pub(super) stays: Vec<Stay>,
    next_seq: Seq,
    assignee: Option<AgentId>,
    assign_seq: AssignSeq,
    /// Changes since the last numbered one whose number the log does not carry.
    unnumbered: u64,
    closed: bool,
}

impl Fold {
    pub(super) fn read(log: &[LogEntry]) -> Self {
        let mut fold = Self { next_seq: 1, ..Self::default() };
        for entry in log {
            fold.entry(entry);
        }
        fold
    }

    /// Agents who had the conversation and no longer have it.
    pub(super) fn released(&self, agent: AgentId) -> bool {
        self.stays.iter().any(|stay| stay.agent == agent && stay.until_ms.is_some())
    }

    fn fault(&mut self, invariant: Invariant, sentence: String) {
        self.faults.push((invariant, sentence));
    }

    fn entry(&mut self, entry: &LogEntry) {
        if entry.seq != self.next_seq {
            self.fault(Invariant::Cv1, format!("entry {} stands where {} belongs", entry.seq, self.next_seq));
        }
        self.next_seq = entry.seq.saturating_add(1);
        match &entry.said {
            Said::Message { note, .. } => self.message(entry, *note),
            Said::Redacted => self.message(entry, false),
            Said::Assigned { agent, assign_seq } => self.assigned(entry, *agent, *assign_seq),
            Said::Transferred { assign_seq } | Said::Requeued { assign_seq } => {
                self.leave(entry.at_ms);
                self.renumber(entry.seq, *assign_seq);
            }
            Said::Closed => {
                self.end_stay(entry.at_ms);
                self.closed = true;
            }
            Said::Reopened => {
                self.closed = false;
                if self.assignee.take().is_some() {
                    self.unnumbered += 1;
                }
            }
            Said::Event { .. } => {}
        }
    }

    fn message(&mut self, entry: &LogEntry, note: bool) {
        if self.closed {
            self.fault(Invariant::Cv2, format!("message {} stands after the close", entry.seq));
        }
        if let Party::Agent(agent) = &entry.author
            && !note
            && self.assignee != Some(*agent)
        {
            let held = self.assignee.map_or_else(|| "nobody".to_owned(), |a| format!("{a:?}"));
            self.fault(Invariant::Cv4, format!("message {} is {agent:?}'s while {held} has it", entry.seq));
        }
    }

    fn assigned(&mut self, entry: &LogEntry, agent: Option<AgentId>, assign_seq: Option<AssignSeq>) {
        if self.closed {
            self.fault(Invariant::Cv4, format!("entry {} assigns a closed conversation", entry.seq));
        }
        if let Some(holder) = self.assignee {
            self.fault(Invariant::Cv4, format!("entry {} assigns while {holder:?} still has it", entry.seq));
            self.leave(entry.at_ms);
        }
        let number = assign_seq.unwrap_or(self.assign_seq + self.unnumbered + 1);
        let expected = self.assign_seq + 1..=self.assign_seq + 1 + self.unnumbered;
        if !expected.contains(&number) {
            self.fault(
                Invariant::Cv4,
                format!("entry {} carries assign_seq {number} after {}", entry.seq, self.assign_seq),
            );
        }
        self.assign_seq = number;
        self.unnumbered = 0;
        self.assignee = agent;
        if let Some(agent) = agent {
            self.stays.push(Stay { agent, assign_seq: number, from_ms: entry.at_ms, until_ms: None });
        }
    }

    /// A given-back conversation: the number rises where assignee or group changed, else it stays.
    fn renumber(&mut self, seq: Seq, assign_seq: Option<AssignSeq>) {
        let Some(number) = assign_seq else {
            self.unnumbered += 1;
            return;
        };
        if !(self.assign_seq..=self.assign_seq + 1 + self.unnumbered).contains(&number) {
            self.fault(
                Invariant::Cv4,
                format!("entry {seq} carries assign_seq {number} after {}", self.assign_seq),
            );
        }
        self.assign_seq = number;
        self.unnumbered = 0;
    }

    fn leave(&mut self, at_ms: u64) {
        self.end_stay(at_ms);
        self.assignee = None;
    }

    fn end_stay(&mut self, at_ms: u64) {
        if let Some(stay) = self.stays.last_mut()
            && stay.until_ms.is_none()
        {
            stay.until_ms = Some(at_ms);
        }
    }
}
