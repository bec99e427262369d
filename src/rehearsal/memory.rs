//! What a good client remembers: its positions, and what it has asked and not yet heard back.
//!
//! Pure: frames and times go in, frames to say and observations come out. It plays by the rules that a
//! client can rely on (protocol 10): it takes an entry or ignores it or fetches, one fetch at a time; it repeats what was not
//! answered under the same id on the next connection, in order. It refuses to know sockets and why things are said.

use super::heard::{Heard, Outcome};
use super::history::{Device, Observation, Observed, Party, Sight};
use super::outbox::{Ask, Outbox, Pending};
use super::sighting;
use crate::ident::{AssignSeq, ConversationId, Seq};
use crate::refusal::Retry;
use crate::wire::client::{ClientFrame, Hello, Position};
use crate::wire::content::{Content, EntryContent};
use crate::wire::server::{EntryFrame, ErrorFrame, ServerFrame};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a refusal for now names no time.
const RETRY_MS: u64 = 200;

#[derive(Debug, Default)]
struct Place {
    cursor: Seq,
    fetching: bool,
    assign_seq: Option<AssignSeq>,
    /// No longer this client's to read.
    left: bool,
}

/// One device's memory.
#[derive(Debug)]
pub struct Memory {
    device: Device,
    sight: Sight,
    /// In front of every id, so that no two devices of one person share one.
    name: String,
    asked: u64,
    hello: Option<Arc<str>>,
    welcomed: bool,
    places: BTreeMap<ConversationId, Place>,
    outbox: Outbox,
    out: Outcome,
}

impl Memory {
    pub fn new(device: Device, sight: Sight, name: impl Into<String>) -> Self {
        Self {
            device,
            sight,
            name: name.into(),
            asked: 0,
            hello: None,
            welcomed: false,
            places: BTreeMap::new(),
            outbox: Outbox::default(),
            out: Outcome::default(),
        }
    }

    /// Everything that has come of the steps since the last call.
    pub fn take(&mut self) -> Outcome {
        std::mem::take(&mut self.out)
    }

    /// Requests without an answer.
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// Position in a conversation; 0 where nothing of it was taken.
    pub fn cursor(&self, conversation: ConversationId) -> Seq {
        self.places.get(&conversation).map_or(0, |place| place.cursor)
    }

    /// The conversations whose log still flows to this device, with the positions.
    pub fn positions(&self) -> impl Iterator<Item = (ConversationId, Seq)> + '_ {
        self.places
            .iter()
            .filter(|(_, place)| !place.left)
            .map(|(conversation, place)| (*conversation, place.cursor))
    }

    /// Whether nothing is on its way: signed in, everything answered, no hole open.
    pub fn is_quiet(&self) -> bool {
        self.welcomed && self.outbox.len() == 0
    }

    /// The conversation is over for this player: its position is kept and no longer resumed.
    pub fn leave(&mut self, conversation: ConversationId) {
        if let Some(place) = self.places.get_mut(&conversation) {
            place.left = true;
        }
    }

    /// The connection is gone: what was on the wire is unknown and will be repeated.
    pub fn lost(&mut self) {
        self.welcomed = false;
        self.hello = None;
        self.outbox.lost();
        for place in self.places.values_mut() {
            place.fetching = false;
        }
    }

    /// The first frame of a new connection.
    pub fn hello(&mut self, token: &str) -> String {
        let id = self.fresh_id();
        self.hello = Some(id.clone());
        let resume = self.positions().map(|(conversation, after)| Position { conversation, after }).collect();
        json(&ClientFrame::Hello(Hello {
            id: (&*id).into(),
            token: token.into(),
            device: None,
            locale: None,
            resume,
        }))
    }

    /// Says `content`, now or as soon as it can; intended for `intended_us`.
    pub fn send(&mut self, conversation: ConversationId, content: Content<'_>, intended_us: u64) -> Arc<str> {
        let digest = sighting::content_digest(&content);
        let assign_seq = self.places.get(&conversation).and_then(|place| place.assign_seq);
        self.ask(Ask::Send, Some(conversation), digest, intended_us, |id| ClientFrame::Send {
            id: id.into(),
            conversation,
            assign_seq,
            content,
        })
    }

    /// Asks for anything else; `frame` is given the id.
    pub fn request<'a>(
        &mut self,
        ask: Ask,
        intended_us: u64,
        frame: impl FnOnce(String) -> ClientFrame<'a>,
    ) -> Arc<str> {
        self.ask(ask, None, 0, intended_us, frame)
    }

    fn ask<'a>(
        &mut self,
        ask: Ask,
        conversation: Option<ConversationId>,
        digest: u64,
        intended_us: u64,
        frame: impl FnOnce(String) -> ClientFrame<'a>,
    ) -> Arc<str> {
        let id = self.fresh_id();
        let json = json(&frame(id.to_string()));
        self.outbox.push(Pending {
            id: id.clone(),
            json,
            ask,
            conversation,
            digest,
            intended_us,
            said: false,
            not_before_us: 0,
        });
        id
    }

    fn fresh_id(&mut self) -> Arc<str> {
        self.asked += 1;
        format!("{}-{}", self.name, self.asked).into()
    }

    /// Puts on the wire what may go now.
    pub fn pump(&mut self, now_us: u64) {
        if !self.welcomed {
            return;
        }
        for pending in self.outbox.go(now_us) {
            if let (Ask::Send, Some(conversation)) = (pending.ask, pending.conversation) {
                let what = Observation::Called {
                    sender: self.device.party.clone(),
                    client_id: pending.id.clone(),
                    digest: pending.digest,
                };
                self.out.observed.push(Observed { conversation, what });
            }
            self.out.say.push(pending.json.clone());
        }
    }

    /// When something that was refused for now may go again.
    pub fn next_due_us(&self) -> Option<u64> {
        self.outbox.next_due_us().filter(|_| self.welcomed)
    }

    /// Takes one frame of the desk.
    pub fn hear(&mut self, text: &str, now_us: u64) {
        match ServerFrame::decode(text) {
            Ok(frame) => self.frame(frame, now_us),
            Err(error) => {
                let start: String = text.chars().take(120).collect();
                self.out.heard.push(Heard::Unreadable(format!("{error}: {start}")));
            }
        }
        self.pump(now_us);
    }

    fn frame(&mut self, frame: ServerFrame<'_>, now_us: u64) {
        match frame {
            ServerFrame::Welcome(welcome) => {
                self.hello = None;
                self.welcomed = true;
                for live in &welcome.conversations {
                    let known = self.places.contains_key(&live.conversation);
                    let place = self.places.entry(live.conversation).or_default();
                    place.left = false;
                    place.assign_seq = live.assign_seq.or(place.assign_seq);
                    if !known && live.head > 0 {
                        self.fetch(live.conversation);
                    }
                }
                self.out.heard.push(Heard::Welcome);
            }
            ServerFrame::Entry(entry) => self.entry(&entry),
            ServerFrame::Ack(ack) => self.acked(&ack.re, ack.seq),
            ServerFrame::Opened(opened) => {
                self.places.entry(opened.conversation).or_default().left = false;
                self.outbox.answered(&opened.re);
                self.out.heard.push(Heard::Opened { conversation: opened.conversation });
            }
            ServerFrame::CaughtUp(caught_up) => {
                self.settle_fetch(&caught_up.re, caught_up.conversation);
                if self.cursor(caught_up.conversation) < caught_up.head {
                    self.fetch(caught_up.conversation);
                }
            }
            ServerFrame::Reset(reset) => self.fetch(reset.conversation),
            ServerFrame::Error(error) => self.refused(&error, now_us),
            ServerFrame::Assigned(assigned) => self.assigned(assigned.conversation, assigned.assign_seq),
            ServerFrame::Unassigned(unassigned) => self.unassigned(unassigned.conversation),
            ServerFrame::Offer(offer) => self.out.heard.push(Heard::Offered { offer: offer.offer }),
            ServerFrame::RateInvitation(invited) => {
                self.out.heard.push(Heard::RateInvited { conversation: invited.conversation });
            }
            ServerFrame::State(state) => {
                if let Some(place) = self.places.get_mut(&state.conversation) {
                    place.assign_seq = state.assign_seq.or(place.assign_seq);
                }
            }
            ServerFrame::Drain(_) => self.out.heard.push(Heard::Drain),
            ServerFrame::Pong(_)
            | ServerFrame::Typing(_)
            | ServerFrame::Read(_)
            | ServerFrame::Queue(_)
            | ServerFrame::OfferWithdrawn(_)
            | ServerFrame::Alert(_) => {}
        }
    }

    /// The client rule (protocol 10).
    fn entry(&mut self, entry: &EntryFrame<'_>) {
        let Some(author) = sighting::party(&entry.from) else {
            self.out.heard.push(Heard::Unreadable(format!("an author `{}`", entry.from.id)));
            return;
        };
        let place = self.places.entry(entry.conversation).or_default();
        if entry.seq <= place.cursor {
            self.out.heard.push(Heard::Repeat);
            return;
        }
        if entry.prev > place.cursor {
            self.out.heard.push(Heard::Hole);
            self.fetch(entry.conversation);
            return;
        }
        place.cursor = entry.seq;
        let said = sighting::said(&entry.content);
        self.note(
            entry.conversation,
            Observation::Took {
                device: self.device.clone(),
                sight: self.sight,
                seq: entry.seq,
                prev: entry.prev,
                author: author.clone(),
                said: said.clone(),
            },
        );
        let text = match &entry.content {
            EntryContent::Message(Content::Text { text }) => Some(text.as_str().into()),
            EntryContent::Message(_) | EntryContent::Event(_) | EntryContent::Redacted => None,
        };
        self.out.heard.push(Heard::Entry { conversation: entry.conversation, author, said, text });
    }

    fn fetch(&mut self, conversation: ConversationId) {
        let place = self.places.entry(conversation).or_default();
        if place.fetching {
            return;
        }
        place.fetching = true;
        let after = place.cursor;
        self.ask(Ask::Fetch, Some(conversation), 0, 0, |id| ClientFrame::Fetch {
            id: id.into(),
            conversation,
            after,
            limit: crate::wire::limits::FETCH_DEFAULT,
        });
    }

    /// A `caught_up` that answers the hello leaves an open fetch alone.
    fn settle_fetch(&mut self, re: &str, conversation: ConversationId) {
        if self.outbox.answered(re).is_some()
            && let Some(place) = self.places.get_mut(&conversation)
        {
            place.fetching = false;
        }
    }

    fn acked(&mut self, re: &str, seq: Option<Seq>) {
        let Some(pending) = self.outbox.answered(re) else {
            self.out.heard.push(Heard::Unreadable(format!("an ack of `{re}`, which waits for none")));
            return;
        };
        if let (Ask::Send, Some(conversation)) = (pending.ask, pending.conversation) {
            self.note(
                conversation,
                Observation::Acked {
                    sender: self.device.party.clone(),
                    client_id: pending.id.clone(),
                    seq: seq.unwrap_or(0),
                },
            );
        }
        let Pending { id, ask, intended_us, .. } = pending;
        self.out.heard.push(Heard::Acked { id, ask, intended_us });
    }

    fn refused(&mut self, error: &ErrorFrame<'_>, now_us: u64) {
        let code = error.code;
        let again = code.retry() == Retry::Later;
        let Some(re) = error.re.as_ref() else {
            // A position that may not be read any more; the sign-in stands.
            if let Some(place) = error.conversation.and_then(|c| self.places.get_mut(&c)) {
                place.left = true;
            }
            return;
        };
        if self.hello.as_deref() == Some(re.as_str()) {
            if let Some(place) = error.conversation.and_then(|c| self.places.get_mut(&c)) {
                place.left = true;
            } else {
                self.out.heard.push(Heard::Refused { id: re.as_str().into(), ask: Ask::Hello, code, again });
            }
            return;
        }
        let not_before_us = now_us + error.retry_after_ms.unwrap_or(RETRY_MS).max(1) * 1_000;
        let Some(pending) = self.outbox.postpone(re, not_before_us) else { return };
        let (id, ask, conversation) = (pending.id.clone(), pending.ask, pending.conversation);
        if !again {
            self.outbox.answered(re);
        }
        match (ask, conversation) {
            (Ask::Send, Some(conversation)) => self.note(
                conversation,
                Observation::Refused { sender: self.device.party.clone(), client_id: id.clone(), again },
            ),
            (Ask::Fetch, Some(conversation)) if !again => {
                let place = self.places.entry(conversation).or_default();
                place.fetching = false;
                place.left = true;
            }
            (_, _) => {}
        }
        self.out.heard.push(Heard::Refused { id, ask, code, again });
    }

    fn note(&mut self, conversation: ConversationId, what: Observation) {
        self.out.observed.push(Observed { conversation, what });
    }

    fn assigned(&mut self, conversation: ConversationId, assign_seq: AssignSeq) {
        let place = self.places.entry(conversation).or_default();
        place.left = false;
        place.assign_seq = Some(assign_seq);
        if let Party::Agent(agent) = self.device.party {
            let what = Observation::Assigned { agent, assign_seq };
            self.note(conversation, what);
        }
        // What was said before the assignment is not pushed to its new agent.
        self.fetch(conversation);
        self.out.heard.push(Heard::Assigned { conversation, assign_seq });
    }

    fn unassigned(&mut self, conversation: ConversationId) {
        if let Some(place) = self.places.get_mut(&conversation) {
            place.left = true;
            place.assign_seq = None;
        }
        if let Party::Agent(agent) = self.device.party {
            let what = Observation::Unassigned { agent };
            self.note(conversation, what);
        }
        self.out.heard.push(Heard::Unassigned { conversation });
    }
}

fn json(frame: &ClientFrame<'_>) -> String {
    // Frames are made of text, numbers and identifiers: they always have a JSON form.
    frame.to_json().unwrap_or_default()
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
