//! What a client has asked and not yet heard back: kept over reconnects, repeated in order under the same ids.
//!
//! Pure. At most `WINDOW` requests are on the wire at one time; what was refused for now waits for its time.

use crate::ident::ConversationId;
use std::collections::VecDeque;
use std::sync::Arc;

/// Requests on the wire at one time; below the contract's 16 sends in flight.
const WINDOW: usize = 8;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Hello,
    Send,
    Open,
    Fetch,
    Other,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: Arc<str>,
    pub(super) json: String,
    pub(super) ask: Ask,
    pub(super) conversation: Option<ConversationId>,
    /// Of a `send`'s content.
    pub(super) digest: u64,
    /// When it should have been asked, in the player's own microseconds.
    pub(super) intended_us: u64,
    /// It is on the wire of the present connection.
    pub(super) said: bool,
    pub(super) not_before_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Pending>);

impl Outbox {
    pub(super) fn push(&mut self, pending: Pending) {
        self.0.push_back(pending);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Marks as said what may go on the wire now, in order.
    pub(super) fn go(&mut self, now_us: u64) -> impl Iterator<Item = &Pending> {
        let on_wire = self.0.iter().filter(|pending| pending.said).count();
        let ready = move |pending: &&mut Pending| !pending.said && pending.not_before_us <= now_us;
        self.0.iter_mut().filter(ready).take(WINDOW.saturating_sub(on_wire)).map(|pending| {
            pending.said = true;
            &*pending
        })
    }

    pub(super) fn answered(&mut self, re: &str) -> Option<Pending> {
        let at = self.0.iter().position(|pending| &*pending.id == re)?;
        self.0.remove(at)
    }

    /// Refused for now: it may go again at `not_before_us`.
    pub(super) fn postpone(&mut self, re: &str, not_before_us: u64) -> Option<&Pending> {
        let pending = self.0.iter_mut().find(|pending| &*pending.id == re)?;
        pending.said = false;
        pending.not_before_us = not_before_us;
        Some(pending)
    }

    /// The connection is gone. Fetches are not repeated: the next connection resumes by position.
    pub(super) fn lost(&mut self) {
        self.0.retain(|pending| pending.ask != Ask::Fetch);
        for pending in &mut self.0 {
            pending.said = false;
        }
    }

    /// When the first request that waits may go.
    pub(super) fn next_due_us(&self) -> Option<u64> {
        self.0.iter().filter(|pending| !pending.said).map(|pending| pending.not_before_us).min()
    }
}
