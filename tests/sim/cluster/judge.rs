//! What the auditor sees of a cluster: every write, every claim of a slot, every loss, and what is written to sockets.

use super::world::{Cluster, LEASE_MS, NODES};
use crate::world::{VISITORS, author};
use rushdesk::cluster::slots::Slot;
use rushdesk::conversation::event::{Entry, Event};
use rushdesk::ident::{ConversationId, Epoch, Seq};
use rushdesk::journal::{Answer, Done, Op, Query};
use std::collections::BTreeMap;

/// What came so long after its commit by a repair was not on its way any more.
const ON_ITS_WAY_MS: u64 = 600;
/// A node that has noticed a loss has looked at everything after so long.
const LOOKED_WITHIN_MS: u64 = 2_500;

/// Who was ever given which slot under which epoch; what a fail-over takes away was given all the same.
#[derive(Default)]
pub(crate) struct Grants {
    given: BTreeMap<(Slot, Epoch), usize>,
    last: BTreeMap<Slot, Epoch>,
}

impl Cluster {
    /// Carries an operation out in the store and lets the auditor see what the log says now.
    pub(crate) fn commit(&mut self, op: &Op, conversation: Option<ConversationId>) -> Done {
        let done = self.store.perform(op, self.now);
        self.auditor.answered(op, &done);
        if let Some(conversation) = conversation {
            self.audit(conversation);
        }
        done
    }

    fn audit(&mut self, conversation: ConversationId) {
        let after = self.auditor.after(conversation);
        let Answer::State(Some(state)) = self.store.ask(Query::State(conversation), self.now) else { return };
        if state.head == after {
            return;
        }
        let entries = self.entries(conversation, after);
        self.auditor.commit(conversation, &entries);
        let Answer::Agents(rows) = self.store.ask(Query::Agents, self.now) else { return };
        for row in rows {
            let load = self.auditor.load_of(row.agent);
            if row.load != load {
                self.auditor.say(format!("RT-1: the store counts {} seats, the log {load}", row.load));
            }
        }
    }

    /// What the log says after a position; read from the beginning, to be free of what is judged here.
    pub(crate) fn entries(&self, conversation: ConversationId, after: Seq) -> Vec<Entry> {
        match self.store.ask(Query::History { conversation, after: 0, limit: u32::MAX }, self.now) {
            Answer::History(Some(page)) => {
                page.entries.into_iter().filter(|entry| entry.seq > after).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Nobody takes a slot whose owner beats, by the store's clock.
    pub(crate) fn judge_claims(&mut self, n: usize, claims: &[(Slot, Epoch)]) {
        let mut found = Vec::new();
        for (slot, epoch) in claims {
            let Some(row) = self.store.register.slot(*slot).filter(|row| row.epoch == *epoch) else {
                continue;
            };
            let Some(owner) = row.owner.as_ref().filter(|it| !row.released && **it != self.seats[n].id)
            else {
                continue;
            };
            let silent_ms = self.store.register.silence_ms(owner, self.now);
            if let Some(silent_ms) = silent_ms.filter(|silent_ms| *silent_ms < LEASE_MS) {
                let (number, taker) = (slot.number(), &self.seats[n].id);
                found.push(format!(
                    "CL-1 slot {number}: {taker} takes it from {owner}, silent for {silent_ms} ms"
                ));
            }
        }
        found.into_iter().for_each(|sentence| self.auditor.say(sentence));
    }

    /// One owner for each slot and epoch, and epochs rise: over fail-overs too.
    pub(crate) fn judge_grants(&mut self, n: usize, granted: &[(Slot, Epoch)]) {
        for (slot, epoch) in granted {
            let number = slot.number();
            let other = self.grants.given.insert((*slot, *epoch), n);
            let last = self.grants.last.insert(*slot, *epoch).unwrap_or(0);
            if let Some(other) = other {
                let (id, other) = (&self.seats[n].id, &self.seats[other].id);
                let sentence = format!("CL-1 slot {number}: epoch {epoch} was {other}'s and is {id}'s");
                self.auditor.say(sentence);
            } else if *epoch <= last {
                self.auditor.say(format!("CL-1 slot {number}: epoch {epoch} follows {last}"));
            }
        }
    }

    /// The standby has taken over with the log up to here: what is gone is told, and who holds some of it is watched.
    pub(crate) fn judge_loss(&mut self, before: &BTreeMap<ConversationId, Seq>, done: &[(Op, Done)]) {
        self.auditor.forget_fences();
        for (op, done) in done.iter().filter(|(op, _)| matches!(op, Op::Claim { .. })) {
            self.auditor.answered(op, done);
        }
        let after = self.store.heads(self.now);
        for (conversation, head) in before {
            let kept = after.get(conversation).copied().unwrap_or(0);
            if kept >= *head {
                continue;
            }
            self.seen.lost_entries += head - kept;
            self.auditor.loses(*conversation, kept);
            for (client, it) in self.clients.iter().enumerate() {
                if it.places.get(conversation).is_some_and(|place| place.have > kept) {
                    self.deceived.insert((client, *conversation), kept);
                }
            }
        }
    }

    /// A client takes an entry: not on top of what the store has lost. What was on its way when it was lost deceives too.
    pub(crate) fn judge_taking(&mut self, client: usize, conversation: ConversationId, entry: &Entry) {
        let seq = entry.seq;
        let is_there = self.entries(conversation, seq - 1).first().is_some_and(|it| it.at == entry.at);
        if !is_there {
            if !self.auditor.has_lost(conversation) {
                self.auditor.say(format!("CV-3 {conversation}: entry {seq} was shown and does not stand"));
            }
            self.deceived.entry((client, conversation)).or_insert(seq - 1);
            return;
        }
        if let Some(kept) = self.deceived.get(&(client, conversation)) {
            let reader = author(client);
            let sentence = format!(
                "FO-1 {conversation}: {reader:?} takes {seq} on top of what was lost after {kept}, without a reset"
            );
            self.auditor.say(sentence);
        }
    }

    /// What a session writes has no gap, and in quiet times nothing comes by a repair.
    pub(crate) fn judge_writing(
        &mut self,
        n: usize,
        client: usize,
        conversation: ConversationId,
        entry: &Entry,
        is_repair: bool,
    ) {
        if client >= VISITORS {
            return;
        }
        let node = self.seats[n].node.as_ref();
        let Some(session) = node.and_then(|node| node.sessions.get(&client)) else { return };
        let prev = entry.visitor_prev;
        let has_gap = session.wrote.get(&conversation).is_some_and(|wrote| prev > *wrote);
        if has_gap {
            let seq = entry.seq;
            self.auditor.say(format!("FO-1 {conversation}: a session wrote {seq} without {prev}"));
        }
        let age_ms = self.now.since_millis(entry.at);
        if is_repair && self.is_settled && age_ms > ON_ITS_WAY_MS && session.since < entry.at.plus_millis(100)
        {
            let seq = entry.seq;
            let sentence = format!(
                "FO-2 {conversation}: entry {seq} came by a repair after {age_ms} ms, and nothing was lost"
            );
            self.auditor.say(sentence);
        }
    }

    /// A node that noticed a loss has shown its people everything that was committed before.
    pub(crate) fn judge_looking(&mut self) {
        let Some(quiet_since) = self.quiet_since else { return };
        for n in 0..NODES {
            let now = self.now;
            let Some(node) = self.seats[n].node.as_ref() else { continue };
            let Some(noticed_at) = node.wire.noticed_at.filter(|at| *at >= quiet_since) else { continue };
            let is_time =
                (LOOKED_WITHIN_MS..LOOKED_WITHIN_MS + 1_000).contains(&now.since_millis(noticed_at));
            if !is_time || self.seats[n].paused > noticed_at {
                continue;
            }
            let mut found = Vec::new();
            for (client, session) in &node.sessions {
                if *client >= VISITORS || session.since >= noticed_at {
                    continue;
                }
                for (conversation, place) in &self.clients[*client].places {
                    let seen = |entry: &&Entry| {
                        entry.at < noticed_at && entry.event.visible_to(self.clients[*client].view)
                    };
                    let entries = self.entries(*conversation, place.have);
                    if let Some(entry) = entries.iter().find(seen)
                        && entries.iter().all(|entry| !matches!(entry.event, Event::Reopened))
                        && !place.closed
                    {
                        let (seq, id) = (entry.seq, &self.seats[n].id);
                        found.push(format!(
                            "FO-2 {conversation}: {id} noticed a loss and visitor {client} still lacks entry {seq}"
                        ));
                    }
                }
            }
            found.into_iter().for_each(|sentence| self.auditor.say(sentence));
        }
    }
}
