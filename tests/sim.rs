//! The desk in one thread: pure machines, the journal in memory and a virtual clock, with faults drawn from a seed.
//!
//! First faults rage and only safety is demanded; then the world heals and progress is demanded too. A failure prints
//! its seed and the command that plays it again. `RUSHDESK_SIM_SEEDS` plays more than the default number.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fall over where it stands, and says what it has seen"
)]

#[path = "sim/auditor.rs"]
mod auditor;
#[path = "sim/chance.rs"]
mod chance;
#[path = "sim/cluster/mod.rs"]
mod cluster;
#[path = "sim/fold.rs"]
mod fold;
#[path = "sim/client.rs"]
mod client;
#[path = "sim/life.rs"]
mod life;
#[path = "sim/owner.rs"]
mod owner;
#[path = "sim/planted.rs"]
#[cfg(feature = "planted")]
mod planted;
#[path = "sim/play.rs"]
mod play;
#[path = "sim/process.rs"]
mod process;
#[path = "sim/supervisor.rs"]
mod supervisor;
#[path = "sim/telling.rs"]
mod telling;
#[path = "sim/world.rs"]
mod world;

use auditor::Met;
use life::live;

const SEEDS: u64 = 200;

#[expect(clippy::disallowed_methods, reason = "which seeds to play is no setting of the desk")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_fault_breaks_a_promise_and_the_desk_recovers() {
    let seeds = match asked("RUSHDESK_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RUSHDESK_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut commits, mut steps, mut acked, mut met) = (0, 0, 0, Met::default());
    for seed in seeds.clone() {
        let outcome = live(seed);
        assert!(
            outcome.found.is_empty(),
            "seed {seed}, step {}:\n  {}\nplay it again: RUSHDESK_SIM_SEED={seed} cargo test --test sim",
            outcome.steps,
            outcome.found.join("\n  ")
        );
        commits += outcome.commits;
        steps += outcome.steps;
        acked += outcome.acked;
        met.add(outcome.met);
    }
    let played = seeds.end - seeds.start;
    println!("{played} seeds, {steps} steps, {commits} commits, {acked} acks; met {met:?}");
    assert!(commits > 100 && acked > 50, "the world did nothing: {commits} commits, {acked} acks");
    assert!(played < SEEDS || met.least() > 0, "some rule never had to hold: {met:?}");
}

#[test]
fn the_same_seed_is_the_same_life() {
    assert_eq!(live(7), live(7));
    assert_ne!(live(7), live(8));
}
