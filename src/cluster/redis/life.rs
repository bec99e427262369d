//! One life of the two connections: publish what waits, hear what comes, probe the way. It ends with the first thing that
//! is wrong; nothing in it is mended or sent again.
//!
//! A round goes out without waiting for the answers to those before it; a few are under way at most, and their answers are
//! looked at as they come. Everything here runs on the bus's one thread, so the listener is told one thing at a time.

use super::Shared;
use super::batch::{self, Batch, Payload};
use super::link::{Heard, Link};
use super::meters::add;
use super::outgoing::{BATCH_ITEMS, Channel, grouped};
use super::probe::{Probe, Tick};
use super::quotas;
use super::senders::{Place, Senders};
use crate::journal::meters::micros;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Time between two self-probes, and what each has to come back.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Rounds whose answer is to come; further ones wait in the queue, where they become larger.
const ROUNDS_UNDER_WAY: usize = 4;
/// How long a stop waits until what is queued was published.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Why a life ended.
pub(super) enum Ended {
    Stopped,
    /// A sentence.
    Broken(String),
}

/// Two connections that were opened and subscribed.
pub(super) struct Life {
    shared: Arc<Shared>,
    link: Link,
    ear: Arc<Ear>,
    /// The probe that is to go out with the next round; 0: none.
    probe_due: AtomicU64,
}

impl Life {
    /// Connects, subscribes, and publishes once, so that a Redis that does not allow it is found out now.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) async fn open(shared: &Arc<Shared>) -> Result<Self, String> {
        let ear = Arc::new(Ear::new(shared));
        let channels = [ear.own_name.clone(), ear.everybody_name.clone()].map(text);
        let hears = Arc::clone(&ear);
        let link = Link::open(&shared.address, &channels, move |heard| hears.hear(heard)).await?;
        let life = Self { shared: Arc::clone(shared), link, ear, probe_due: AtomicU64::new(0) };
        let number = life.probe_number();
        life.link.publish(&shared.address, &[life.probe(number)]).await?;
        Ok(life)
    }

    /// Lives until it is stopped or something breaks.
    pub(super) async fn run(self) -> Ended {
        let reason = tokio::select! {
            biased;
            () = self.shared.stopped() => None,
            reason = self.watch() => Some(reason),
            reason = self.publish() => Some(reason),
            never = quotas::settle(&self.shared, &self.link) => match never {},
        };
        match reason {
            Some(reason) => Ended::Broken(reason),
            None => {
                self.publish_the_rest().await;
                Ended::Stopped
            }
        }
    }

    /// Sends probes, tells the listener when the first has come back, and ends when the way does not carry.
    async fn watch(&self) -> String {
        let mut tick = interval(PROBE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probe = Probe::default();
        loop {
            tokio::select! {
                biased;
                () = self.ear.news.notified() => {
                    if self.ear.has_ended.load(Ordering::Relaxed) {
                        return "the subscription ended".to_owned();
                    }
                    let is_proof = probe.is_proof(self.ear.probe_back.load(Ordering::Relaxed));
                    if is_proof && !self.shared.outgoing.is_open() {
                        self.shared.outgoing.open();
                        tracing::info!(redis = %self.shared.address, "the bus carries");
                        self.shared.listener.resumed();
                    }
                }
                _ = tick.tick() => {
                    let number = self.probe_number();
                    match probe.tick(number) {
                        Tick::Send { is_late } => {
                            add(&self.shared.meters.probes_late, usize::from(is_late));
                            self.probe_due.store(number, Ordering::Relaxed);
                            self.shared.outgoing.wake();
                        }
                        Tick::GiveUp => {
                            add(&self.shared.meters.probes_late, 1);
                            return "two self-probes in a row did not come back".to_owned();
                        }
                    }
                }
            }
        }
    }

    /// Publishes whatever waits, round after round.
    async fn publish(&self) -> String {
        let mut under_way = FuturesOrdered::new();
        let mut begun = None;
        loop {
            tokio::select! {
                biased;
                Some(answered) = under_way.next() => if let Err(reason) = answered {
                    return reason;
                },
                () = self.shared.outgoing.ready(), if under_way.len() < ROUNDS_UNDER_WAY => {
                    self.keep_apart(begun);
                    begun = Some(Instant::now());
                    under_way.push_back(self.publish_a_round());
                }
            }
        }
    }

    /// Waits until the next round may begin. The runtime's timers tick in milliseconds, which is too coarse; this thread has
    /// nothing else to do than to hear what comes meanwhile, and hears it together afterwards.
    #[expect(clippy::disallowed_methods, reason = "a thread of the bus's own, for less than a millisecond")]
    fn keep_apart(&self, begun: Option<Instant>) {
        let apart = self.shared.rounds_apart;
        let left = begun.and_then(|begun| apart.checked_sub(begun.elapsed()));
        if let Some(left) = left.filter(|_| self.shared.outgoing.len() < BATCH_ITEMS) {
            std::thread::sleep(left);
        }
    }

    /// One round trip; false where nothing waited.
    async fn publish_a_round(&self) -> Result<bool, String> {
        let meters = &self.shared.meters;
        let taken = self.shared.outgoing.take();
        let under_way = UnderWay { shared: &self.shared, items: taken.len() };
        let bytes: usize = taken.iter().map(|(_, item)| item.len()).sum();
        let mut payloads: Vec<(String, Vec<u8>)> = grouped(taken)
            .into_iter()
            .map(|group| {
                let number = self.shared.outgoing.number(&group.channel);
                self.payload(&group.channel, number, &group.items)
            })
            .collect();
        let probe = self.probe_due.swap(0, Ordering::Relaxed);
        if probe > 0 {
            payloads.push(self.probe(probe));
        }
        if payloads.is_empty() {
            return Ok(false);
        }
        let begun = Instant::now();
        self.link.publish(&self.shared.address, &payloads).await?;
        meters.publish_us.observe(micros(begun.elapsed()));
        add(&meters.batches_out, payloads.len());
        add(&meters.bytes_out, bytes);
        add(&meters.items_out, under_way.arrived());
        Ok(true)
    }

    async fn publish_the_rest(&self) {
        let all = async {
            while let Ok(true) = self.publish_a_round().await {}
            // Redis answers in order: with this answer the rounds that were under way are out as well.
            let last = self.probe(self.probe_number());
            self.link.publish(&self.shared.address, &[last]).await
        };
        if !matches!(timeout(STOP_WITHIN, all).await, Ok(Ok(()))) {
            tracing::warn!("the bus stopped before everything that waited was published");
        }
    }

    /// Probes are the only batches on this node's own channel that come from itself.
    fn probe_number(&self) -> u64 {
        self.shared.outgoing.number(&Channel::Node(self.shared.own.clone()))
    }

    fn probe(&self, number: u64) -> (String, Vec<u8>) {
        self.payload(&Channel::Node(self.shared.own.clone()), number, &[])
    }

    fn payload(&self, channel: &Channel, number: u64, items: &[Bytes]) -> (String, Vec<u8>) {
        let Shared { own, incarnation, .. } = &*self.shared;
        (self.shared.name(channel), batch::written(own, incarnation, number, items))
    }
}

/// Items of a round trip; counted as lost where it did not end well.
struct UnderWay<'a> {
    shared: &'a Shared,
    items: usize,
}

impl UnderWay<'_> {
    fn arrived(mut self) -> usize {
        std::mem::take(&mut self.items)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.shared.outgoing.count_lost(self.items);
    }
}

/// What hears: judges each payload and tells the listener.
struct Ear {
    shared: Arc<Shared>,
    own_name: Vec<u8>,
    everybody_name: Vec<u8>,
    to_own: Mutex<Senders>,
    to_everybody: Mutex<Senders>,
    /// The last probe that came back.
    probe_back: AtomicU64,
    has_ended: AtomicBool,
    /// A probe came back or the subscription ended.
    news: Notify,
}

impl Ear {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            own_name: shared.name(&Channel::Node(shared.own.clone())).into_bytes(),
            everybody_name: shared.name(&Channel::Everybody).into_bytes(),
            shared: Arc::clone(shared),
            to_own: Mutex::default(),
            to_everybody: Mutex::default(),
            probe_back: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            news: Notify::new(),
        }
    }

    fn hear(&self, heard: Heard) {
        match heard {
            Heard::Payload { channel, payload } if channel == self.own_name => {
                self.judge(&self.to_own, payload)
            }
            Heard::Payload { channel, payload } if channel == self.everybody_name => {
                self.judge(&self.to_everybody, payload);
            }
            Heard::Payload { .. } => {}
            Heard::End => {
                self.has_ended.store(true, Ordering::Relaxed);
                self.news.notify_one();
            }
        }
    }

    fn judge(&self, senders: &Mutex<Senders>, payload: Vec<u8>) {
        let meters = &self.shared.meters;
        match batch::read(payload) {
            Payload::Garbage => {
                add(&meters.skipped_garbage, 1);
                tracing::debug!("something that no node sends was published on a channel of the bus");
            }
            Payload::Newer(from) => {
                add(&meters.skipped_newer, 1);
                self.shared.listener.lost(&from);
            }
            Payload::Batch(batch) if batch.from == self.shared.own => self.own_batch(&batch),
            Payload::Batch(batch) => self.take(senders, batch),
        }
    }

    /// What this node itself published: of interest only as the echo of a probe.
    fn own_batch(&self, batch: &Batch) {
        if batch.items.is_empty() && batch.incarnation == self.shared.incarnation {
            self.probe_back.store(batch.n, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    fn take(&self, senders: &Mutex<Senders>, batch: Batch) {
        let meters = &self.shared.meters;
        let Batch { from, incarnation, n, items } = batch;
        let place = senders.lock().place(&from, &incarnation, n);
        match place {
            Place::Repeated => {
                add(&meters.skipped_repeated, 1);
                return;
            }
            Place::AfterGap => {
                add(&meters.gaps, 1);
                self.shared.listener.lost(&from);
            }
            Place::Next => {}
        }
        add(&meters.batches_in, 1);
        add(&meters.items_in, items.len());
        add(&meters.bytes_in, items.iter().map(Bytes::len).sum());
        if !items.is_empty() {
            self.shared.listener.heard(&from, items);
        }
    }
}

fn text(name: Vec<u8>) -> String {
    String::from_utf8_lossy(&name).into_owned()
}
