//! How long people wait when a node is killed. One round in CI; the published figures come from
//! `RUSHDESK_CLUSTER_TRIALS=51 cargo test --test cluster figures::kill -- --nocapture`.

use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use crate::figures::{Times, trials};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Far above a lease (10 s) and a round.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(30);

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
