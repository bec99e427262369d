//! A node that stood still and goes on: what it was asked meanwhile has been done without it, and is not done again.

use crate::cluster::{Cluster, Pair};
use serde_json::json;

/// A pair on the first two nodes whose conversation is the third's, where it was opened.
async fn pair_of_the_third(cluster: &mut Cluster) -> Pair {
    let mut pair = Pair::meet(cluster, 2, 1, "ann").await;
    pair.visitor_moves(&cluster.nodes[0], 0).await;
    pair.visitor.entry_of("assigned").await;
    let before = cluster.nodes[2].metric("rushdesk_commands_taken_in_total").await;
    pair.talk().await;
    let taken_in = cluster.nodes[2].metric("rushdesk_commands_taken_in_total").await;
    assert!(taken_in >= before + 2, "the third node owns the conversation: {before}, {taken_in}");
    pair
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_does_not_do_what_was_done_without_it() {
    let mut cluster = Cluster::of(3).await;
    let mut pair = pair_of_the_third(&mut cluster).await;
    let conversation = pair.conversation.clone();
    cluster.nodes[2].signal("STOP");
    // Asked of the third node, which does not answer, and carried out in its place; then it is taken back.
    pair.agent.ack(json!({"type": "close", "conversation": conversation})).await;
    pair.visitor.entry_of("closed").await;
    pair.visitor.ack(json!({"type": "reopen", "conversation": conversation})).await;
    cluster.nodes[2].signal("CONT");
    cluster.shows(2, "rushdesk_questions_overdue_total", |overdue| overdue > 0).await;
    pair.visitor.entry_of("assigned").await;
    pair.talk().await;
    let log = cluster.nodes[1].entries(&conversation).await;
    let closed = log.iter().filter(|entry| entry["content"]["event"] == "closed").count();
    assert_eq!(closed, 1, "{log:?}");
    pair.is_written_once(&mut cluster.nodes[0]).await;
    cluster.audited();
}
