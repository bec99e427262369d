//! People on different nodes talk as if there were one.

use crate::client::{Client, Ended};
use crate::cluster::{Cluster, Pair};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_and_an_agent_on_different_nodes_talk_type_and_close() {
    let mut cluster = Cluster::of(3).await;
    for (number, (visitor_at, agent_at)) in [(0, 1), (1, 2), (2, 0), (0, 2)].into_iter().enumerate() {
        let mut pair = Pair::meet(&mut cluster, visitor_at, agent_at, &format!("ann{number}")).await;
        for _ in 0..3 {
            pair.talk().await;
        }
        let typing = json!({"type": "typing", "conversation": pair.conversation});
        pair.visitor.say(&typing).await;
        assert_eq!(pair.agent.expect("typing").await["from"]["kind"], "visitor");
        pair.agent.say(&typing).await;
        assert_eq!(pair.visitor.expect("typing").await["from"]["kind"], "agent");
        pair.agent.ack(json!({"type": "close", "conversation": pair.conversation})).await;
        assert_eq!(pair.visitor.entry_of("closed").await["conversation"], json!(pair.conversation));
        pair.agent.presence("offline").await;
        let elsewhere = 3 - visitor_at - agent_at;
        pair.is_written_once(&mut cluster.nodes[elsewhere]).await;
    }
    cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_move_to_another_node_and_go_on_by_position() {
    let mut cluster = Cluster::of(2).await;
    let mut pair = Pair::meet(&mut cluster, 0, 0, "ann").await;
    pair.talk().await;
    pair.visitor_moves(&cluster.nodes[1], 0).await;
    pair.visitor.entry_saying("第 1 个问题").await;
    pair.visitor.entry_saying("第 1 个回答").await;
    pair.talk().await;
    pair.agent_moves(&cluster.nodes[1]).await;
    pair.talk().await;
    pair.is_written_once(&mut cluster.nodes[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_device_has_one_socket_whichever_nodes_it_comes_to() {
    let cluster = Cluster::of(2).await;
    let (_, token) = cluster.nodes[0].visitor().await;
    let device = json!({"device": "phone"});
    let (mut first, _) = Client::sign_in(&cluster.nodes[0], "/ws/visitor", &token, device.clone()).await;
    let (mut second, _) = Client::sign_in(&cluster.nodes[1], "/ws/visitor", &token, device).await;
    assert_eq!(first.ended().await, Ended(Some(4409)));
    second.still_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_from_a_third_node_misses_nothing_from_the_acknowledgement_on() {
    let mut cluster = Cluster::of(3).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    let (_, token) = cluster.nodes[2].hire("boss", "supervisor", &["ann"], 1).await;
    let mut boss = Client::agent(&cluster.nodes[2], &token).await;
    for round in 0..8 {
        boss.ack(json!({"type": "watch", "conversation": pair.conversation})).await;
        let words = format!("第 {round} 句");
        pair.visitor.words(&pair.conversation, &words, &words).await;
        boss.entry_saying(&words).await;
        boss.ack(json!({"type": "unwatch", "conversation": pair.conversation})).await;
    }
}
