//! Items on their way out: a queue with bounds, and how what waits becomes batches.
//!
//! The queue is open only while the bus carries: what is handed over otherwise is given back at once, and what waits when
//! it closes is dropped, for a hint that is late helps nobody. Every drop leaves a hole in the channel's numbers, so that
//! receivers learn of it with the next batch.
//!
//! Refuses to wait, and to know Redis.

use super::Options;
use super::meters::{BusMeters, add};
use crate::ident::NodeId;
use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Items of one batch at most: what one PUBLISH carries.
pub(super) const BATCH_ITEMS: usize = 256;
/// Bytes of one batch at most, where it has more than one item.
const BATCH_BYTES: usize = 256 * 1024;
/// What is taken off the queue for one round trip, so that one that hangs holds little.
const ROUND_ITEMS: usize = 16 * BATCH_ITEMS;
const ROUND_BYTES: usize = 2 * 1024 * 1024;
/// Channels whose numbers are remembered.
const NUMBERED: usize = 4_096;

/// Where items go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    Everybody,
    Node(NodeId),
}

/// The numbers of batches, per channel.
#[derive(Debug, Default)]
struct Numbers {
    last: HashMap<Channel, u64>,
    /// Where a channel starts of which nothing is remembered: above all that was ever used, so that it never repeats.
    floor: u64,
}

impl Numbers {
    fn next(&mut self, channel: &Channel) -> u64 {
        if let Some(last) = self.last.get_mut(channel) {
            *last = last.saturating_add(1);
            return *last;
        }
        if self.last.len() >= NUMBERED {
            self.floor = self.last.values().copied().max().unwrap_or(self.floor).saturating_add(1);
            self.last.clear();
        }
        let first = self.floor.saturating_add(1);
        self.last.insert(channel.clone(), first);
        first
    }
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<(Channel, Bytes)>,
    bytes: usize,
    is_open: bool,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Outgoing {
    waiting: Mutex<Waiting>,
    numbers: Mutex<Numbers>,
    /// Copy of `Waiting::is_open` for those who only look.
    is_open: AtomicBool,
    ready: Notify,
    max_items: usize,
    max_bytes: usize,
    meters: Arc<BusMeters>,
}

/// Items of one channel that go out together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) channel: Channel,
    pub(super) items: Vec<Bytes>,
}

impl Outgoing {
    /// A closed queue.
    pub(super) fn new(options: &Options, meters: Arc<BusMeters>) -> Self {
        Self {
            waiting: Mutex::default(),
            numbers: Mutex::default(),
            is_open: AtomicBool::new(false),
            ready: Notify::new(),
            max_items: options.queue_items,
            max_bytes: options.queue_bytes,
            meters,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Takes items from now on.
    pub(super) fn open(&self) {
        self.waiting.lock().is_open = true;
        self.is_open.store(true, Ordering::Release);
    }

    /// Takes no more, and drops what waits; tells whether it was open.
    pub(super) fn close(&self) -> bool {
        self.is_open.store(false, Ordering::Release);
        let mut waiting = self.waiting.lock();
        let was_open = std::mem::take(&mut waiting.is_open);
        let left = std::mem::take(&mut waiting.items);
        waiting.bytes = 0;
        self.note_depth(&waiting);
        drop(waiting);
        self.count_lost(left.len());
        let mut numbers = self.numbers.lock();
        for (channel, _) in &left {
            numbers.next(channel);
        }
        was_open
    }

    /// Items that were under way are lost; their batches' numbers are holes already.
    pub(super) fn count_lost(&self, items: usize) {
        add(&self.meters.dropped_interrupted, items);
    }

    /// Queues an item; false where it was dropped.
    pub(super) fn push(&self, channel: Channel, item: Bytes) -> bool {
        if item.is_empty() || item.len() > self.max_bytes || item.contains(&b'\n') {
            add(&self.meters.dropped_unfit, 1);
            return false;
        }
        let mut waiting = self.waiting.lock();
        let reason = if !waiting.is_open {
            &self.meters.dropped_not_carrying
        } else if waiting.items.len() >= self.max_items
            || waiting.bytes.saturating_add(item.len()) > self.max_bytes
        {
            &self.meters.dropped_full
        } else {
            let is_first = waiting.items.is_empty();
            waiting.bytes = waiting.bytes.saturating_add(item.len());
            waiting.items.push_back((channel, item));
            self.note_depth(&waiting);
            drop(waiting);
            if is_first {
                self.ready.notify_one();
            }
            return true;
        };
        drop(waiting);
        add(reason, 1);
        self.numbers.lock().next(&channel);
        false
    }

    /// Items that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().items.len()
    }

    /// Ends when something may have come to wait, or `wake` was called.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    pub(super) fn wake(&self) {
        self.ready.notify_one();
    }

    /// Takes what one round trip carries off the queue, oldest first.
    pub(super) fn take(&self) -> Vec<(Channel, Bytes)> {
        let mut waiting = self.waiting.lock();
        let mut bytes = 0_usize;
        let count = waiting.items.iter().take(ROUND_ITEMS).take_while(|(_, item)| {
            let fits = bytes == 0 || bytes.saturating_add(item.len()) <= ROUND_BYTES;
            bytes = bytes.saturating_add(item.len());
            fits
        });
        let count = count.count();
        let taken: Vec<(Channel, Bytes)> = waiting.items.drain(..count).collect();
        let taken_bytes: usize = taken.iter().map(|(_, item)| item.len()).sum();
        waiting.bytes = waiting.bytes.saturating_sub(taken_bytes);
        self.note_depth(&waiting);
        if !waiting.items.is_empty() {
            self.ready.notify_one();
        }
        taken
    }

    /// The number of the next batch on `channel`.
    pub(super) fn number(&self, channel: &Channel) -> u64 {
        self.numbers.lock().next(channel)
    }

    fn note_depth(&self, waiting: &Waiting) {
        self.meters.queue_items.store(waiting.items.len() as u64, Ordering::Relaxed);
        self.meters.queue_bytes.store(waiting.bytes as u64, Ordering::Relaxed);
    }
}

/// Puts items together by channel without changing the order in which any node hears them: an item joins the last batch
/// of its channel unless a batch that its receivers hear as well has been begun after that one.
pub(super) fn grouped(items: Vec<(Channel, Bytes)>) -> Vec<Group> {
    let mut groups: Vec<(Group, usize)> = Vec::new();
    let mut last_of: HashMap<Channel, usize> = HashMap::new();
    let mut last_of_any_node: Option<usize> = None;
    for (channel, item) in items {
        let last = last_of.get(&channel).copied();
        let overtaken_by = match channel {
            Channel::Everybody => last_of_any_node,
            Channel::Node(_) => last_of.get(&Channel::Everybody).copied(),
        };
        let open = last.filter(|last| overtaken_by.is_none_or(|other| other < *last));
        match open.and_then(|at| groups.get_mut(at)) {
            Some((group, bytes))
                if group.items.len() < BATCH_ITEMS && bytes.saturating_add(item.len()) <= BATCH_BYTES =>
            {
                *bytes = bytes.saturating_add(item.len());
                group.items.push(item);
            }
            Some(_) | None => {
                let at = groups.len();
                if matches!(channel, Channel::Node(_)) {
                    last_of_any_node = Some(at);
                }
                last_of.insert(channel.clone(), at);
                let bytes = item.len();
                groups.push((Group { channel, items: vec![item] }, bytes));
            }
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
