//! Rows per second of the SQLite journal by operations in flight, over 5 000 conversations with everything on (ledger,
//! client keys, group commit with a flush to disk), beside bare inserts into a rowid table in the same run.
//!
//! Every answer is checked, and at the end the log is as long as what was written: a bench that loses rows fails.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench ends at the first surprise")]

#[path = "journal/desk.rs"]
mod desk;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use desk::Desk;
use rushdesk::journal::{Answer, Query};
use rusqlite::Connection;
use std::hint::black_box;

const CONVERSATIONS: u128 = 5_000;
const IN_FLIGHT: [usize; 5] = [1, 16, 128, 512, 1_024];

fn journal(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut desk = Desk::open(&dir.path().join("desk.db"));
    desk.fill(0..CONVERSATIONS, false);
    let mut expected = 2 * CONVERSATIONS as u64;
    let mut group = criterion.benchmark_group("sqlite journal");
    for in_flight in IN_FLIGHT {
        let rows = in_flight * 8;
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("in flight", in_flight), |bencher| {
            bencher.iter(|| {
                desk.messages(rows, in_flight, CONVERSATIONS);
                expected += rows as u64;
            });
        });
    }
    group.finish();
    let Answer::Totals(totals) = desk.ask(Query::Totals) else { panic!("no totals") };
    assert_eq!(totals.entries, expected, "every committed row is counted, and no other");
}

fn bare(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let conn = Connection::open(dir.path().join("bare.db")).expect("a file");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE entry (pos INTEGER PRIMARY KEY, conversation INTEGER, seq INTEGER, at INTEGER, body TEXT, client BLOB)",
    )
    .expect("a table");
    let mut pos = 0_i64;
    let mut group = criterion.benchmark_group("bare rowid table");
    for rows in IN_FLIGHT {
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("rows per commit", rows), |bencher| {
            let mut insert =
                conn.prepare("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)").expect("a statement");
            bencher.iter(|| {
                conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
                for _ in 0..rows {
                    pos += 1;
                    let row = (pos, pos % 5_000, pos / 5_000, pos, desk::TEXT, [7_u8; 16]);
                    black_box(insert.execute(row).expect("inserted"));
                }
                conn.execute_batch("COMMIT").expect("committed");
            });
        });
    }
    group.finish();
    let count: i64 = conn.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).expect("counted");
    assert_eq!(count, pos);
}

criterion_group!(benches, journal, bare);
criterion_main!(benches);
