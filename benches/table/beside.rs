//! A measured thing and its floor, side by side: sampled by criterion, printed as rows of a table to be pasted.
//!
//! `cargo bench … | grep '^|'` leaves the rows alone. A row needs both sides: what the command line leaves out, or runs
//! once only (`--test`), is in no row. Refuses to judge a time.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use std::time::Duration;

/// A group of measurements and the rows that they make.
pub(crate) struct Table<'c> {
    bench: BenchmarkGroup<'c, WallTime>,
    rows: Vec<String>,
}

impl<'c> Table<'c> {
    pub(crate) fn of(criterion: &'c mut Criterion, name: &str) -> Self {
        let mut bench = criterion.benchmark_group(name);
        bench
            .sample_size(30)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_millis(1_500));
        Self { bench, rows: Vec::new() }
    }

    /// Nanoseconds for one of the `units` that each round of `work` does; `work` is given a number of rounds and says
    /// how long they took.
    pub(crate) fn time(
        &mut self,
        name: &str,
        units: u64,
        mut work: impl FnMut(u64) -> Duration,
    ) -> Option<f64> {
        let mut each_ns = Vec::new();
        self.bench.throughput(Throughput::Elements(units));
        self.bench.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let spent = work(rounds);
                each_ns.push(spent.as_secs_f64() * 1e9 / (rounds * units) as f64);
                spent
            });
        });
        settled(each_ns)
    }

    /// Notes one line of the table.
    pub(crate) fn row(&mut self, what: &str, ours: Option<f64>, floor: &str, floor_ns: Option<f64>) {
        if let (Some(ours), Some(floor_ns)) = (ours, floor_ns) {
            let ratio = ours / floor_ns;
            self.rows.push(format!(
                "| {what} | {} | {} ({floor}) | {ratio:.2} |",
                time(ours),
                time(floor_ns)
            ));
        }
    }

    #[expect(clippy::print_stdout, reason = "the rows are the bench's result")]
    pub(crate) fn print(self) {
        self.bench.finish();
        self.rows.iter().for_each(|row| println!("{row}"));
    }
}

/// The median of the later half: criterion's first calls are few rounds each, to warm up and to find its pace.
fn settled(mut each_ns: Vec<f64>) -> Option<f64> {
    if each_ns.len() < 2 {
        return None;
    }
    let mut later = each_ns.split_off(each_ns.len() / 2);
    later.sort_by(f64::total_cmp);
    later.get(later.len() / 2).copied()
}

fn time(ns: f64) -> String {
    if ns < 1_000.0 { format!("{ns:.0} ns") } else { format!("{:.2} µs", ns / 1_000.0) }
}
