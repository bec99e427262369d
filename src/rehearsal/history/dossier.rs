//! What is known of one conversation while it lives: its sends, what devices took, what agents were told.
//!
//! Pure. Faults that need no log are found as they happen; the rest when the log is read back. A dossier is dropped
//! when its conversation settles.

use super::fold::Fold;
use super::verdict::{Counts, Invariant};
use super::{Device, LogEntry, Observation, Party, Said, Sight};
use crate::ident::{AgentId, AssignSeq, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type SendKey = (Party, Arc<str>);

#[derive(Debug, Default)]
pub(super) struct Dossier {
    pub(super) faults: Vec<(Invariant, String)>,
    sends: BTreeMap<SendKey, Send>,
    /// Sends in the order of their first call.
    calls: Vec<SendKey>,
    /// Highest position acknowledged so far to anybody.
    highest_ack: Seq,
    acked_at: BTreeMap<Seq, SendKey>,
    shown: BTreeMap<Seq, Shown>,
    devices: BTreeMap<Device, Reader>,
    told: Vec<(AgentId, AssignSeq)>,
    taken_away: Vec<AgentId>,
}

#[derive(Debug)]
struct Send {
    digest: u64,
    /// Everything acknowledged before the first call stands below this message (JR-2).
    floor: Seq,
    /// Put on the wire while an earlier try was still unanswered.
    uncertain: bool,
    /// Repeated after a refusal, so that later sends may rightly stand before it.
    retried: bool,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    None,
    Acked(Seq),
    Refused { again: bool },
}

#[derive(Debug)]
struct Shown {
    author: Party,
    said: Said,
    to: Device,
}

#[derive(Debug)]
struct Reader {
    sight: Sight,
    cursor: Seq,
    /// Takes that left something out: right only if nothing in between is for this reader.
    skips: Vec<(Seq, Seq)>,
    rested: Option<Seq>,
}

impl Dossier {
    pub(super) fn observe(&mut self, what: Observation) {
        match what {
            Observation::Called { sender, client_id, digest } => self.called((sender, client_id), digest),
            Observation::Acked { sender, client_id, seq } => self.acked((sender, client_id), seq),
            Observation::Refused { sender, client_id, again } => self.refused((sender, client_id), again),
            Observation::Took { device, sight, seq, prev, author, said } => {
                self.took(&device, sight, seq, prev);
                self.shown(device, seq, author, said);
            }
            Observation::Rested { device, cursor } => {
                if let Some(reader) = self.devices.get_mut(&device) {
                    reader.rested = Some(cursor);
                }
            }
            Observation::Assigned { agent, assign_seq } => self.told(agent, assign_seq),
            Observation::Unassigned { agent } => {
                if !self.taken_away.contains(&agent) {
                    self.taken_away.push(agent);
                }
            }
        }
    }

    /// Judges everything that needs the log, `log` being all of it in the desk's view.
    pub(super) fn judge(&mut self, log: &[LogEntry], fold: &Fold, counts: &mut Counts) {
        let places = self.places(log);
        self.judge_sends(&places, counts);
        self.judge_order(&places);
        self.judge_shown(log);
        self.judge_devices(log);
        self.judge_assignments(fold);
    }

    fn fault(&mut self, invariant: Invariant, sentence: String) {
        self.faults.push((invariant, sentence));
    }

    fn called(&mut self, key: SendKey, digest: u64) {
        let floor = self.highest_ack;
        if let Some(send) = self.sends.get_mut(&key) {
            send.uncertain |= send.answer == Answer::None;
            send.retried |= matches!(send.answer, Answer::Refused { .. });
            if !matches!(send.answer, Answer::Acked(_)) {
                send.answer = Answer::None;
            }
            return;
        }
        self.calls.push(key.clone());
        self.sends
            .insert(key, Send { digest, floor, uncertain: false, retried: false, answer: Answer::None });
    }

    fn acked(&mut self, key: SendKey, seq: Seq) {
        self.highest_ack = self.highest_ack.max(seq);
        if let Some(other) = self.acked_at.insert(seq, key.clone())
            && other != key
        {
            self.fault(Invariant::Jr1, format!("seq {seq} is acked for {:?} and for {:?}", other.1, key.1));
        }
        let Some(send) = self.sends.get_mut(&key) else {
            self.fault(Invariant::Jr1, format!("seq {seq} is acked for {:?}, which nobody sent", key.1));
            return;
        };
        let before = send.answer;
        send.answer = Answer::Acked(seq);
        if let Answer::Acked(first) = before
            && first != seq
        {
            self.fault(Invariant::Jr1, format!("{:?} is acked at {first} and at {seq}", key.1));
        }
    }

    fn refused(&mut self, key: SendKey, again: bool) {
        let Some(send) = self.sends.get_mut(&key) else { return };
        match send.answer {
            Answer::Acked(seq) if !again => {
                self.fault(Invariant::Jr1, format!("{:?} is refused for good after its ack at {seq}", key.1));
            }
            Answer::Acked(_) => {}
            Answer::None | Answer::Refused { .. } => send.answer = Answer::Refused { again },
        }
    }

    fn took(&mut self, device: &Device, sight: Sight, seq: Seq, prev: Seq) {
        let reader = self.devices.entry(device.clone()).or_insert(Reader {
            sight,
            cursor: 0,
            skips: Vec::new(),
            rested: None,
        });
        let cursor = reader.cursor;
        reader.cursor = cursor.max(seq);
        if seq > cursor + 1 {
            reader.skips.push((cursor, seq));
        }
        if seq <= cursor {
            self.fault(Invariant::Fo1, format!("{device:?} took {seq} at position {cursor}"));
        } else if prev > cursor {
            self.fault(
                Invariant::Fo1,
                format!("{device:?} took {seq} (prev {prev}) over a hole after {cursor}"),
            );
        } else if prev < cursor {
            self.fault(
                Invariant::Fo1,
                format!("entry {seq} names {prev} before it, {device:?} had seen {cursor}"),
            );
        }
    }

    fn shown(&mut self, device: Device, seq: Seq, author: Party, said: Said) {
        match self.shown.get(&seq) {
            Some(known) if known.author != author || !same(&known.said, &said) => {
                let sentence = format!(
                    "entry {seq} is {:?} by {:?} for {:?}, and {said:?} by {author:?} for {device:?}",
                    known.said, known.author, known.to
                );
                self.fault(Invariant::Jr1, sentence);
            }
            Some(_) => {}
            None => {
                self.shown.insert(seq, Shown { author, said, to: device });
            }
        }
    }

    fn told(&mut self, agent: AgentId, assign_seq: AssignSeq) {
        if let Some((other, _)) = self.told.iter().find(|(a, n)| *n == assign_seq && *a != agent) {
            let sentence = format!("{other:?} and {agent:?} were both told assign_seq {assign_seq}");
            self.fault(Invariant::Cv4, sentence);
        }
        if !self.told.contains(&(agent, assign_seq)) {
            self.told.push((agent, assign_seq));
        }
    }

    /// Where each send stands in the log, found by its author and content.
    fn places(&mut self, log: &[LogEntry]) -> BTreeMap<SendKey, Vec<Seq>> {
        let by_content: BTreeMap<(Party, u64), SendKey> =
            self.sends.iter().map(|(key, send)| ((key.0.clone(), send.digest), key.clone())).collect();
        let senders: BTreeSet<&Party> = self.sends.keys().map(|key| &key.0).collect();
        let mut places: BTreeMap<SendKey, Vec<Seq>> = BTreeMap::new();
        let mut strangers = Vec::new();
        for entry in log {
            let Said::Message { digest, .. } = entry.said else { continue };
            match by_content.get(&(entry.author.clone(), digest)) {
                Some(key) => places.entry(key.clone()).or_default().push(entry.seq),
                None if senders.contains(&entry.author) => strangers.push((entry.seq, entry.author.clone())),
                None => {}
            }
        }
        for (seq, author) in strangers {
            self.fault(Invariant::Jr1, format!("message {seq} is {author:?}'s, who never sent it"));
        }
        places
    }

    fn judge_sends(&mut self, places: &BTreeMap<SendKey, Vec<Seq>>, counts: &mut Counts) {
        let mut found = Vec::new();
        for (key, send) in &self.sends {
            let stands = places.get(key).map_or(&[][..], Vec::as_slice);
            counts.sends += 1;
            counts.repeated += u64::from(send.uncertain);
            if stands.len() > 1 {
                found.push((Invariant::Doubled, format!("{:?} stands at {stands:?}", key.1)));
            }
            match send.answer {
                Answer::Acked(seq) => {
                    counts.acked += 1;
                    if stands.is_empty() {
                        found.push((Invariant::LostAcked, format!("{:?}, acked at {seq}", key.1)));
                    } else if !stands.contains(&seq) {
                        found
                            .push((Invariant::Jr1, format!("{:?}, acked at {seq}, is at {stands:?}", key.1)));
                    }
                }
                Answer::Refused { again } => {
                    counts.refused += 1;
                    // A retriable refusal of a repeat says nothing about the try before it.
                    let excused = again && send.uncertain;
                    if !stands.is_empty() && !excused {
                        found.push((Invariant::Jr4, format!("{:?}, refused, is at {stands:?}", key.1)));
                    }
                }
                Answer::None => {
                    counts.unknown += 1;
                    counts.unknown_in_log += u64::from(!stands.is_empty());
                }
            }
        }
        self.faults.append(&mut found);
    }

    fn judge_order(&mut self, places: &BTreeMap<SendKey, Vec<Seq>>) {
        let mut found = Vec::new();
        let mut last_of: BTreeMap<&Party, (Seq, &Arc<str>)> = BTreeMap::new();
        for key in &self.calls {
            let Some((send, seq)) = self.sends.get(key).zip(places.get(key).and_then(|s| s.first())) else {
                continue;
            };
            if *seq <= send.floor {
                let sentence = format!("{:?} is at {seq}, sent after an ack of {}", key.1, send.floor);
                found.push((Invariant::Jr2, sentence));
            }
            if send.retried {
                continue;
            }
            match last_of.get(&key.0) {
                Some((before, id)) if before >= seq => {
                    found.push((
                        Invariant::Jr2,
                        format!("{:?} at {seq} was sent after {id:?} at {before}", key.1),
                    ));
                }
                Some(_) | None => {
                    last_of.insert(&key.0, (*seq, &key.1));
                }
            }
        }
        self.faults.append(&mut found);
    }

    fn judge_shown(&mut self, log: &[LogEntry]) {
        let by_seq: BTreeMap<Seq, &LogEntry> = log.iter().map(|entry| (entry.seq, entry)).collect();
        let mut found = Vec::new();
        for (seq, shown) in &self.shown {
            match by_seq.get(seq) {
                None => {
                    found.push((Invariant::Cv3, format!("{:?} saw entry {seq}, which no log has", shown.to)))
                }
                Some(entry) if entry.author != shown.author || !same(&entry.said, &shown.said) => {
                    found.push((
                        Invariant::Jr1,
                        format!("{:?} saw {:?} at {seq}, the log has {:?}", shown.to, shown.said, entry.said),
                    ));
                }
                Some(_) => {}
            }
        }
        self.faults.append(&mut found);
    }

    fn judge_devices(&mut self, log: &[LogEntry]) {
        let mut found = Vec::new();
        for (device, reader) in &self.devices {
            let sees = |entry: &&LogEntry| reader.sight == Sight::Desk || entry.said.is_for_visitors();
            for (from, to) in &reader.skips {
                let between = log.iter().skip(log.partition_point(|entry| entry.seq <= *from));
                let missed = between.take_while(|entry| entry.seq < *to).find(sees);
                if let Some(entry) = missed {
                    found.push((
                        Invariant::Fo1,
                        format!("{device:?} went from {from} to {to} and never saw entry {}", entry.seq),
                    ));
                }
            }
            let head = log.iter().rev().find(sees).map_or(0, |entry| entry.seq);
            if let Some(cursor) = reader.rested.filter(|cursor| *cursor != head) {
                found.push((Invariant::Fo2, format!("{device:?} rests at {cursor}, its head is {head}")));
            }
        }
        self.faults.append(&mut found);
    }

    fn judge_assignments(&mut self, fold: &Fold) {
        let mut found = Vec::new();
        for (agent, assign_seq) in &self.told {
            if !fold.stays.iter().any(|stay| stay.agent == *agent && stay.assign_seq == *assign_seq) {
                found.push((
                    Invariant::Cv4,
                    format!("{agent:?} was told assign_seq {assign_seq}, which no log has"),
                ));
            }
        }
        for agent in &self.taken_away {
            if !fold.released(*agent) {
                found.push((Invariant::Cv4, format!("{agent:?} was told it is over, the log knows no end")));
            }
        }
        self.faults.append(&mut found);
    }
}

/// Whether two sightings can be of one entry: views differ in detail, and a recall empties a message.
fn same(one: &Said, other: &Said) -> bool {
    match (one, other) {
        (Said::Message { .. } | Said::Redacted, Said::Redacted) | (Said::Redacted, Said::Message { .. }) => {
            true
        }
        (Said::Message { digest: a, .. }, Said::Message { digest: b, .. }) => a == b,
        (Said::Event { name_digest: a, .. }, Said::Event { name_digest: b, .. }) => a == b,
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
