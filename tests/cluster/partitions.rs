//! Networks that lose what is sent: a node without the store, without Redis, with one direction only, and a slow network
//! that loses packets everywhere. People go on, whoever cannot is told so, nothing that was acknowledged is lost.

use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use crate::fault_proxy::{FaultProxy, Upstream};
use crate::faults::{AT_ONCE, Play, assert_clean};
use crate::netns::{Lost, Network, Server, address, apart};
use crate::postgres_server::PostgresServer;
use crate::redis_server::RedisServer;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const STORE_PORT: u16 = 5_432;
/// Longer than a lease (10 s) and a round.
const BEYOND_A_LEASE: Duration = Duration::from_secs(12);
/// Longer than any time-out of the bus.
const BEYOND_THE_BUS: Duration = Duration::from_secs(6);
/// Between two faults.
const CALM: Duration = Duration::from_secs(3);
/// So many people that some conversations are surely the cut node's own.
const PEOPLE: usize = 16;
/// Nobody is left without a word for longer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The URL of a store by its socket, with an address in place of the socket.
pub(crate) fn by_way_of(store_url: &str, address: SocketAddr) -> String {
    let (scheme_and_user, place) = store_url.split_once('@').expect("a user");
    let (_socket, database) = place.split_once('/').expect("a database");
    format!("{scheme_and_user}@{address}/{database}")
}

/// Three nodes, each of which finds store and Redis by addresses of its own.
async fn three_nodes() -> Cluster {
    let store_url = PostgresServer::shared().fresh_desk();
    let redis = RedisServer::start_with(&["--bind", "*"]);
    let redis_port = redis.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let mut cluster = Cluster::on(store_url, redis);
    for node in 1..=3 {
        let store = SocketAddr::from((address(Server::Store, node), STORE_PORT));
        let bus = SocketAddr::from((address(Server::Redis, node), redis_port));
        join(&mut cluster, node, store, bus);
    }
    cluster.settled(3).await;
    cluster
}

fn join(cluster: &mut Cluster, node: u8, store: SocketAddr, bus: SocketAddr) {
    let store = format!("store.url={}", by_way_of(cluster.store_url(), store));
    let bus = format!("bus.url=redis://{bus}");
    let settings: Vec<&str> = [store.as_str(), &bus].into_iter().chain(AT_ONCE.iter().copied()).collect();
    cluster.join(&format!("node-{node}"), &settings);
}

/// People come for so long while `faults` happen; then everything is judged.
async fn under_load(arrive_for_s: u64, faults: impl AsyncFnOnce(&mut Cluster, &mut Network)) {
    let mut cluster = three_nodes().await;
    let play = Play::begin(&cluster, arrive_for_s).await;
    faults(&mut cluster, &mut Network::default()).await;
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
}

/// A visitor on a node, and what they say while it is cut off.
struct Person {
    client: Client,
    conversation: String,
}

impl Person {
    async fn at(cluster: &Cluster, node: usize) -> Self {
        let (_, token) = cluster.nodes[node].visitor().await;
        let mut client = Client::visitor(&cluster.nodes[node], &token).await;
        let conversation = client.open().await;
        Self { client, conversation }
    }

    async fn asks(&mut self) {
        let content = json!({"kind": "text", "text": "is anybody there?"});
        self.says(json!({"type": "send", "conversation": self.conversation, "content": content})).await;
    }

    async fn says(&mut self, mut frame: Value) {
        frame["id"] = json!("asked");
        self.client.say(&frame).await;
    }

    /// The answer to what was said last, whatever it is.
    async fn answer(&mut self) -> Value {
        let answer = async {
            loop {
                let frame = self.client.hear().await.expect("the socket stays");
                if frame["re"] == "asked" && frame["type"] != "entry" {
                    return frame;
                }
            }
        };
        timeout(ANSWERED_WITHIN, answer).await.expect("an answer, be it a refusal")
    }

    /// The answer is no, and says that it is for now.
    async fn is_told_unavailable(&mut self) -> bool {
        let answer = self.answer().await;
        let is_told = answer["code"] == "unavailable";
        assert!(is_told || ["ack", "pong"].iter().any(|kind| answer["type"] == *kind), "{answer}");
        is_told
    }

    /// Asks until it is taken.
    async fn is_heard(&mut self) {
        let began = Instant::now();
        loop {
            self.asks().await;
            if self.answer().await["type"] == "ack" {
                return;
            }
            assert!(began.elapsed() < ANSWERED_WITHIN, "the node does not come back");
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The nodes that own slots and are not this one own all of them.
async fn others_own_everything(cluster: &Cluster, without: &str) {
    let slots = |node: &Value| node["slots"].as_u64().unwrap_or_default();
    let all_others = || {
        let members = cluster.members();
        members.iter().filter(|node| node["node"] != without).map(slots).sum::<u64>() == 1_024
    };
    cluster.come_to_pass("the others own every slot", all_others).await;
}

#[test]
fn a_node_without_the_store_says_so_and_the_others_take_its_slots() {
    let play = under_load(16, async |cluster, network| {
        let mut people = Vec::new();
        for _ in 0..PEOPLE {
            people.push(Person::at(cluster, 0).await);
        }
        network.cut(1, Server::Store, Lost::Both);
        let cut = Instant::now();
        let mut unavailable = 0;
        for person in &mut people {
            person.asks().await;
        }
        for person in &mut people {
            unavailable += usize::from(person.is_told_unavailable().await);
        }
        println!("cut off: {unavailable} of {PEOPLE} were told so within {:?}", cut.elapsed());
        assert!(unavailable > 0, "a node without the store decided");
        others_own_everything(cluster, "node-1").await;
        assert_eq!(cluster.nodes[0].ask("GET", "/readyz", None, None).await.status, 503);
        let asked = Instant::now();
        for person in &mut people {
            person.says(json!({"type": "ping"})).await;
        }
        for person in &mut people {
            person.is_told_unavailable().await;
        }
        println!("still cut off: every socket was answered within {:?}", asked.elapsed());
        network.heal();
        let healed = Instant::now();
        cluster.settled(3).await;
        println!("healed: each node has its share after {:?}", healed.elapsed());
        for person in &mut people {
            person.is_heard().await;
            let log = cluster.nodes[0].entries(&person.conversation).await;
            let said = log.iter().filter(|entry| entry["content"]["text"] == "is anybody there?").count();
            assert_eq!(said, 1, "{log:?}");
        }
        // Whoever comes now is brought together with somebody, on the node that was cut off too.
        Pair::meet(cluster, 0, 1, "ann").await.talk().await;
    });
    apart("partitions::a_node_without_the_store_says_so_and_the_others_take_its_slots", play);
}

#[test]
fn a_node_to_which_redis_cannot_speak_spoils_nothing() {
    let play = under_load(9, async |cluster, network| {
        sleep(CALM).await;
        network.cut(2, Server::Redis, Lost::Answers);
        sleep(BEYOND_THE_BUS).await;
        network.heal();
        cluster.all_show("rushdesk_bus_carries", 1).await;
    });
    apart("partitions::a_node_to_which_redis_cannot_speak_spoils_nothing", play);
}

#[test]
#[ignore = "long: scripts/reliability.sh"]
fn one_direction_is_lost_between_a_node_and_a_server() {
    let play = under_load(70, async |cluster, network| {
        for (node, server, lost) in [
            (1, Server::Store, Lost::Asks),
            (2, Server::Store, Lost::Answers),
            (3, Server::Redis, Lost::Asks),
            (1, Server::Redis, Lost::Answers),
        ] {
            sleep(CALM).await;
            network.cut(node, server, lost);
            sleep(BEYOND_A_LEASE).await;
            network.heal();
            cluster.settled(3).await;
            cluster.all_show("rushdesk_bus_carries", 1).await;
        }
    });
    apart("partitions::one_direction_is_lost_between_a_node_and_a_server", play);
}

#[test]
#[ignore = "long: scripts/reliability.sh"]
fn redis_is_out_of_reach_of_one_node_and_then_of_all() {
    let play = under_load(45, async |cluster, network| {
        for nodes in [&[2][..], &[1, 2, 3]] {
            sleep(CALM).await;
            for node in nodes {
                network.cut(*node, Server::Redis, Lost::Both);
            }
            sleep(BEYOND_A_LEASE).await;
            network.heal();
            cluster.all_show("rushdesk_bus_carries", 1).await;
        }
    });
    apart("partitions::redis_is_out_of_reach_of_one_node_and_then_of_all", play);
}

#[test]
#[ignore = "long: scripts/reliability.sh"]
fn the_store_is_out_of_reach_of_every_node() {
    let play = under_load(30, async |cluster, network| {
        sleep(CALM).await;
        for node in 1..=3 {
            network.cut(node, Server::Store, Lost::Both);
        }
        sleep(BEYOND_A_LEASE).await;
        network.heal();
        cluster.settled(3).await;
    });
    apart("partitions::the_store_is_out_of_reach_of_every_node", play);
}

/// On the way to the store and to Redis, each way.
const DELAY: Duration = Duration::from_millis(50);
const JITTER: Duration = Duration::from_millis(20);

#[test]
#[ignore = "long: scripts/reliability.sh"]
fn a_slow_network_that_loses_packets_everywhere_keeps_the_promises() {
    let play = async {
        let store_url = PostgresServer::shared().fresh_desk();
        let redis = RedisServer::start_with(&["--bind", "*"]);
        let redis_at: SocketAddr = redis.url().trim_start_matches("redis://").parse().expect("an address");
        let store_at = SocketAddr::from(([127, 0, 0, 1], STORE_PORT));
        let mut cluster = Cluster::on(store_url, redis);
        let mut ways = Vec::new();
        for node in 1..=3 {
            let store = FaultProxy::before(Upstream::Tcp(store_at)).await;
            let bus = FaultProxy::before(Upstream::Tcp(redis_at)).await;
            join(&mut cluster, node, store.address, bus.address);
            ways.extend([store, bus]);
        }
        cluster.settled(3).await;
        let play = Play::begin(&cluster, 30).await;
        let mut network = Network::default();
        network.lose_one_of_a_hundred();
        for way in &ways {
            way.delay(DELAY, JITTER);
        }
        sleep(Duration::from_secs(25)).await;
        network.heal();
        for way in &ways {
            way.delay(Duration::ZERO, Duration::ZERO);
        }
        cluster.settled(3).await;
        let (stage, verdict) = play.over(&cluster).await;
        assert_clean(&verdict, &stage.meters);
    };
    apart("partitions::a_slow_network_that_loses_packets_everywhere_keeps_the_promises", play);
}
