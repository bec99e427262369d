//! The bus against a real redis-server; here what the cases share: a listener that remembers, and waiting for it.

mod outages;
mod quotas;
mod refusals;
mod strangers;
mod talk;
mod wedged;

use super::{BusMeters, Options, Redis};
use crate::cluster::bus::{Bus, Listener, To};
use crate::ident::NodeId;
use crate::redis_server::RedisServer;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything here takes; who waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Heard(NodeId, Bytes),
    Interrupted,
    Resumed,
    Lost(NodeId),
}

/// Remembers all that it was told.
#[derive(Default)]
struct Memory {
    told: Mutex<Vec<Told>>,
    news: Condvar,
}

impl Memory {
    fn note(&self, told: impl IntoIterator<Item = Told>) {
        self.told.lock().extend(told);
        self.news.notify_all();
    }

    /// Waits until what was told is as `wanted`; tells all of it.
    fn await_told(&self, what: &str, wanted: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        let deadline = Instant::now() + PATIENCE;
        let mut told = self.told.lock();
        while !wanted(&told) {
            let in_time = !self.news.wait_until(&mut told, deadline).timed_out();
            let last: Vec<&Told> = told.iter().rev().take(5).collect();
            assert!(in_time, "{what}: not within {PATIENCE:?}; {} told, the last: {last:?}", told.len());
        }
        told.clone()
    }

    fn await_count(&self, wanted: &Told, count: usize) {
        let what = format!("{count} times {wanted:?}");
        self.await_told(&what, |told| told.iter().filter(|one| *one == wanted).count() >= count);
    }

    /// The items heard from `from`.
    fn heard(&self, from: &str) -> Vec<Bytes> {
        items_of(&self.told.lock(), from)
    }
}

fn items_of(told: &[Told], wanted: &str) -> Vec<Bytes> {
    let heard = told.iter().filter_map(|one| match one {
        Told::Heard(from, item) if from.as_str() == wanted => Some(item.clone()),
        _ => None,
    });
    heard.collect()
}

impl Listener for Memory {
    fn heard(&self, from: &NodeId, items: Vec<Bytes>) {
        self.note(items.into_iter().map(|item| Told::Heard(from.clone(), item)));
    }
    fn interrupted(&self) {
        self.note([Told::Interrupted]);
    }
    fn resumed(&self) {
        self.note([Told::Resumed]);
    }
    fn lost(&self, from: &NodeId) {
        self.note([Told::Lost(from.clone())]);
    }
}

/// A node on the bus.
struct Node {
    bus: Redis,
    memory: Arc<Memory>,
}

impl Node {
    /// Joins and waits until the bus carries.
    fn join(server: &RedisServer, name: &str) -> Self {
        Self::join_with(server, name, &Options::default())
    }

    fn join_with(server: &RedisServer, name: &str, options: &Options) -> Self {
        let memory = Arc::new(Memory::default());
        let listener: Arc<dyn Listener> = memory.clone();
        let bus = Redis::start(&server.url(), options, node(name), listener).unwrap();
        memory.await_count(&Told::Resumed, 1);
        assert!(bus.carries());
        Self { bus, memory }
    }

    fn send(&self, to: &str, number: usize) -> bool {
        self.bus.send(To::Node(&node(to)), item(number))
    }

    fn tell_everybody(&self, number: usize) -> bool {
        self.bus.send(To::Everybody, item(number))
    }

    /// Waits until all these numbers and nothing else were heard from `from`, in this order.
    fn await_numbers(&self, from: &str, numbers: std::ops::Range<usize>) {
        let wanted: Vec<Bytes> = numbers.map(item).collect();
        let told = self.memory.await_told(&format!("{} items of {from}", wanted.len()), |told| {
            told.len() >= wanted.len() && items_of(told, from).len() >= wanted.len()
        });
        assert!(items_of(&told, from) == wanted, "items of {from} are missing, repeated or out of order");
    }

    fn meters(&self) -> Arc<BusMeters> {
        self.bus.meters()
    }
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn item(number: usize) -> Bytes {
    Bytes::from(format!("{{\"number\":{number}}}"))
}

fn number(item: &Bytes) -> usize {
    let digits: String = item.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Waits until `counter` has reached `wanted`.
#[expect(clippy::disallowed_methods, reason = "a test may wait")]
fn await_meter(what: &str, counter: &AtomicU64, wanted: u64) {
    let deadline = Instant::now() + PATIENCE;
    while count(counter) < wanted {
        assert!(Instant::now() < deadline, "{what}: {} of {wanted}", count(counter));
        std::thread::sleep(Duration::from_millis(5));
    }
}
