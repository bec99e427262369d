//! How long it takes until everybody is back whose node was killed.

use crate::client::Client;
use crate::cluster::Cluster;
use crate::desk::Desk;
use crate::figures::Times;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Sockets, a third of them on each node.
const SOCKETS: usize = 900;
const NODES: usize = 3;
/// The limits of one address and of each person would be met by all sockets of a test together.
const ROOM: &[&str] = &[
    "limits.sockets_per_address=20000",
    "limits.sign_ups_per_s=20000",
    "limits.requests_per_s=20000",
    "conversation.idle_end_s=3600",
];
/// A client that was sent away comes again after what it was told; one whose node does not answer goes to the next.
const AGAIN: Duration = Duration::from_millis(100);

struct Guest {
    client: Client,
    token: String,
    conversation: String,
    /// Position of the last word.
    seen: u64,
}

impl Guest {
    async fn enter(node: &Desk) -> Self {
        let (_, token) = node.visitor().await;
        let mut client = Client::visitor(node, &token).await;
        let conversation = client.open().await;
        let seen =
            client.words(&conversation, "w1", "我的快递在哪里").await["seq"].as_u64().expect("a position");
        Self { client, token, conversation, seen }
    }

    /// Comes back by some node that takes it in, and is brought up. Tells how often it was sent away.
    async fn come_back(&mut self, nodes: &[&Desk], first: usize) -> usize {
        let resume = json!([{"conversation": self.conversation, "after": self.seen}]);
        let hello = json!({"type": "hello", "id": "hello", "token": self.token, "resume": resume});
        for attempt in 0.. {
            let node = nodes[(first + attempt) % nodes.len()];
            if let Ok((mut client, _)) = Client::shake_hands(node, "/ws/visitor", &[]).await {
                client.say(&hello).await;
                let answer = client.answer("hello").await;
                if answer["type"] == "welcome" {
                    client.expect("caught_up").await;
                    self.client = client;
                    return attempt;
                }
                let wait_ms = answer["retry_after_ms"].as_u64().unwrap_or_else(|| panic!("{answer}"));
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
        unreachable!("attempts do not end")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn everybody_of_a_killed_node_comes_back_at_once() {
    let mut cluster = Cluster::with(NODES, ROOM).await;
    let (victim, others) = (0, [1, 2]);
    let mut stayed = Vec::new();
    let mut moved = Vec::new();
    for number in 0..SOCKETS {
        let guest = Guest::enter(&cluster.nodes[number % NODES]).await;
        if number % NODES == victim { moved.push(guest) } else { stayed.push(guest) }
    }
    cluster.nodes[victim].kill();
    let killed = Instant::now();
    let nodes = others.map(|number| &cluster.nodes[number]);
    let (mut times, mut sent_away) = (Times::default(), 0);
    let mut coming: FuturesUnordered<_> = moved
        .iter_mut()
        .enumerate()
        .map(|(number, guest)| async move {
            guest.client.ended().await;
            let attempts = guest.come_back(&nodes, number).await;
            (killed.elapsed(), attempts)
        })
        .collect();
    while let Some((time, attempts)) = coming.next().await {
        times.0.push(time);
        sent_away += attempts;
    }
    drop(coming);
    times.show("a socket of the killed node, resumed elsewhere");
    println!("{SOCKETS} sockets on {NODES} nodes, {} moved; sent away {sent_away} times", times.0.len());

    // Nobody is left behind: each says a further word, and hears it in its place.
    for guest in moved.iter_mut().chain(&mut stayed) {
        let said = crate::cluster::insist(&mut guest.client, &guest.conversation, "w2", "hello?").await;
        assert!(said["seq"].as_u64() > Some(guest.seen), "{said}");
        let heard: Value = guest.client.entry_saying("hello?").await;
        assert_eq!(heard["seq"], said["seq"]);
    }
    cluster.audited();
}
