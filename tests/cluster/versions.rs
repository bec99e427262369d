//! Nodes of two versions side by side, under load, rolling there and back: what is committed, told and handed over between
//! them is judged by the history checker. And a version that must not be mixed is refused.
//!
//! The other version is a program that `RUSHDESK_OTHER_PROGRAM` names; `scripts/versions.sh` builds one from a commit.

use crate::cluster::{Cluster, Pair};
use crate::desk::program;
use crate::faults::{AT_ONCE, Play, assert_clean};
use crate::postgres_server::PostgresServer;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SCHEMA: &str = "SELECT number FROM rushdesk WHERE name = 'schema'";

/// The program of the other version.
fn other_program() -> PathBuf {
    let named = std::env::var_os("RUSHDESK_OTHER_PROGRAM");
    named
        .expect("RUSHDESK_OTHER_PROGRAM names another version of the program: run scripts/versions.sh COMMIT")
        .into()
}

/// Each node in turn is drained and starts as `version`; two people on nodes of both go on talking.
async fn rolled(cluster: &mut Cluster, version: Option<&Path>, pair: &mut Pair) {
    for number in 0..cluster.nodes.len() {
        let status = cluster.nodes[number].stop().await;
        assert!(status.success(), "{status}: {}", cluster.nodes[number].log());
        cluster.nodes[number].how.program = version.map(Path::to_owned);
        cluster.start_again(number).await;
        let next = (number + 1) % cluster.nodes.len();
        pair.visitor_moves(&cluster.nodes[number], 0).await;
        pair.agent_moves(&cluster.nodes[next]).await;
        for _ in 0..3 {
            pair.talk().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/versions.sh"]
async fn two_versions_serve_side_by_side_rolling_there_and_back() {
    let other = other_program();
    let server = PostgresServer::start();
    let place = server.fresh_desk();
    let mut cluster = Cluster::of_version(Some(&other), place.clone(), 3, AT_ONCE).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    let play = Play::begin(&cluster, 60).await;
    let before = server.run(&place, SCHEMA);
    println!("{}", cluster.answered(&["migrate"]).trim_end());
    let is_same = server.run(&place, SCHEMA) == before;
    rolled(&mut cluster, None, &mut pair).await;
    if is_same {
        rolled(&mut cluster, Some(&other), &mut pair).await;
    } else {
        println!(
            "NOT ROLLED BACK: the schema was {before} and is newer now, so the other version refuses to start"
        );
    }
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
    pair.is_written_once(&mut cluster.nodes[0]).await;
    let unread = cluster.sum("rushdesk_items_unread_total").await;
    println!("items between nodes that could not be read: {unread}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_serves_without_slots_keeps_a_node_with_slots_from_starting() {
    let server = PostgresServer::shared();
    let place = server.fresh_desk();
    let folder = tempfile::tempdir().expect("a folder");
    let command = |arguments: &[&str]| {
        let mut command = program(folder.path());
        command.env("RUSHDESK__STORE__URL", &place).args(arguments).output().expect("the program")
    };
    assert!(command(&["migrate"]).status.success());
    // As the version before slots enters itself, and beats: a moment that lies ahead never grows old.
    server.run(
        &place,
        "INSERT INTO node (id, incarnation, address, beat_at, version, state)
         VALUES ('veteran', gen_random_uuid(), '10.0.0.1:8080', clock_timestamp() + interval '1 hour', '0.1.0', 'serving')",
    );
    let refused = command(&["serve", "--set", "node.id=newcomer"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the node `veteran` at 10.0.0.1:8080") && said.contains("stop it before"),
        "{said}"
    );
    assert_eq!(server.run(&place, "SELECT count(*) FROM slot"), "0", "nothing was taken");
}
