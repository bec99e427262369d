//! Several nodes in one thread: the desk's own slots, plans, owners, questions, splices and tailing, between a store that
//! can fail over and a bus that loses, delays, repeats and falls silent.
//!
//! Real: `cluster::{reconcile, slots, placement, tailing, exchange::under_way}`, `conversation::owner` (owners and guests),
//! `journal::{ledger, memory}`, `session::machine::Splice`, routing, the agents' states. Modelled thinly, since they are
//! actors or statements there: the register's rows, the keeper's rounds, the exchange's ways, the bus (numbers on each
//! lane, a probe), sessions (welcome, pulls, comparing, looking again). Not modelled: who is connected where (every node
//! is told; routing looks), the agents' own slots and domains (one routing, and they live with it), beats that say
//! whether the bus carries (each node knows of its own silence only), hints, backpressure.
//!
//! After a loss of the store the nodes here do what the desk should: who sees a new timeline throws its memory away, ends
//! its connections, and a position from before is reset where the log has been shorter since.

mod agenda;
mod bus;
mod exchange;
mod joining;
mod judge;
mod keeper;
mod life;
mod node;
#[cfg(feature = "planted")]
mod planted;
mod play;
mod register;
mod routing;
mod session;
mod store;
mod trouble;
mod world;

use super::asked;
use super::auditor::Met;
use life::{Seen, live};

const SEEDS: u64 = 200;

#[test]
fn no_fault_breaks_a_promise_of_the_cluster_and_it_recovers() {
    let seeds = match asked("RUSHDESK_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RUSHDESK_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut commits, mut steps, mut acked) = (0, 0, 0);
    let (mut met, mut seen) = (Met::default(), Seen::default());
    for seed in seeds.clone() {
        let outcome = live(seed);
        assert!(
            outcome.found.is_empty(),
            "seed {seed}, step {}:\n  {}\nplay it again: RUSHDESK_SIM_SEED={seed} cargo test --test sim cluster",
            outcome.steps,
            outcome.found.join("\n  ")
        );
        commits += outcome.commits;
        steps += outcome.steps;
        acked += outcome.acked;
        met.add(outcome.met);
        seen.add(&outcome.seen);
    }
    let played = seeds.end - seeds.start;
    println!("{played} seeds, {steps} steps, {commits} commits, {acked} acks; met {met:?}; {seen:?}");
    assert!(commits > 50 && acked > 20, "the cluster did nothing: {commits} commits, {acked} acks");
    assert!(played < SEEDS || met.least() > 0, "some rule never had to hold: {met:?}");
    assert!(played < SEEDS || seen.least() > 0, "something never happened: {seen:?}");
}

#[test]
fn the_same_seed_is_the_same_life_of_the_cluster() {
    assert_eq!(live(3), live(3));
    assert_ne!(live(3), live(4));
}
