//! The simulation judged by deliberate mistakes: each is planted in turn and must be found within a number of seeds.
//!
//! `cargo test --features planted --test sim -- --nocapture planted` prints the lines of the table in `docs/PLANTED.md`.

use super::life::{live, live_unaudited};
use rushdesk::planted::{Bug, plant};

const SEEDS: u64 = 100;

/// Mistakes that no run of the desk can show, because a rule before them holds; smaller tests find them.
const BEHIND_ANOTHER_RULE: &[Bug] = &[Bug::AssignSeqUnchecked];

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL.into_iter().filter(|bug| !Bug::OF_THE_CLUSTER.contains(bug)) {
        plant(Some(bug));
        let found = (0..SEEDS).map(|seed| (seed, live(seed))).find(|(_, outcome)| !outcome.found.is_empty());
        let by_history = (0..SEEDS).find(|seed| !live_unaudited(*seed).found.is_empty());
        plant(None);
        let by_history = by_history.map_or("no".into(), |seed| format!("after {} seeds", seed + 1));
        match found {
            Some((seed, outcome)) => {
                let sentence = outcome.found.first().map_or("", String::as_str);
                let invariant = sentence.split([' ', ':']).next().unwrap_or("");
                let (name, judge, steps) = (bug.name(), outcome.judge, outcome.steps);
                println!(
                    "| `{name}` | {judge}, {invariant}, seed {} at step {steps} | {by_history} |",
                    seed + 1
                );
            }
            None => {
                println!("| `{}` | not in {SEEDS} seeds | {by_history} |", bug.name());
                missed.push(bug);
            }
        }
    }
    assert_eq!(missed, BEHIND_ANOTHER_RULE);
}
