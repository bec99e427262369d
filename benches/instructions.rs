//! What the hot path costs in instructions: the same number on every machine, so that CI can refuse a regression.
//!
//! Not timed: `scripts/instructions.sh` runs it under callgrind, which counts only inside `counted`, and compares with
//! `benches/instructions.txt`. One case at a time: `instructions CASE` plays it and prints how many operations it
//! counted. Refuses to say anything about cold memory: that is `benches/routing.rs`, in nanoseconds.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench may fall over, and prints"
)]

#[path = "routing/bare.rs"]
mod bare;
#[path = "routing/naive.rs"]
mod naive;
#[path = "routing/rows.rs"]
mod rows;
#[path = "routing/world.rs"]
#[expect(dead_code, reason = "the restart is timed by another bench")]
mod world;

use rushdesk::clock::Timestamp;
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Author, Entry, Event, View};
use rushdesk::ident::{ConversationId, VisitorId};
use rushdesk::wire::{Limits, decode, encode_entry};
use std::hint::black_box;
use world::{Load, World};

/// Operations that are counted of each case.
const ROUNDS: u64 = 256;
const AGENTS: usize = 10_000;
const FEW: usize = 100;
const MANY: usize = 100_000;
/// As the relay measurement sends it: about 190 bytes.
const SEND: &str = r#"{"type":"send","id":"m-000001-000042","conversation":"01970000-0000-7000-8000-0000000000c1","content":{"kind":"text","text":"Where is my parcel? It should have come two days ago."}}"#;

/// The only place where callgrind counts; the script knows it by its name.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// A freed seat is given to the first of those who wait.
fn overloaded(waiting: usize) {
    let mut world = World::new(Load::Full, waiting, AGENTS);
    world.assert_like_scans(100);
    let arrivals = world.arrivals(ROUNDS);
    world.step_all(arrivals);
    let freed = world.freed(ROUNDS);
    counted(|| world.step_all(freed));
    world.confirm_all();
}

/// An arrival is given to the longest idle of those who are free.
fn underloaded(waiting: usize) {
    let mut world = World::new(Load::Half, waiting, AGENTS);
    world.assert_like_scans(100);
    let arrivals = world.arrivals(ROUNDS);
    counted(|| world.step_all(arrivals));
    world.confirm_all();
}

fn rank(waiting: usize) {
    let world = World::new(Load::Full, waiting, FEW);
    let scan = world.ranks();
    let ids = world.waiting_ids();
    let asked: Vec<_> = ids.iter().cycle().step_by(7_919).take(ROUNDS as usize).collect();
    let ranks = counted(|| asked.iter().map(|id| world.rank(id)).collect::<Vec<_>>());
    assert!(
        asked.iter().zip(ranks).all(|(id, rank)| rank == Some(scan.rank(id))),
        "the scan counts another rank"
    );
}

fn read_a_send() {
    let read = counted(|| {
        (0..ROUNDS).filter(|_| decode(black_box(SEND.as_bytes()), &Limits::CONTRACT).is_ok()).count()
    });
    assert_eq!(read as u64, ROUNDS, "a send is readable");
}

fn write_an_entry() {
    let visitor = VisitorId::new("shopper-7").expect("a visitor's id");
    let entry = Entry {
        seq: 42,
        visitor_prev: 41,
        at: Timestamp::from_millis(1_763_568_000_007),
        author: Author::Visitor { id: visitor, name: Some("小美".into()) },
        event: Event::Message(Content::text("Where is my parcel? It should have come two days ago.")),
    };
    let conversation = ConversationId::from_u128(0x0197_0000_0000_7000_8000_0000_0000_00c1);
    let write = || encode_entry(black_box(&entry), conversation, View::Desk).map_or(0, |bytes| bytes.len());
    let bytes: usize = counted(|| (0..ROUNDS).map(|_| write()).sum());
    assert_eq!(bytes, write() * ROUNDS as usize, "every entry is written");
}

fn main() {
    let case = std::env::args().nth(1).unwrap_or_default();
    match case.as_str() {
        "routing_overloaded_100" => overloaded(FEW),
        "routing_overloaded_100000" => overloaded(MANY),
        "routing_underloaded_100" => underloaded(FEW),
        "routing_underloaded_100000" => underloaded(MANY),
        "rank_100" => rank(FEW),
        "rank_100000" => rank(MANY),
        "read_send" => read_a_send(),
        "write_entry" => write_an_entry(),
        // `cargo bench` runs every target without a case.
        _ => return println!("instructions are counted by scripts/instructions.sh"),
    }
    println!("{ROUNDS}");
}
