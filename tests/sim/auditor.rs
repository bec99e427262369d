//! Judges every commit by folding the log anew, with none of the code that it judges; and hands the history checker
//! what clients did and saw.

use super::fold::Fold;
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Author, Entry, Event};
use rushdesk::ident::{AgentId, ConversationId, Epoch, GUEST, Seq};
use rushdesk::journal::{Done, Guard, Op, Outcome};
use rushdesk::refusal::Code;
use rushdesk::rehearsal::history::{
    Checker, Device, Limits, LogEntry, Observation, Observed, Party, Said, Sight, Verdict, digest,
};
use std::collections::{BTreeMap, BTreeSet};

/// A decision may lie in flight (or in a paused process) this long before its commit.
const FLIGHT_MS: u64 = 12_000;

pub(crate) struct Auditor {
    folds: BTreeMap<ConversationId, Fold>,
    fences: BTreeMap<ConversationId, Epoch>,
    capacities: BTreeMap<AgentId, u32>,
    acked: BTreeMap<(Party, u64), (ConversationId, Seq)>,
    texts: BTreeSet<(ConversationId, Party, String)>,
    checker: Option<Checker>,
    /// What clients did and saw, until the end: a conversation that lost entries is not the history checker's to judge.
    observed: Vec<Observed>,
    /// Words that a fail-over took away.
    lost: BTreeSet<(ConversationId, Party, String)>,
    spoilt: BTreeSet<ConversationId>,
    pub(crate) flight_ms: u64,
    /// What is wrong, each with its invariant's id.
    pub(crate) found: Vec<String>,
    pub(crate) commits: u64,
    /// Only the history checker judges.
    pub(crate) silent: bool,
    pub(crate) met: Met,
}

/// How often a rule of the journal had to hold; a run that met none of them has proved nothing about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) stale: u64,
    pub(crate) reload: u64,
    pub(crate) duplicate: u64,
    pub(crate) at_capacity: u64,
    pub(crate) failed: u64,
    pub(crate) reopened: u64,
    pub(crate) called_back: u64,
}

impl Met {
    pub(crate) fn add(&mut self, other: Self) {
        self.stale += other.stale;
        self.reload += other.reload;
        self.duplicate += other.duplicate;
        self.at_capacity += other.at_capacity;
        self.failed += other.failed;
        self.reopened += other.reopened;
        self.called_back += other.called_back;
    }

    pub(crate) fn least(&self) -> u64 {
        [
            self.stale,
            self.reload,
            self.duplicate,
            self.at_capacity,
            self.failed,
            self.reopened,
            self.called_back,
        ]
        .into_iter()
        .min()
        .unwrap_or(0)
    }

    fn note(&mut self, done: &Done) {
        match done {
            Done::Write(Outcome::Stale { .. }) | Done::Stale { .. } => self.stale += 1,
            Done::Write(Outcome::Reload { .. }) => self.reload += 1,
            Done::Write(Outcome::Duplicate { .. }) => self.duplicate += 1,
            Done::Write(Outcome::Refused(refusal)) => {
                self.at_capacity += u64::from(refusal.code == Code::AtCapacity);
            }
            Done::Write(Outcome::Failed { .. }) | Done::Failed { .. } => self.failed += 1,
            _ => {}
        }
    }
}

impl Auditor {
    pub(crate) fn new(capacities: &[(AgentId, u32)]) -> Self {
        let mut checker = Checker::new(Limits::default());
        capacities.iter().for_each(|(agent, seats)| checker.capacity(*agent, 0, *seats));
        Self {
            folds: BTreeMap::new(),
            fences: BTreeMap::new(),
            capacities: capacities.iter().copied().collect(),
            acked: BTreeMap::new(),
            texts: BTreeSet::new(),
            checker: Some(checker),
            observed: Vec::new(),
            lost: BTreeSet::new(),
            spoilt: BTreeSet::new(),
            flight_ms: FLIGHT_MS,
            found: Vec::new(),
            commits: 0,
            silent: false,
            met: Met::default(),
        }
    }

    /// Something is wrong, by a sentence that begins with the invariant's id.
    pub(crate) fn say(&mut self, sentence: String) {
        if !self.silent {
            self.found.push(sentence);
        }
    }

    fn find(&mut self, invariant: &str, conversation: ConversationId, sentence: &str) {
        self.say(format!("{invariant} {conversation}: {sentence}"));
    }

    /// What the journal answered, for the rules of its port: fences and guards.
    pub(crate) fn answered(&mut self, op: &Op, done: &Done) {
        self.met.note(done);
        match (op, done) {
            (Op::Claim { conversation, epoch }, Done::Claimed { state: Some(_) }) if *epoch != GUEST => {
                let fence = self.fences.entry(*conversation).or_default();
                let before = std::mem::replace(fence, (*fence).max(*epoch));
                if *epoch < before {
                    let sentence = format!("epoch {epoch} claimed behind the fence {before}");
                    self.find("JR-3", *conversation, &sentence);
                }
            }
            (Op::Write(write), Done::Write(Outcome::Committed { entries })) => {
                let fence = self.fences.get(&write.conversation).copied().unwrap_or(0);
                if write.epoch < fence {
                    let sentence = format!("epoch {} wrote behind the fence {fence}", write.epoch);
                    self.find("JR-3", write.conversation, &sentence);
                }
                let head = match write.guard {
                    Guard::Head(head) => Some(head),
                    Guard::Footing(footing) => footing.head,
                    Guard::AnyHead | Guard::Assignment(_) => None,
                };
                if let (Some(head), Some(first)) = (head, entries.first())
                    && first.seq != head + 1
                {
                    self.find("guard", write.conversation, "a decision was taken on another head");
                }
            }
            _ => {}
        }
    }

    /// Entries that the log has beyond what was judged already.
    pub(crate) fn after(&self, conversation: ConversationId) -> Seq {
        self.folds.get(&conversation).map_or(0, |fold| fold.next)
    }

    pub(crate) fn commit(&mut self, conversation: ConversationId, entries: &[Entry]) {
        self.commits += u64::from(!entries.is_empty());
        for entry in entries {
            self.met.reopened += u64::from(matches!(entry.event, Event::Reopened));
            self.met.called_back += u64::from(matches!(entry.event, Event::MessageLeft { .. }));
            let mut fold = self.folds.remove(&conversation).unwrap_or_default();
            let before = fold.held;
            let faults = fold.takes(entry, self.flight_ms);
            let after = fold.held;
            self.folds.insert(conversation, fold);
            for (invariant, sentence) in faults {
                self.find(invariant, conversation, &sentence);
            }
            if let Event::Message(Content::Text(text)) = &entry.event
                && !self.texts.insert((conversation, party(&entry.author), text.to_string()))
            {
                self.find("JR-1", conversation, &format!("`{text}` stands in the log twice"));
            }
            if let Some((agent, seats)) = after.filter(|_| before != after) {
                self.compare_load(conversation, agent, seats);
            }
        }
    }

    fn compare_load(&mut self, conversation: ConversationId, agent: AgentId, taken: u32) {
        let load: u32 = self
            .folds
            .values()
            .filter_map(|fold| fold.held)
            .filter(|held| held.0 == agent)
            .map(|held| held.1)
            .sum();
        let capacity = self.capacities.get(&agent).copied().unwrap_or(0);
        if load > capacity {
            let sentence = format!("{taken} more seats make {load} of {capacity}");
            self.find("RT-1", conversation, &sentence);
        }
    }

    /// Seats that the log says are taken of each agent, to be compared with the store's row.
    pub(crate) fn load_of(&self, agent: AgentId) -> u32 {
        self.folds
            .values()
            .filter_map(|fold| fold.held)
            .filter(|held| held.0 == agent)
            .map(|held| held.1)
            .sum()
    }

    /// A sender was told that its message stands at `seq`.
    pub(crate) fn acked(
        &mut self,
        sender: &Author,
        id: u64,
        conversation: ConversationId,
        seq: Seq,
        text: &str,
    ) {
        let place = (conversation, seq);
        let known = *self.acked.entry((party(sender), id)).or_insert(place);
        if known != place {
            self.find("JR-1", conversation, &format!("message {id} was acked at {known:?} and at {seq}"));
        }
        let at = usize::try_from(seq).unwrap_or(0).wrapping_sub(1);
        let stands = self.folds.get(&conversation).and_then(|fold| fold.log.get(at)).is_some_and(|entry| {
            entry.author == *sender
                && matches!(&entry.event, Event::Message(Content::Text(said)) if &**said == text)
        });
        if !stands && self.lost.contains(&(conversation, party(sender), text.to_owned())) {
            return;
        }
        if !stands {
            self.find("CV-3", conversation, &format!("`{text}` was acked at {seq} and does not stand there"));
        }
        self.observe(conversation, Observation::Acked { sender: party(sender), client_id: name(id), seq });
    }

    pub(crate) fn called(&mut self, sender: &Author, id: u64, conversation: ConversationId, text: &str) {
        let digest = digest(text.as_bytes());
        self.observe(
            conversation,
            Observation::Called { sender: party(sender), client_id: name(id), digest },
        );
    }

    pub(crate) fn refused(&mut self, sender: &Author, id: u64, conversation: ConversationId, again: bool) {
        self.observe(
            conversation,
            Observation::Refused { sender: party(sender), client_id: name(id), again },
        );
    }

    pub(crate) fn took(
        &mut self,
        reader: &Author,
        sight: Sight,
        conversation: ConversationId,
        entry: &Entry,
        prev: Seq,
    ) {
        let device = Device { party: party(reader), number: 0 };
        let (author, said) = (party(&entry.author), said(&entry.event));
        self.observe(conversation, Observation::Took { device, sight, seq: entry.seq, prev, author, said });
    }

    /// The reader is connected, nothing is on its way to it, and this is its position (FO-2).
    pub(crate) fn rested(&mut self, reader: &Author, conversation: ConversationId, cursor: Seq) {
        let device = Device { party: party(reader), number: 0 };
        self.observe(conversation, Observation::Rested { device, cursor });
    }

    fn observe(&mut self, conversation: ConversationId, what: Observation) {
        self.observed.push(Observed { conversation, what });
    }

    /// What `reader` has taken is the beginning of what it may see, without a gap (FO-1).
    pub(crate) fn compare_taken(
        &mut self,
        conversation: ConversationId,
        sees: impl Fn(&Event) -> bool,
        taken: &[Entry],
        all: bool,
    ) {
        let Some(fold) = self.folds.get(&conversation) else { return };
        let log: Vec<Seq> =
            fold.log.iter().filter(|entry| sees(&entry.event)).map(|entry| entry.seq).collect();
        let have: Vec<Seq> = taken.iter().map(|entry| entry.seq).collect();
        if !log.starts_with(&have) {
            self.find("FO-1", conversation, &format!("took {have:?} of {log:?}"));
        } else if all && have.len() < log.len() {
            self.find("FO-2", conversation, &format!("rests at {have:?} of {log:?}"));
        }
    }

    /// A fail-over has taken the end of this log away: what was said there is not held against anybody.
    pub(crate) fn loses(&mut self, conversation: ConversationId, head: Seq) {
        let Some(fold) = self.folds.remove(&conversation) else { return };
        let mut again = Fold::default();
        for entry in fold.log {
            if entry.seq <= head {
                again.takes(&entry, self.flight_ms);
            } else if let Event::Message(Content::Text(text)) = &entry.event {
                let words = (conversation, party(&entry.author), text.to_string());
                self.texts.remove(&words);
                self.lost.insert(words);
            }
        }
        if head > 0 {
            self.folds.insert(conversation, again);
        }
        self.acked.retain(|_, place| place.0 != conversation || place.1 <= head);
        self.spoilt.insert(conversation);
    }

    pub(crate) fn has_lost(&self, conversation: ConversationId) -> bool {
        self.spoilt.contains(&conversation)
    }

    /// Fences as the store has them after a fail-over: the raising of some may be lost.
    pub(crate) fn forget_fences(&mut self) {
        self.fences.clear();
    }

    /// The history checker's verdict over the whole run.
    pub(crate) fn verdict(&mut self) -> Verdict {
        let Some(mut checker) = self.checker.take() else { return Verdict::default() };
        let spoilt = std::mem::take(&mut self.spoilt);
        let judged = |conversation: &ConversationId| !spoilt.contains(conversation);
        self.observed.drain(..).filter(|it| judged(&it.conversation)).for_each(|it| checker.observe(it));
        for (conversation, fold) in self.folds.iter().filter(|(conversation, _)| judged(conversation)) {
            let log: Vec<LogEntry> = fold
                .log
                .iter()
                .map(|entry| LogEntry {
                    seq: entry.seq,
                    at_ms: entry.at.millis(),
                    author: party(&entry.author),
                    said: said(&entry.event),
                })
                .collect();
            checker.settle(*conversation, &log);
        }
        let known: Vec<ConversationId> = checker.unsettled().collect();
        known.iter().for_each(|conversation| checker.settle(*conversation, &[]));
        checker.finish()
    }
}

fn name(id: u64) -> std::sync::Arc<str> {
    id.to_string().into()
}

fn party(author: &Author) -> Party {
    match author {
        Author::Visitor { id, .. } => Party::Visitor(id.as_str().into()),
        Author::Agent { id, .. } => Party::Agent(*id),
        Author::Bot => Party::Bot,
        Author::System => Party::System,
    }
}

fn said(event: &Event) -> Said {
    let named = |name: &str, hidden| Said::Event { name_digest: digest(name.as_bytes()), hidden };
    match event {
        Event::Message(Content::Text(text)) => Said::Message { digest: digest(text.as_bytes()), note: false },
        Event::Message(Content::Note(text)) => Said::Message { digest: digest(text.as_bytes()), note: true },
        Event::Message(_) => Said::Redacted,
        Event::Assigned { agent, assign_seq, .. } => {
            Said::Assigned { agent: Some(*agent), assign_seq: Some(*assign_seq) }
        }
        Event::Transferred { assign_seq, .. } => Said::Transferred { assign_seq: Some(*assign_seq) },
        Event::Requeued { assign_seq, .. } => Said::Requeued { assign_seq: Some(*assign_seq) },
        Event::Closed { .. } => Said::Closed,
        Event::Reopened => Said::Reopened,
        Event::Offered { .. } => named("offered", true),
        Event::Escalated { .. } => named("escalated", true),
        Event::WrapUp { .. } => named("wrap_up", true),
        Event::Opened(_) => named("opened", false),
        Event::Queued { .. } => named("queued", false),
        Event::MessageLeft { .. } => named("message_left", false),
        Event::BotJoined => named("bot_joined", false),
        Event::BotLeft => named("bot_left", false),
        Event::IdleReminder { .. } => named("idle_reminder", false),
        Event::Rated { .. } => named("rated", false),
        Event::Recalled { .. } => named("recalled", false),
    }
}
