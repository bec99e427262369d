//! What an operator sees and does: `rushdesk node`, `/readyz`, the metrics that the alerts read.

use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use crate::desk::{program, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ALERTS: &str = include_str!("../../deploy/alerts.yml");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_listed_and_one_that_is_asked_to_leave_hands_over_and_ends() {
    let mut cluster = Cluster::of(3).await;
    let table = cluster.answered(&["node", "list"]);
    for told in ["node  ", "last beat", "slots", "node-1", "node-2", "node-3", "serving", "127.0.0.1:"] {
        assert!(table.contains(told), "no {told} in:\n{table}");
    }
    let bound: BTreeSet<String> =
        cluster.nodes.iter().map(|node| node.target.address().to_string()).collect();
    let shown = || cluster.members().iter().map(|node| text(node, "address")).collect::<BTreeSet<_>>();
    cluster.come_to_pass("each is shown at the port that it was given", || shown() == bound).await;
    let mut pair = Pair::meet(&mut cluster, 0, 2, "ann").await;
    pair.talk().await;
    let (_, token) = cluster.nodes[1].visitor().await;
    let mut guest = Client::visitor(&cluster.nodes[1], &token).await;

    let told = cluster.answered(&["node", "drain", "node-2", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told, json!({"node": "node-2", "state": "leaving"}));
    assert!(guest.expect("drain").await["within_ms"].is_u64(), "its sockets are told");
    pair.talk().await;
    let status = cluster.nodes[1].ended().await;
    assert!(status.success(), "{status}: {}", cluster.nodes[1].log());
    let gone = cluster.nodes.remove(1);
    cluster.settled(2).await;
    pair.talk().await;
    drop(gone);

    let unknown = cluster.command(&["node", "drain", "node-2"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no node `node-2`") && said.contains("node list"), "{said}");
}

#[test]
fn a_store_of_one_node_has_no_nodes_to_list() {
    let folder = tempfile::tempdir().expect("a folder");
    for (store, word) in [("memory", "memory"), ("sqlite://./shop.db", "shop.db")] {
        for arguments in [&["node", "list"][..], &["node", "drain", "node-1"]] {
            let output = program(folder.path())
                .args(arguments)
                .args(["--store", store])
                .output()
                .expect("the program");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(word) && said.contains("SIGTERM"), "{said}");
        }
    }
    assert!(!folder.path().join("shop.db").exists(), "nothing is made by looking");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_that_an_alert_reads_is_there() {
    let cluster = Cluster::of(1).await;
    let page = cluster.nodes[0].ask("GET", "/metrics", None, None).await.text();
    let there: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let part = |name: &&str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end).map(str::len))
    };
    let read: BTreeSet<&str> = ALERTS
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("rushdesk_"))
        .collect();
    assert!(read.len() > 10, "the alerts read {read:?}");
    let missing: Vec<&&str> = read
        .iter()
        .filter(|name| !there.contains(**name) && !part(name).is_some_and(|end| there.contains(&name[..end])))
        .collect();
    assert!(missing.is_empty(), "{missing:?} in deploy/alerts.yml is no metric; there are {there:?}");
}

#[test]
fn the_file_for_a_cluster_is_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/cluster.toml");
    let mut command = program(folder.path());
    command.env_remove("RUSHDESK__STORE__URL").args(["config", "check", "--config", file]);
    let output = command.output().expect("the program");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(told.contains("postgres://rushdesk@127.0.0.1:5432/rushdesk"), "{told}");
    assert!(told.contains("redis://127.0.0.1:6379"), "{told}");
}
