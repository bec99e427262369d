//! Limits of one address and of one person hold over all nodes together; without Redis each node's own hold.

use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use serde_json::json;
use std::time::{Duration, Instant};

const LIMITED: &[&str] = &["limits.sign_ups_per_s=5", "limits.login_failures_per_login=4"];
/// What may slip through before a node has heard of the other.
const UNHEARD: usize = 6;
const TRY_FOR: Duration = Duration::from_secs(3);

/// Signs up on one node after the other, as fast as they answer; how many were let in, and the time that took.
async fn sign_up_everywhere(cluster: &Cluster) -> (usize, Duration) {
    let (began, mut let_in) = (Instant::now(), 0);
    while began.elapsed() < TRY_FOR {
        for node in &cluster.nodes {
            let answer = node.ask("POST", "/api/v1/visitors", None, Some(json!({}))).await;
            match answer.status {
                200..300 => let_in += 1,
                status => assert_eq!(status, 429, "{}", answer.text()),
            }
        }
    }
    (let_in, began.elapsed())
}

/// What one node alone lets in within this time.
fn of_one_node(time: Duration) -> usize {
    5 + (5.0 * time.as_secs_f64()).ceil() as usize
}

async fn guess(cluster: &Cluster, node: usize, login: &str) -> u16 {
    let body = json!({"login": login, "password": "wrong-password"});
    cluster.nodes[node].ask("POST", "/api/v1/auth/login", None, Some(body)).await.status
}

async fn told(cluster: &Cluster, over: &str) -> u64 {
    let mut sum = 0;
    for node in &cluster.nodes {
        sum += node.metric(&format!("rushdesk_limits_counted_total{{over=\"{over}\"}}")).await;
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_limited_on_two_nodes_as_on_one_and_without_redis_on_each() {
    let mut cluster = Cluster::with(2, LIMITED).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    let (let_in, took) = sign_up_everywhere(&cluster).await;
    println!("{let_in} sign-ups over two nodes in {took:?}; one node alone: {}", of_one_node(took));
    assert!(let_in > 0 && let_in <= of_one_node(took) + UNHEARD, "{let_in} in {took:?}");

    let mut statuses = Vec::new();
    for attempt in 0..6 {
        statuses.push(guess(&cluster, attempt % 2, "bob").await);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429], "four failures of one login, on whichever node");
    assert_eq!(guess(&cluster, 0, "cid").await, 401, "another login is another matter");
    assert!(told(&cluster, "all_nodes").await > 0);

    cluster.redis.kill();
    cluster.all_show("rushdesk_bus_carries", 0).await;
    let before = told(&cluster, "here_only").await;
    let (let_in, took) = sign_up_everywhere(&cluster).await;
    assert!(let_in > 0 && let_in <= 2 * (of_one_node(took) + 1), "each node's own limit holds: {let_in}");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(guess(&cluster, 1, "dan").await);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429]);
    assert!(told(&cluster, "here_only").await > before, "and it is seen that nobody was asked");
    pair.talk().await;
    cluster.redis.restart();
    cluster.all_show("rushdesk_bus_carries", 1).await;
    pair.talk().await;
    pair.is_written_once(&mut cluster.nodes[0]).await;
    assert_eq!(guess(&cluster, 0, "eve").await, 401);
}

/// One connection at each node may send far more than the person may over both.
const ONE_PERSON: &[&str] = &[
    "limits.frames_per_s=1000",
    "limits.frames_burst=1000",
    "limits.identity_frames_per_s=20",
    "limits.identity_frames_burst=40",
];
/// Of the last portions before the end, and of the hellos, which are frames as well.
const UNTOLD: usize = 20;

/// Sends as fast as it is answered, and waits where it is told to; how many frames were let in.
async fn send_politely(client: &mut Client, began: Instant) -> usize {
    let mut let_in = 0;
    while began.elapsed() < TRY_FOR {
        let answer = client.ask(json!({"type": "ping"})).await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "rate_limited", "{answer}");
            let wait_ms = answer["retry_after_ms"].as_u64().expect("a time to wait");
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        } else {
            let_in += 1;
        }
    }
    let_in
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_on_two_nodes_may_send_what_one_may_on_one() {
    let cluster = Cluster::with(2, ONE_PERSON).await;
    let (_, token) = cluster.nodes[0].visitor().await;
    let mut first = Client::visitor(&cluster.nodes[0], &token).await;
    let mut second = Client::visitor(&cluster.nodes[1], &token).await;
    let began = Instant::now();
    let (on_one, on_other) =
        tokio::join!(send_politely(&mut first, began), send_politely(&mut second, began));
    let (let_in, took) = (on_one + on_other, began.elapsed());
    let most = 40 + (20.0 * took.as_secs_f64()).ceil() as usize + UNTOLD;
    println!("{on_one} and {on_other} frames of one person in {took:?}; over one node {most} at most");
    assert!(on_one > 0 && on_other > 0 && let_in <= most, "{let_in} of at most {most}");
}
