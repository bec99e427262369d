//! The burst ladder of several nodes: one moves it, all follow, and each agent is lent seats once.

use crate::client::Client;
use crate::cluster::Cluster;
use crate::desk::text;
use serde_json::json;

const LADDER: &str = "/api/v1/overload/ladder";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_follow_one_ladder_whoever_moves_it() {
    let mut cluster = Cluster::with(
        2,
        &[
            "ladder.auto=true",
            "ladder.stay_s=1",
            "ladder.enter_percent=[50,100,900,1000]",
            "ladder.leave_percent=[1,2,800,900]",
            "ladder.extra_seats=1",
        ],
    )
    .await;
    let (_, token) = cluster.nodes[0].agent("ann", 1).await;
    let mut ann = Client::agent(&cluster.nodes[0], &token).await;
    let mut visitors = Vec::new();
    for nth in 0..4 {
        let (_, token) = cluster.nodes[nth % 2].visitor().await;
        let mut visitor = Client::visitor(&cluster.nodes[nth % 2], &token).await;
        visitor.open().await;
        visitors.push(visitor);
    }
    cluster.all_show("rushdesk_ladder_level", 2).await;
    let held = [ann.expect("assigned").await, ann.expect("assigned").await];
    ann.never("a third conversation for one seat and a lent one", |frame| frame["type"] == "assigned").await;

    let admin = cluster.nodes[1].admin().await;
    let set = cluster.nodes[1].must("PATCH", LADDER, &admin, Some(json!({"level": "normal"}))).await;
    assert_eq!(set["mode"], "hand", "{set}");
    cluster.all_show("rushdesk_ladder_level", 0).await;
    for (nth, assigned) in held.iter().enumerate() {
        ann.words(&text(assigned, "conversation"), &format!("still-{nth}"), "nobody is taken away").await;
    }
    ann.ack(json!({"type": "close", "conversation": held[0]["conversation"]})).await;
    ann.never("more than the own seat", |frame| frame["type"] == "assigned").await;
    cluster.audited();
}
