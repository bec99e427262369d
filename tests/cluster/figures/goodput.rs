//! Goodput by class at half, once, twice and four times the load that the store carries.
//!
//! What it carries is measured first: more words of those who are served than it can take at once, which are never refused. A store that commits a few things at a time
//! stands for one that is at its limit, since a test on one machine cannot fill a database before it fills the processor.

use crate::cluster::Cluster;
use crate::load::{CLASSES, FOR_MANY, Load};
use std::time::{Duration, Instant};

/// The share of each class in the load, in the order of `CLASSES`: mostly strangers, as in a rush.
const SHARES: [f64; 4] = [0.05, 0.25, 0.1, 0.6];
/// Nothing but words of those who are served.
const FLOOD: [f64; 4] = [0.0001, 1_500.0, 0.0001, 0.0001];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn what_is_done_of_each_class_at_up_to_four_times_the_load() {
    let own = ["journal.batch_entries=2", "overload.target_ms=50", "overload.interval_ms=200"];
    let mut cluster = Cluster::with(1, &[&own[..], &FOR_MANY].concat()).await;
    let lasts = Duration::from_secs(10);
    let mut load = Load::gather(&mut cluster.nodes[0], 12_000).await;
    let began = Instant::now();
    let flood = load.play(FLOOD, Duration::from_secs(2)).await;
    let answered_in = began.elapsed();
    flood[1].show("a flood of words", answered_in);
    let carried_per_s = flood[1].done() as f64 / answered_in.as_secs_f64();
    for times in [0.5, 1.0, 2.0, 4.0] {
        let tallies = load.play(SHARES.map(|share| share * carried_per_s * times), lasts).await;
        for (class, tally) in CLASSES.iter().zip(&tallies) {
            tally.show(&format!("{times} times the load, {class}"), lasts);
            assert_eq!(tally.unanswered, 0, "{class}: every request has one answer");
        }
        assert_eq!((tallies[0].refused, tallies[1].refused), (0, 0), "who is served is not refused");
    }
    load.acked_words_are_kept(&mut cluster.nodes[0]).await;
    cluster.audited();
}
