//! What comes of a frame: what a player may act on, what to say back, what to tell the checker.

use super::history::{Observed, Party, Said};
use super::outbox::Ask;
use crate::ident::{AssignSeq, ConversationId, OfferId};
use crate::refusal::Code;
use std::sync::Arc;

/// What happened that a player may act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Welcome,
    /// An entry that the client rule took.
    Entry {
        conversation: ConversationId,
        author: Party,
        said: Said,
        text: Option<Arc<str>>,
    },
    /// An entry that the client rule ignored, or a hole that is being fetched.
    Repeat,
    Hole,
    Opened {
        conversation: ConversationId,
    },
    /// The one answer to a request; `intended_us` as it was asked.
    Acked {
        id: Arc<str>,
        ask: Ask,
        intended_us: u64,
    },
    /// Refused for good (`again` false), or to be repeated by itself after a while.
    Refused {
        id: Arc<str>,
        ask: Ask,
        code: Code,
        again: bool,
    },
    Assigned {
        conversation: ConversationId,
        assign_seq: AssignSeq,
    },
    Unassigned {
        conversation: ConversationId,
    },
    Offered {
        offer: OfferId,
    },
    RateInvited {
        conversation: ConversationId,
    },
    /// The desk asks to connect again elsewhere.
    Drain,
    /// A frame that no client of the contract can read, or that answers nothing.
    Unreadable(String),
}

/// What came of a step: what to say, what to tell the checker, what the player may act on.
#[derive(Debug, Default)]
pub struct Outcome {
    pub say: Vec<String>,
    pub observed: Vec<Observed>,
    pub heard: Vec<Heard>,
}
