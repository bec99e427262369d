//! The journal's goals that are no throughput (`docs/PERFORMANCE.md`): time to the ack at 5 000 and 20 000 messages a second
//! in open loop beside bare flushes of the same disk; the start with a million stored conversations; the listing of
//! 100 000 waiting. On PostgreSQL, with a server of the bench's own on the same disk: rows a second, and the time to the ack.
//!
//! `cargo bench --bench journal_goals [-- ack | start | postgres]` prints figures and the goal beside each. It asserts what must
//! hold on any machine (every message answered, every row listed) and never a duration.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench ends at the first surprise, and prints"
)]

#[path = "journal/desk.rs"]
mod desk;
#[expect(dead_code, reason = "this bench crashes no server")]
#[path = "../tests/servers/postgres.rs"]
mod postgres_server;

use desk::Desk;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use postgres_server::PostgresServer;
use rushdesk::clock::SystemClock;
use rushdesk::journal::postgres::{Address, Options, Postgres};
use rushdesk::journal::sqlite::Sqlite;
use rushdesk::journal::{Answer, Done, Journal, Op, Outcome, Query};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CONVERSATIONS: u128 = 5_000;
const SECONDS: u64 = 8;
const WARM_UP: Duration = Duration::from_secs(1);

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    if is_wanted("ack") {
        flushes();
        for (per_second, goal_p99_ms) in [(5_000, 3.0), (20_000, 8.0)] {
            let dir = tempfile::tempdir().expect("a folder");
            acks(Desk::open(&dir.path().join("desk.db")), Sqlite::stop, per_second, goal_p99_ms);
        }
    }
    if is_wanted("start") {
        start();
    }
    if is_wanted("postgres") {
        flushes();
        let server = PostgresServer::start_in(&std::env::temp_dir());
        for batch in [512, 2_048, 4_096] {
            rows(desk_on(&server), batch);
        }
        for per_second in [5_000, 20_000] {
            acks(desk_on(&server), Postgres::stop, per_second, 5.0);
        }
    }
}

fn desk_on(server: &PostgresServer) -> Desk<Postgres> {
    let address = Address::parse(&server.fresh_desk()).expect("an address");
    let clock = Arc::new(SystemClock::default());
    Desk::on(Postgres::open(&address, Options::default(), clock).expect("the server serves"))
}

/// Messages as fast as they are taken, with so many unanswered.
fn rows(mut desk: Desk<Postgres>, in_flight: usize) {
    const COUNT: usize = 200_000;
    desk.fill(0..CONVERSATIONS, false);
    desk.messages(COUNT / 10, in_flight, CONVERSATIONS);
    let before = Instant::now();
    desk.messages(COUNT, in_flight, CONVERSATIONS);
    let per_second = COUNT as f64 / before.elapsed().as_secs_f64();
    println!("rows with {in_flight} unanswered: {per_second:.0}/s (goal: >= 100 000/s)");
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("a histogram")
}

fn report(what: &str, histogram: &Histogram<u64>, goal: &str) {
    let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms, n {} {goal}",
        ms(0.5),
        ms(0.99),
        ms(0.999),
        histogram.max() as f64 / 1_000.0,
        histogram.len()
    );
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the disk itself takes: 4 KiB appended and flushed, one after the other.
fn flushes() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut file = std::fs::File::create(dir.path().join("flushed")).expect("a file");
    let mut histogram = histogram();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let before = Instant::now();
        file.write_all(&[7; 4_096]).expect("written");
        file.sync_data().expect("flushed");
        histogram.record(micros(before.elapsed())).expect("recorded");
    }
    report("bare write and fdatasync", &histogram, "");
}

/// Open loop: latency counts from the moment at which the message was due, whenever it could be handed in.
fn acks<J: Journal>(mut desk: Desk<J>, stop: impl FnOnce(&J), per_second: u64, goal_p99_ms: f64) {
    desk.fill(0..CONVERSATIONS, false);
    let answered = Arc::new(AtomicU64::new(0));
    let measured = Arc::new(Mutex::new(histogram()));
    let count = per_second * SECONDS;
    let mut refused = 0_u64;
    let started = Instant::now();
    for number in 0..count {
        let due = Duration::from_nanos(number * 1_000_000_000 / per_second);
        if let Some(early) = due.checked_sub(started.elapsed()).filter(|early| !early.is_zero()) {
            pause(early);
        }
        let (answered, measured) = (Arc::clone(&answered), Arc::clone(&measured));
        let reply = Box::new(move |done| {
            assert!(matches!(done, Done::Write(Outcome::Committed { .. })), "{done:?}");
            answered.fetch_add(1, Ordering::Relaxed);
            if due > WARM_UP {
                let latency = started.elapsed().saturating_sub(due);
                measured.lock().record(micros(latency)).expect("recorded");
            }
        });
        refused += u64::from(
            desk.journal.submit(Op::Write(desk::message(u128::from(number), CONVERSATIONS)), reply).is_err(),
        );
    }
    stop(&desk.journal);
    assert_eq!(answered.load(Ordering::Relaxed) + refused, count, "every message handed in is answered");
    let what = format!("ack at {per_second}/s over {CONVERSATIONS} conversations");
    report(&what, &measured.lock(), &format!("(goal: p99 <= {goal_p99_ms} ms; {refused} given back)"));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the load generator's own thread waits for the next message to be due"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn start() {
    const STORED: u128 = 1_000_000;
    const WAITING: u128 = 100_000;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("desk.db");
    let before = Instant::now();
    let mut desk = Desk::open(&path);
    for from in (0..STORED).step_by(100_000) {
        desk.fill(from..from + 100_000, from >= WAITING);
    }
    println!("filled {STORED} conversations in {:.1} s", before.elapsed().as_secs_f64());
    desk.journal.stop();
    reopened(&path, "after a clean stop", WAITING);
    let mut desk = Desk::open(&path);
    desk.messages(50_000, 512, CONVERSATIONS);
    let copy = dir.path().join("copy.db");
    desk.journal.backup(&copy).expect("a backup");
    reopened(&copy, "with rows that lag", WAITING);
}

fn reopened(path: &Path, how: &str, waiting: u128) {
    let before = Instant::now();
    let desk = Desk::open(path);
    println!("start {how}: {:.0} ms (goal: <= 300 ms)", before.elapsed().as_secs_f64() * 1_000.0);
    let before = Instant::now();
    let (mut after, mut listed) = (None, 0);
    loop {
        let Answer::States(states) = desk.ask(Query::Waiting { after, limit: 1_000 }) else {
            panic!("no listing")
        };
        listed += states.len() as u128;
        let Some(last) = states.last() else { break };
        after = Some(last.id);
    }
    assert_eq!(listed, waiting);
    println!("{waiting} waiting listed in {:.2} s (goal: <= 2 s)", before.elapsed().as_secs_f64());
}
