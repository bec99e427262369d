//! A client that keeps the protocol: positions by the client rule, sends repeated under the same id until answered.

use rushdesk::conversation::event::{Entry, Event, View};
use rushdesk::ident::{AssignSeq, ConversationId, OfferId, Seq};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A message or frame that wants an answer.
#[derive(Debug, Clone)]
pub(crate) struct Send {
    pub(crate) id: u64,
    pub(crate) conversation: ConversationId,
    pub(crate) text: Arc<str>,
    pub(crate) leave: bool,
    pub(crate) under: Option<AssignSeq>,
    /// The line it was last put on; it is repeated when that line is gone.
    pub(crate) on_line: u64,
}

/// What a client remembers of one conversation.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) have: Seq,
    pub(crate) taken: Vec<Entry>,
    pub(crate) closed: bool,
    pub(crate) assign_seq: AssignSeq,
    pub(crate) assigned_to_me: bool,
    pub(crate) said_since_assigned: u64,
}

pub(crate) struct Client {
    pub(crate) view: View,
    /// Number of the present line; 0 while not connected.
    pub(crate) line: u64,
    pub(crate) places: BTreeMap<ConversationId, Place>,
    pub(crate) outbox: Vec<Send>,
    pub(crate) offers: Vec<(OfferId, ConversationId)>,
    /// The visitor's present conversation.
    pub(crate) present: Option<ConversationId>,
    pub(crate) sent: u64,
}

/// What becomes of an entry that has arrived (protocol 10).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    Taken,
    Ignored,
    Gap,
}

impl Client {
    pub(crate) const fn new(view: View) -> Self {
        Self {
            view,
            line: 0,
            places: BTreeMap::new(),
            outbox: Vec::new(),
            offers: Vec::new(),
            present: None,
            sent: 0,
        }
    }

    /// The client rule: take it if `prev` ≤ have < `seq`, ignore it if `seq` ≤ have, else fetch.
    pub(crate) fn receive(&mut self, conversation: ConversationId, me: Option<u128>, entry: &Entry) -> Took {
        let place = self.places.entry(conversation).or_default();
        if entry.seq <= place.have {
            return Took::Ignored;
        }
        if entry.prev(self.view) > place.have {
            return Took::Gap;
        }
        place.have = entry.seq;
        place.taken.push(entry.clone());
        match &entry.event {
            Event::Closed { .. } => {
                place.closed = true;
                place.assigned_to_me = false;
            }
            Event::Reopened => place.closed = false,
            Event::Assigned { agent, assign_seq, .. } => {
                place.assign_seq = *assign_seq;
                place.assigned_to_me = Some(agent.as_u128()) == me;
                place.said_since_assigned = 0;
            }
            Event::Transferred { .. } | Event::Requeued { .. } => place.assigned_to_me = false,
            _ => {}
        }
        Took::Taken
    }

    pub(crate) fn answered(&mut self, id: u64) -> Option<Send> {
        let at = self.outbox.iter().position(|send| send.id == id)?;
        Some(self.outbox.remove(at))
    }

    /// Conversations that this agent believes to hold.
    pub(crate) fn held(&self) -> Vec<ConversationId> {
        let held = self.places.iter().filter(|(_, place)| place.assigned_to_me && !place.closed);
        held.map(|(id, _)| *id).collect()
    }
}
