//! What a decision costs, beside naive scans that find the same answer.
//!
//! One group, twenty skills, agents with three of them, arrivals that need one. *Overloaded*: every seat is taken and
//! a freed one is given to the first in order whom that agent can serve. *Underloaded*: half the seats are free and an
//! arrival is given to the longest idle of those who can serve it, past a queue that nobody can serve; the engine's
//! time includes finding its group, scoring its rules and listing it.
//!
//! Beside the engine stand two scans. The *scan of rows* is a desk without an index: for each decision it goes through
//! the agents (or through those who wait) as the engine knows them, with presence, seats held, group and the step's
//! expression, in the policy's order, and finds the engine's reason too (among how many free agents). The *bare scan*
//! is the floor in its own favour: skills are bits, seats a number, nothing else is looked at, and an agent who was
//! idle for less time than the best so far is passed over unseen. Neither scores rules nor keeps ranks. Before anything
//! is timed all three play the same inputs and must decide alike.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench may fall over where it stands")]

#[path = "routing/bare.rs"]
mod bare;
#[path = "routing/naive.rs"]
mod naive;
#[path = "routing/rows.rs"]
mod rows;
#[path = "routing/world.rs"]
mod world;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use naive::{Hand, Key, Scan};
use std::hint::black_box;
use std::time::{Duration, Instant};
use world::{Load, World};

/// Inputs that are timed in one go, so that reading the clock does not count.
const CHUNK: u64 = 64;
/// The same for a scan, which takes longer.
const SCAN_CHUNK: u64 = 4;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const SIZES: [(usize, usize); 6] =
    [(100, 100), (10_000, 100), (100_000, 100), (100, 10_000), (10_000, 10_000), (100_000, 10_000)];

/// Time for `rounds`, `chunk` of them timed at once. The median chunk stands for all: a chunk in which the machine
/// did something else does not count, neither for the engine nor for the scan.
fn typical(rounds: u64, chunk: u64, mut work: impl FnMut(u64) -> Duration) -> Duration {
    let mut per_round: Vec<f64> = Vec::new();
    let mut left = rounds;
    while left > 0 {
        let now = left.min(chunk);
        per_round.push(work(now).as_secs_f64() / now as f64);
        left -= now;
    }
    per_round.sort_by(f64::total_cmp);
    Duration::from_secs_f64(per_round[per_round.len() / 2] * rounds as f64)
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// The same for a question that is simply repeated.
fn repeated<T>(rounds: u64, chunk: u64, mut work: impl FnMut() -> T) -> Duration {
    typical(rounds, chunk, |now| timed(|| (0..now).for_each(|_| drop(black_box(work())))))
}

/// The decision of a full desk. Beside it what a round costs with its other half, the arrival that queued before.
fn overloaded(c: &mut Criterion) {
    let mut bench = c.benchmark_group("overloaded: freed seat assigned");
    for (waiting, agents) in SIZES {
        let size = format!("{waiting} waiting, {agents} agents");
        let mut world = World::new(Load::Full, waiting, agents);
        world.assert_like_scans(if waiting * agents > 1_000_000 { 200 } else { 2_000 });
        for (name, with_arrival) in [("engine", false), ("engine, with the queueing", true)] {
            bench.bench_function(BenchmarkId::new(name, &size), |b| {
                b.iter_custom(|rounds| {
                    typical(rounds, CHUNK, |now| {
                        let (arrivals, freed) = (world.arrivals(now), world.freed(now));
                        let arrived = timed(|| world.step_all(arrivals));
                        let spent = timed(|| world.step_all(freed));
                        world.confirm_all();
                        if with_arrival { spent + arrived } else { spent }
                    })
                });
            });
        }
        overloaded_scan(&mut bench, "scan of rows", &size, world.rows);
        overloaded_scan(&mut bench, "bare scan", &size, world.bare);
    }
}

fn overloaded_scan<H: Hand>(bench: &mut Group<'_>, name: &str, size: &str, mut scan: Scan<H>) {
    bench.bench_function(BenchmarkId::new(name, size), |b| {
        b.iter_custom(|rounds| {
            typical(rounds, SCAN_CHUNK, |now| {
                let mut arrivals = scan.arrivals(Load::Full, now);
                scan.waiting.append(&mut arrivals);
                timed(|| {
                    for _ in 0..now {
                        black_box(scan.free_and_assign());
                    }
                })
            })
        });
    });
}

/// The decision of a desk with free seats, from the arrival on.
fn underloaded(c: &mut Criterion) {
    let mut bench = c.benchmark_group("underloaded: arrival assigned");
    for (waiting, agents) in SIZES {
        let size = format!("{waiting} waiting, {agents} agents");
        let mut world = World::new(Load::Half, waiting, agents);
        world.assert_like_scans(2_000);
        bench.bench_function(BenchmarkId::new("engine", &size), |b| {
            b.iter_custom(|rounds| {
                typical(rounds, CHUNK, |now| {
                    let arrivals = world.arrivals(now);
                    let spent = timed(|| world.step_all(arrivals));
                    world.confirm_all();
                    let freed = world.freed(now);
                    world.step_all(freed);
                    spent
                })
            });
        });
        underloaded_scan(&mut bench, "scan of rows", &size, world.rows, Scan::assign_among);
        underloaded_scan(&mut bench, "bare scan", &size, world.bare, Scan::assign);
    }
}

fn underloaded_scan<H: Hand, T>(
    bench: &mut Group<'_>,
    name: &str,
    size: &str,
    mut scan: Scan<H>,
    assign: fn(&mut Scan<H>, &(Key, H::Waiter)) -> T,
) {
    bench.bench_function(BenchmarkId::new(name, size), |b| {
        b.iter_custom(|rounds| {
            typical(rounds, SCAN_CHUNK, |now| {
                let arrivals = scan.arrivals(Load::Half, now);
                let spent = timed(|| {
                    for arrival in &arrivals {
                        black_box(assign(&mut scan, arrival));
                    }
                });
                for _ in 0..now {
                    scan.free_oldest();
                }
                spent
            })
        });
    });
}

/// Everything a conversation costs the engine: arrival, assignment, confirmation, freed seat.
fn whole_life(c: &mut Criterion) {
    let mut bench = c.benchmark_group("whole life: arrival, assignment, confirmation, freed seat");
    for (load, name) in [(Load::Full, "overloaded"), (Load::Half, "underloaded")] {
        let mut world = World::new(load, 100_000, 10_000);
        bench.bench_function(BenchmarkId::new(name, "100000 waiting, 10000 agents"), |b| {
            b.iter_custom(|rounds| {
                typical(rounds, CHUNK, |now| {
                    let (arrivals, freed) = (world.arrivals(now), world.freed(now));
                    let begin = Instant::now();
                    world.step_all(arrivals);
                    world.step_all(freed);
                    world.confirm_all();
                    begin.elapsed()
                })
            });
        });
    }
}

fn rank(c: &mut Criterion) {
    let mut bench = c.benchmark_group("rank");
    for waiting in [100, 10_000, 100_000] {
        let world = World::new(Load::Full, waiting, 100);
        let scan = world.ranks();
        let ids = world.waiting_ids();
        for id in ids.iter().step_by(ids.len() / 50) {
            assert_eq!(world.rank(id), Some(scan.rank(id)), "the scan counts another rank");
        }
        let mut next = ids.iter().cycle().step_by(7_919);
        bench.bench_function(BenchmarkId::new("engine", waiting), |b| {
            b.iter_custom(|rounds| repeated(rounds, CHUNK, || world.rank(next.next().unwrap_or(&ids[0]))));
        });
        let mut next = ids.iter().cycle().step_by(7_919);
        bench.bench_function(BenchmarkId::new("engine, with expected wait", waiting), |b| {
            b.iter_custom(|rounds| {
                repeated(rounds, CHUNK, || world.estimate(next.next().unwrap_or(&ids[0])))
            });
        });
        let mut next = ids.iter().cycle().step_by(7_919);
        bench.bench_function(BenchmarkId::new("scan", waiting), |b| {
            b.iter_custom(|rounds| repeated(rounds, 1, || scan.rank(next.next().unwrap_or(&ids[0]))));
        });
    }
}

/// A restart: 100 000 waiting conversations presented again to an engine with 10 000 agents.
fn rebuild(c: &mut Criterion) {
    let mut bench = c.benchmark_group("restart");
    bench.sample_size(10);
    bench.bench_function("100000 waiting, 10000 agents", |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| World::rebuild_time(100_000, 10_000)).sum());
    });
}

criterion_group! {
    name = routing;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500));
    targets = overloaded, underloaded, whole_life, rank, rebuild
}
criterion_main!(routing);
