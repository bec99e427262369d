//! What is killed in the middle of something: all nodes at once while people talk, the supervisor while it hands out work.

use crate::client::Client;
use crate::cluster::Cluster;
use crate::faults::{AT_ONCE, Play, assert_clean};
use crate::figures::Times;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn all_nodes_die_at_once_while_people_talk_and_nothing_is_lost() {
    let mut cluster = Cluster::with(3, AT_ONCE).await;
    let play = Play::begin(&cluster, 10).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    cluster.nodes.iter().for_each(|node| node.signal("KILL"));
    for node in &mut cluster.nodes {
        node.ended().await;
    }
    let killed = Instant::now();
    cluster.start_all_again().await;
    Times(vec![killed.elapsed()]).show("all nodes killed at once, all ready again");
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
    assert!(stage.meters.lost_connections.count() > 0, "the kill hit nobody: {verdict}");
}

/// Who comes at once.
const BURST: usize = 24;
/// Far above a lease (10 s).
const ALL_SERVED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn the_supervisor_dies_while_it_hands_out_a_burst_and_everybody_gets_one_agent() {
    let mut cluster = Cluster::with(3, AT_ONCE).await;
    let capacity = u32::try_from(BURST).expect("a small number") / 4;
    let mut agents = Vec::new();
    let admin = cluster.nodes[0].admin().await;
    for number in 0..4 {
        let (agent, token) = cluster.nodes[0].agent(&format!("ann{number}"), capacity).await;
        cluster.all_know(&format!("/api/v1/agents/{agent}"), &admin).await;
        agents.push(Client::agent(&cluster.nodes[number % 2], &token).await);
    }
    let mut visitors = Vec::new();
    for number in 0..BURST {
        let (_, token) = cluster.nodes[number % 2].visitor().await;
        visitors.push(Client::visitor(&cluster.nodes[number % 2], &token).await);
    }
    for visitor in &mut visitors {
        visitor.say(&json!({"type": "open", "id": "open"})).await;
    }
    // The supervisor of these names lives on `node-3`, see `kill`.
    agents[0].expect("assigned").await;
    cluster.nodes[2].kill();
    let killed = Instant::now();
    let all_served = async {
        for visitor in &mut visitors {
            while visitor.answer("open").await["type"] != "opened" {
                visitor.say(&json!({"type": "open", "id": "open"})).await;
            }
            while timeout(Duration::from_secs(1), visitor.entry_of("assigned")).await.is_err() {}
        }
    };
    timeout(ALL_SERVED_WITHIN, all_served).await.expect("everybody gets an agent");
    Times(vec![killed.elapsed()]).show("the supervisor killed in a burst, everybody assigned");
    cluster.audited();
}
