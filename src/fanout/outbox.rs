//! What waits to be written to one socket: bounded in frames and bytes, filled from any thread, outside the actor.
//!
//! A socket whose reader does not read stops its actor, timers included, so the bound cannot live inside the actor.
//! When it is full, hints go first; then everything is thrown away and the connection is closed with 4420 (the client
//! resumes by position, nothing is lost). The socket's actor is told once that there is something to take.

use crate::ident::{ConversationId, Seq, SessionId};
use crate::wire::close::CloseCode;
use crate::wire::node::News;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::OnceLock;

/// One thing to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An answer or an announcement.
    Frame(Bytes),
    /// An entry of a log, so that the session can join history and live flow without a double.
    Entry {
        conversation: ConversationId,
        /// The entry before it that this recipient may see.
        prev: Seq,
        seq: Seq,
        frame: Bytes,
    },
    /// A frame about an agent's work, and what it says.
    News {
        news: News,
        frame: Bytes,
    },
    /// Where a conversation is as of `head`, read from the store: out of date where a later entry has come by.
    StateAt {
        conversation: ConversationId,
        /// The last entry that this recipient may see.
        head: Seq,
        frame: Bytes,
    },
    /// May be dropped.
    Hint(Bytes),
    /// Something may have been lost on its way here from another node: the store is to be asked at some moment within
    /// this time. May be dropped, since the rounds of the session ask too.
    LookAgain {
        within_ms: u64,
    },
    Close(CloseCode),
}

impl Item {
    const fn bytes(&self) -> usize {
        match self {
            Self::Frame(frame)
            | Self::Entry { frame, .. }
            | Self::News { frame, .. }
            | Self::StateAt { frame, .. }
            | Self::Hint(frame) => frame.len(),
            Self::LookAgain { .. } | Self::Close(_) => 0,
        }
    }

    const fn may_be_dropped(&self) -> bool {
        match self {
            Self::Hint(_) | Self::LookAgain { .. } => true,
            Self::Frame(_)
            | Self::Entry { .. }
            | Self::News { .. }
            | Self::StateAt { .. }
            | Self::Close(_) => false,
        }
    }
}

/// Bounds of one outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub frames: usize,
    pub bytes: usize,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    Queued,
    /// Something that may be dropped and found no room, or an item after the end.
    Dropped,
    /// The reader was too slow: the queue is gone, the connection will be closed.
    Overflowed,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    told: bool,
    ended: bool,
}

/// The queue before one socket.
pub struct Outbox {
    pub session: SessionId,
    /// The device that the client named at sign-in.
    pub device: Option<String>,
    bounds: Bounds,
    waiting: Mutex<Waiting>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Outbox {
    /// `wake` is called from any thread when the queue stops being empty; it must only enqueue.
    pub fn new(
        session: SessionId,
        device: Option<String>,
        bounds: Bounds,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let outbox = Self { session, device, bounds, waiting: Mutex::default(), wake: OnceLock::new() };
        let _first = outbox.wake.set(wake);
        outbox
    }

    pub fn push(&self, item: Item) -> Push {
        let (push, wake) = {
            let mut waiting = self.waiting.lock();
            let push = self.enqueue(&mut waiting, item);
            let wake = push != Push::Dropped && !waiting.told;
            waiting.told |= wake;
            (push, wake)
        };
        if wake && let Some(wake) = self.wake.get() {
            wake();
        }
        push
    }

    fn enqueue(&self, waiting: &mut Waiting, item: Item) -> Push {
        if waiting.ended {
            return Push::Dropped;
        }
        if matches!(item, Item::Close(_)) {
            waiting.ended = true;
            waiting.items.push_back(item);
            return Push::Queued;
        }
        let full =
            waiting.items.len() >= self.bounds.frames || waiting.bytes + item.bytes() > self.bounds.bytes;
        if full && item.may_be_dropped() {
            return Push::Dropped;
        }
        if full {
            *waiting = Waiting {
                items: VecDeque::from([Item::Close(CloseCode::SlowReader)]),
                bytes: 0,
                told: waiting.told,
                ended: true,
            };
            return Push::Overflowed;
        }
        waiting.bytes += item.bytes();
        waiting.items.push_back(item);
        Push::Queued
    }

    /// Takes everything that waits; the next push wakes again.
    pub fn take(&self) -> VecDeque<Item> {
        let mut waiting = self.waiting.lock();
        waiting.told = false;
        waiting.bytes = 0;
        std::mem::take(&mut waiting.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn outbox(frames: usize, bytes: usize) -> (Outbox, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = wakes.clone();
        let wake = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        (Outbox::new(SessionId::from_u128(1), None, Bounds { frames, bytes }, wake), wakes)
    }

    fn frame(text: &'static str) -> Item {
        Item::Frame(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn the_reader_is_woken_once_for_all_that_gathers() {
        let (outbox, wakes) = outbox(8, 100);
        outbox.push(frame("a"));
        outbox.push(frame("b"));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(outbox.take().len(), 2);
        outbox.push(frame("c"));
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_full_outbox_drops_hints_and_ends_on_anything_else() {
        let (outbox, _) = outbox(2, 100);
        outbox.push(frame("a"));
        outbox.push(frame("b"));
        assert_eq!(outbox.push(Item::Hint(Bytes::from_static(b"typing"))), Push::Dropped);
        assert_eq!(outbox.push(frame("c")), Push::Overflowed);
        assert_eq!(outbox.take(), VecDeque::from([Item::Close(CloseCode::SlowReader)]));
        assert_eq!(outbox.push(frame("d")), Push::Dropped);
    }

    #[test]
    fn bytes_are_bounded_as_well_as_frames() {
        let (outbox, _) = outbox(100, 5);
        assert_eq!(outbox.push(frame("12345")), Push::Queued);
        assert_eq!(outbox.push(frame("6")), Push::Overflowed);
    }
}
