//! How long people wait when a node is killed: measured, never asserted. One round in CI; the published figures come from
//! `RUSHDESK_CLUSTER_TRIALS=51 cargo test --test cluster trials:: -- --nocapture`.

use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Far above a lease (10 s) and a round.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(30);

/// Times of one kind, in the order of the trials.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    /// The smallest time that so many percent of the trials did not exceed (nearest rank).
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted[rank - 1]
    }

    fn show(&self, what: &str) {
        let [p50, p99, most] = [50, 99, 100].map(|percent| self.percentile(percent).as_millis());
        println!("{what:<52} {:>4} trials  p50 {p50:>6} ms  p99 {p99:>6} ms  max {most:>6} ms", self.0.len());
    }
}

/// How many kills; more than the one of CI are asked for by the environment.
fn trials() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the length of the test, not a setting of the desk")]
    let asked = std::env::var("RUSHDESK_CLUSTER_TRIALS");
    asked.map_or(1, |count| count.parse().expect("a number of trials"))
}

/// The agent has `conversation`; where the supervisor died with its node that takes a lease and a moment.
async fn is_assigned(agent: &mut Client, conversation: &Value) {
    let assigned = async {
        loop {
            let frame = agent.hear().await.unwrap_or_else(|ended| panic!("{ended:?} before an assignment"));
            if frame["type"] == "assigned" && frame["conversation"] == *conversation {
                return;
            }
        }
    };
    timeout(ASSIGNED_WITHIN, assigned).await.expect("an assignment after the lease");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_of_a_conversation_is_killed_and_people_are_answered_again() {
    let mut cluster = Cluster::of(3).await;
    let [mut sends, mut moves, mut assignments] = [(); 3].map(|()| Times::default());
    for trial in 0..trials() {
        // The first victim has the supervisor too: the slot of its domain hashes to `node-3` among these three names.
        let (victim, at, other) = ((trial + 2) % 3, trial % 3, (trial + 1) % 3);
        let group = format!("ann{trial}");
        let mut pair = Pair::meet(&mut cluster, victim, at, &group).await;
        pair.talk().await;
        cluster.nodes[victim].kill();
        let killed = Instant::now();
        let (sent, moved) = pair.both_go_on(&cluster.nodes[other], killed).await;
        sends.0.push(sent);
        moves.0.push(moved);
        pair.agent.ack(json!({"type": "close", "conversation": pair.conversation})).await;
        let (_, token) = cluster.nodes[other].visitor().await;
        let mut next = Client::visitor(&cluster.nodes[other], &token).await;
        let opened = next.ask(json!({"type": "open", "group": group})).await;
        is_assigned(&mut pair.agent, &opened["conversation"]).await;
        assignments.0.push(killed.elapsed());
        pair.agent.presence("offline").await;
        cluster.start_again(victim).await;
    }
    sends.show("an agent's send to the dead owner, acked");
    moves.show("the visitor on another node, send acked");
    assignments.show("the next visitor, assigned");
    cluster.audited();
}
