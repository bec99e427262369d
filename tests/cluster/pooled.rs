//! A pooler stands between the nodes and PostgreSQL: nothing of the desk relies on a session of the database.

use crate::cluster::{Cluster, Pair};
use crate::pooler::Pooler;
use crate::postgres_server::PostgresServer;
use crate::redis_server::RedisServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_of_a_cluster_may_be_shared_transaction_by_transaction() {
    let postgres = PostgresServer::start();
    let pooler = Pooler::before(&postgres);
    let mut cluster = Cluster::on(pooler.url(), RedisServer::start());
    for node in ["node-1", "node-2", "node-3"] {
        cluster.join(node, &[]);
    }
    cluster.settled(3).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    for _ in 0..5 {
        pair.talk().await;
    }
    let of_the_desk = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let shared: usize = postgres.run("postgres", of_the_desk).parse().expect("a number");
    assert!(
        (1..=Pooler::SHARED).contains(&shared),
        "three nodes have {shared} connections: they go past the pooler"
    );
    cluster.nodes[2].kill();
    pair.talk().await;
    cluster.start_again(2).await;
    pair.visitor_moves(&cluster.nodes[2], 0).await;
    pair.visitor.entry_saying("第 6 个问题").await;
    pair.talk().await;
    pair.is_written_once(&mut cluster.nodes[1]).await;
    cluster.audited();
}
