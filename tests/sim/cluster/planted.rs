//! The cluster judged by deliberate mistakes: each is planted in turn and must be found within a number of seeds.
//!
//! `cargo test --features planted --test sim planted -- --nocapture` prints the lines of the table in `docs/PLANTED.md`.

use super::life::{live, live_unaudited};
use rushdesk::planted::{Bug, plant};

const SEEDS: u64 = 200;

/// What the memory's tail cannot show, since its commits become visible in their order: the contract suite finds it.
const OF_POSTGRESQL: &[Bug] = &[Bug::TailBySerial];

#[test]
fn every_planted_mistake_of_the_cluster_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::OF_THE_CLUSTER {
        plant(Some(bug));
        let found = (0..SEEDS).map(|seed| (seed, live(seed))).find(|(_, outcome)| !outcome.found.is_empty());
        let by_history = (0..SEEDS).find(|seed| !live_unaudited(*seed).found.is_empty());
        plant(None);
        let by_history = by_history.map_or("no".into(), |seed| format!("seed {seed}"));
        let name = bug.name();
        if let Some((seed, outcome)) = found {
            let sentence = outcome.found.first().map_or("", String::as_str);
            let (judge, steps) = (outcome.judge, outcome.steps);
            println!("| `{name}` | {judge}, seed {seed} at step {steps}: {sentence} | {by_history} |");
        } else {
            println!("| `{name}` | not in {SEEDS} seeds | {by_history} |");
            missed.push(bug);
        }
    }
    assert_eq!(missed, OF_POSTGRESQL);
}
