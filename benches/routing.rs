//! What a decision costs, beside a naive scan that finds the same answer.
//!
//! One group, twenty skills, agents with three of them, arrivals that need one. *Overloaded*: every seat is taken;
//! an arrival queues and a freed seat is given to the first in order. *Underloaded*: half the seats are free and an
//! arrival is given away at once, past a queue that nobody can serve. The scan is a floor in its own favour: plain
//! integers, no identifiers to look up, no rules. Before anything is timed both play the same inputs and must
//! decide alike. Beside the whole round of an overloaded desk stands the decision alone (the freed seat).

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench may fall over where it stands")]

#[path = "routing/naive.rs"]
mod naive;
#[path = "routing/world.rs"]
mod world;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use world::{Load, World};

/// Inputs that are timed in one go, so that reading the clock does not count.
const CHUNK: u64 = 64;

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

/// The same for a question or a scan that is simply repeated.
fn repeated<T>(rounds: u64, chunk: u64, mut work: impl FnMut() -> T) -> Duration {
    typical(rounds, chunk, |now| {
        let begin = Instant::now();
        for _ in 0..now {
            black_box(work());
        }
        begin.elapsed()
    })
}

fn overloaded(c: &mut Criterion) {
    let mut bench = c.benchmark_group("overloaded: arrival queued, freed seat assigned");
    for (waiting, agents) in SIZES {
        let size = format!("{waiting} waiting, {agents} agents");
        let mut world = World::new(Load::Full, waiting, agents);
        world.assert_like_scan(if waiting * agents > 1_000_000 { 200 } else { 2_000 });
        bench.bench_function(BenchmarkId::new("engine", &size), |b| {
            b.iter_custom(|rounds| {
                typical(rounds, CHUNK, |now| {
                    let (arrivals, freed) = (world.arrivals(now), world.freed(now));
                    let begin = Instant::now();
                    world.step_all(arrivals);
                    world.step_all(freed);
                    let spent = begin.elapsed();
                    world.confirm_all();
                    spent
                })
            });
        });
        bench.bench_function(BenchmarkId::new("engine, freed seat alone", &size), |b| {
            b.iter_custom(|rounds| {
                typical(rounds, CHUNK, |now| {
                    let (arrivals, freed) = (world.arrivals(now), world.freed(now));
                    world.step_all(arrivals);
                    let begin = Instant::now();
                    world.step_all(freed);
                    let spent = begin.elapsed();
                    world.confirm_all();
                    spent
                })
            });
        });
        let mut scan = world.scan();
        bench.bench_function(BenchmarkId::new("scan", &size), |b| {
            b.iter_custom(|rounds| {
                repeated(rounds, 1, || {
                    scan.arrive_and_queue();
                    scan.free_and_assign()
                })
            });
        });
    }
}

fn underloaded(c: &mut Criterion) {
    let mut bench = c.benchmark_group("underloaded: arrival assigned at once");
    for (waiting, agents) in SIZES {
        let size = format!("{waiting} waiting, {agents} agents");
        let mut world = World::new(Load::Half, waiting, agents);
        world.assert_like_scan(2_000);
        bench.bench_function(BenchmarkId::new("engine", &size), |b| {
            b.iter_custom(|rounds| {
                typical(rounds, CHUNK, |now| {
                    let arrivals = world.arrivals(now);
                    let begin = Instant::now();
                    world.step_all(arrivals);
                    let spent = begin.elapsed();
                    world.confirm_all();
                    let freed = world.freed(now);
                    world.step_all(freed);
                    spent
                })
            });
        });
        let mut scan = world.scan();
        bench.bench_function(BenchmarkId::new("scan", &size), |b| {
            b.iter_custom(|rounds| {
                repeated(rounds, 1, || {
                    let chosen = scan.arrive_and_assign();
                    scan.free_oldest();
                    chosen
                })
            });
        });
    }
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
        let scan = world.scan();
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
