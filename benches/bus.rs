//! The bus between two nodes through one redis-server of the bench's own: how many items of 190 bytes a second, what one
//! costs in CPU (both nodes together, and Redis), and how long one is under way at a fixed rate in open loop.
//!
//! `cargo bench --bench bus` prints figures. It asserts what must hold on any machine (every item arrived, in order) and
//! never a duration.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench waits, ends at the first surprise, and prints"
)]

#[expect(dead_code, reason = "this bench ends no server early")]
#[path = "../tests/servers/redis.rs"]
mod redis_server;

use bytes::Bytes;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use redis_server::RedisServer;
use rushdesk::cluster::bus::{Bus, Listener, To};
use rushdesk::cluster::redis::{Options, Redis};
use rushdesk::ident::NodeId;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ITEM_BYTES: usize = 190;
const SATURATED: u64 = 4_000_000;
const PER_SECOND: [u64; 3] = [1_000, 5_000, 50_000];
const ROUNDS_APART_US: [u64; 4] = [0, 200, 400, 900];
const SECONDS: u64 = 5;

/// Counts, and notes how long each item was under way since the microsecond that it begins with.
struct Ear {
    begun: Instant,
    heard: AtomicU64,
    last_us: AtomicU64,
    is_carrying: AtomicBool,
    under_way_us: Mutex<Histogram<u64>>,
}

impl Listener for Ear {
    fn heard(&self, _from: &NodeId, items: Vec<Bytes>) {
        let now_us = self.begun.elapsed().as_micros() as u64;
        let mut under_way = self.under_way_us.lock();
        for item in &items {
            let sent_us: u64 = std::str::from_utf8(item).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(self.last_us.swap(sent_us, Ordering::Relaxed) <= sent_us, "in order");
            under_way.record(now_us.saturating_sub(sent_us).max(1)).unwrap();
        }
        self.heard.fetch_add(items.len() as u64, Ordering::Release);
    }
    fn interrupted(&self) {
        self.is_carrying.store(false, Ordering::Release);
    }
    fn resumed(&self) {
        self.is_carrying.store(true, Ordering::Release);
    }
    fn lost(&self, from: &NodeId) {
        println!("something of {from} was lost");
    }
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn join(server: &RedisServer, name: &str, rounds_apart: Duration) -> (Redis, Arc<Ear>) {
    let ear = Arc::new(Ear {
        begun: Instant::now(),
        heard: AtomicU64::new(0),
        last_us: AtomicU64::new(0),
        is_carrying: AtomicBool::new(false),
        under_way_us: Mutex::new(Histogram::new(3).unwrap()),
    });
    let options = Options { rounds_apart, ..Options::default() };
    let bus = Redis::start(&server.url(), &options, node(name), ear.clone()).expect("Redis serves");
    while !ear.is_carrying.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
    (bus, ear)
}

fn item(sent: Duration) -> Bytes {
    let text = format!("{} ", sent.as_micros());
    Bytes::from(format!("{text:x<ITEM_BYTES$}"))
}

/// CPU seconds of this process.
fn own_cpu_s() -> f64 {
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>()
        / TICKS_PER_S
}

/// CPU seconds of the server.
fn redis_cpu_s(server: &RedisServer) -> f64 {
    let mut told = BufReader::new(server.stranger(&["INFO", "cpu"])).lines();
    let mut value = |name: &str| -> f64 {
        let line = told.by_ref().map(Result::unwrap).find(|line| line.starts_with(name)).unwrap();
        line.rsplit(':').next().unwrap().parse().unwrap()
    };
    value("used_cpu_sys:") + value("used_cpu_user:")
}

fn await_heard(ear: &Ear, wanted: u64) {
    while ear.heard.load(Ordering::Acquire) < wanted {
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn saturated(server: &RedisServer) {
    let apart = Options::default().rounds_apart;
    let ((a, _), (_b, ear)) = (join(server, "a", apart), join(server, "b", apart));
    let receiver = node("b");
    let (begun, own, redis) = (Instant::now(), own_cpu_s(), redis_cpu_s(server));
    for _ in 0..SATURATED {
        let item = item(ear.begun.elapsed());
        while !a.send(To::Node(&receiver), item.clone()) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    await_heard(&ear, SATURATED);
    tell("as fast as it is taken", SATURATED, begun, own_cpu_s() - own, redis_cpu_s(server) - redis, &a);
}

fn open_loop(server: &RedisServer, per_second: u64, apart: Duration) {
    let ((a, _), (_b, ear)) = (join(server, "a", apart), join(server, "b", apart));
    let receiver = node("b");
    let (begun, own, redis) = (Instant::now(), own_cpu_s(), redis_cpu_s(server));
    let start = ear.begun.elapsed();
    for at in 0..per_second * SECONDS {
        let intended = start + Duration::from_nanos(1_000_000_000 / per_second * at);
        while ear.begun.elapsed() < intended {
            std::thread::sleep(Duration::from_micros(50));
        }
        assert!(a.send(To::Node(&receiver), item(intended)));
    }
    await_heard(&ear, per_second * SECONDS);
    let name = format!("{per_second}/s, rounds {} us apart", apart.as_micros());
    tell(&name, per_second * SECONDS, begun, own_cpu_s() - own, redis_cpu_s(server) - redis, &a);
    let under_way = ear.under_way_us.lock();
    let [p50, p99] = [0.5, 0.99].map(|quantile| under_way.value_at_quantile(quantile));
    println!("  under way: p50 {p50} us, p99 {p99} us, most {} us", under_way.max());
}

fn tell(name: &str, items: u64, begun: Instant, own_s: f64, redis_s: f64, sender: &Redis) {
    let batches = sender.meters().batches_out.load(Ordering::Relaxed);
    println!(
        "{name}: {:.0} items/s, {:.2} us CPU an item in both nodes, {:.2} us in Redis, {:.1} items a batch",
        items as f64 / begun.elapsed().as_secs_f64(),
        own_s * 1e6 / items as f64,
        redis_s * 1e6 / items as f64,
        items as f64 / batches as f64,
    );
}

fn main() {
    let server = RedisServer::start();
    saturated(&server);
    for per_second in PER_SECOND {
        for apart in ROUNDS_APART_US {
            open_loop(&server, per_second, Duration::from_micros(apart));
        }
    }
}
