//! The runbook's restore, done: every node is gone, the database is made anew from a dump, nodes start on it, and who saw
//! more than was restored is told so.

use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use crate::postgres_server::PostgresServer;
use serde_json::json;

const ENTRIES: &str = "SELECT count(*) FROM entry";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_is_restored_from_a_dump_and_clients_who_saw_more_load_anew() {
    let (lost, fresh) = (PostgresServer::start(), PostgresServer::start());
    let place = lost.fresh_desk();
    let folder = tempfile::tempdir().expect("a folder");
    let dump = folder.path().join("desk.dump");
    let mut cluster = Cluster::of_store(place.clone(), 2, &[]).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    pair.talk().await;
    // Nodes run while the dump is made.
    lost.dump(&place, &dump);
    let dumped: u64 = lost.run(&place, ENTRIES).parse().expect("a number");
    pair.talk().await;
    let seen: u64 = lost.run(&place, ENTRIES).parse().expect("a number");
    assert!(dumped < seen);
    let Pair { conversation, visitor_token, agent_token, .. } = pair;
    cluster.nodes.iter_mut().for_each(|node| node.kill());
    drop(cluster);
    lost.crash();

    fresh.restore(&dump);
    let mut cluster = Cluster::of_store(fresh.url_of(&lost, &place), 2, &[]).await;
    assert_eq!(fresh.run(&place, ENTRIES), dumped.to_string());
    cluster.audited();
    let resume = json!({"resume": [{"conversation": conversation, "after": seen}]});
    let mut visitor =
        Client::sign_in(&cluster.nodes[1], "/ws/visitor", &visitor_token, resume.clone()).await.0;
    let mut agent = Client::sign_in(&cluster.nodes[0], "/ws/agent", &agent_token, resume).await.0;
    for client in [&mut visitor, &mut agent] {
        let reset = client.expect("reset").await;
        assert_eq!(reset["reason"], "rewritten", "{reset}");
        assert!(reset["head"].as_u64() < Some(seen), "{reset}");
        let fetch = json!({"type": "fetch", "id": "anew", "conversation": conversation, "after": 0});
        client.say(&fetch).await;
        client.entry_saying("第 1 个问题").await;
        client.answer("anew").await;
    }
    visitor.words(&conversation, "again", "我们说到哪里了").await;
    agent.entry_saying("我们说到哪里了").await;
    let log = cluster.nodes[0].entries(&conversation).await;
    let seqs: Vec<u64> = log.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "CV-1: {seqs:?}");
    cluster.audited();
}
