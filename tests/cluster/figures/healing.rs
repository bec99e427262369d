//! How long a cluster takes to be itself again after a minute without Redis, and how people fare meanwhile.

use crate::cluster::{Cluster, Pair};
use crate::figures::{Times, trials};
use std::time::{Duration, Instant};

const WITHOUT_REDIS: Duration = Duration::from_secs(60);
/// A minute each: more say little more.
const TRIALS_AT_MOST: usize = 5;
/// Words after Redis is back.
const ROUNDS_OF_TALK: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn a_minute_without_redis_heals() {
    let mut cluster = Cluster::of(3).await;
    let mut pairs = Vec::new();
    for (number, (visitor_at, agent_at)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        pairs.push(Pair::meet(&mut cluster, visitor_at, agent_at, &format!("ann{number}")).await);
    }
    let [mut calm, mut without, mut carried, mut hinted, mut after] = [(); 5].map(|()| Times::default());
    for _ in 0..trials().min(TRIALS_AT_MOST) {
        for pair in &mut pairs {
            calm.0.push(talk(pair).await);
        }
        cluster.redis.kill();
        let killed = Instant::now();
        while killed.elapsed() < WITHOUT_REDIS {
            for pair in &mut pairs {
                without.0.push(talk(pair).await);
            }
        }
        cluster.redis.restart();
        let back = Instant::now();
        cluster.all_show("rushdesk_bus_carries", 1).await;
        carried.0.push(back.elapsed());
        // A hint goes by the bus alone: seen, the bus carries all the way.
        for pair in &mut pairs {
            pair.typing_is_seen().await;
        }
        hinted.0.push(back.elapsed());
        for _ in 0..ROUNDS_OF_TALK {
            for pair in &mut pairs {
                after.0.push(talk(pair).await);
            }
        }
    }
    for pair in pairs {
        pair.is_written_once(&mut cluster.nodes[0]).await;
    }
    cluster.audited();
    calm.show("word and answer between two nodes, calm");
    without.show("word and answer, without Redis");
    carried.show("Redis is back: every node's bus carries");
    hinted.show("Redis is back: hints pass between all pairs");
    after.show("word and answer, after that");
}

/// How long a word and its answer take.
async fn talk(pair: &mut Pair) -> Duration {
    let said = Instant::now();
    pair.talk().await;
    said.elapsed()
}
