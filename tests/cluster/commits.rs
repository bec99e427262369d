//! Nodes that are killed at the worst moment: a message is committed, and its sender and everybody else have not heard of
//! it.
//!
//! The moment is made by the database: while a commit waits for a standby that never comes it is on disk and seen by
//! nobody. The node is stopped then, the wait is ended, the row shows, and the node is killed.

use crate::client::Client;
use crate::cluster::{Cluster, Pair, insist};
use crate::faults::AT_ONCE;
use crate::postgres_server::PostgresServer;
use rushdesk::cluster::slots::Slot;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A transaction that has written an entry waits for the standby.
const WAITS: &str = "SELECT count(*) > 0 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE a.wait_event = 'SyncRep' AND l.relation = 'entry'::regclass AND l.mode = 'RowExclusiveLock'";
/// Sessions compare with the store every 25 s; whatever else may bring a word comes sooner.
const LOOKS: usize = 8;
const LOOK: Duration = Duration::from_secs(5);

/// The number of the node that owns a conversation.
fn owner(server: &PostgresServer, place: &str, conversation: &str) -> usize {
    let slot = Slot::of_conversation(conversation.parse().expect("an id")).number();
    let owner = server.run(place, &format!("SELECT owner FROM slot WHERE slot = {slot}"));
    let number: usize = owner.strip_prefix("node-").expect("a node").parse().expect("a number");
    number - 1
}

/// The position of what somebody said, as soon as this client hears it.
async fn hears(client: &mut Client, words: &str) -> Value {
    for _ in 0..LOOKS {
        if let Ok(entry) = timeout(LOOK, client.entry_saying(words)).await {
            return entry["seq"].clone();
        }
    }
    panic!("`{words}` is in the log and never comes");
}

fn said(conversation: &str, id: &str) -> Value {
    let content = json!({"kind": "text", "text": id});
    json!({"type": "send", "id": id, "conversation": conversation, "content": content})
}

/// Has a message committed by a node that does not live to tell. Returns the position that it has in the log, and its id.
async fn killed_after_commit(
    server: &PostgresServer,
    place: &str,
    cluster: &mut Cluster,
    victim: usize,
    visitor: &mut Client,
    conversation: &str,
) -> (u64, String) {
    server.run("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.run("postgres", "SELECT pg_reload_conf()");
    // The server follows its new settings at leisure: until then messages are acknowledged.
    'attempts: for attempt in 0.. {
        let id = format!("word-{attempt}");
        visitor.say(&said(conversation, &id)).await;
        while server.run(place, WAITS) != "t" {
            if timeout(Duration::from_millis(20), visitor.answer(&id)).await.is_ok() {
                continue 'attempts;
            }
        }
        cluster.nodes[victim].signal("STOP");
        server.run("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        server.run("postgres", "SELECT pg_reload_conf()");
        let row = format!("SELECT seq FROM entry WHERE conversation = '{conversation}' AND body = '{id}'");
        server.until(place, &format!("SELECT count(*) FROM ({row}) AS kept"), "1");
        let seq = server.run(place, &row).parse().expect("a position");
        cluster.nodes[victim].kill();
        return (seq, id);
    }
    unreachable!("attempts do not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_of_the_sender_dies_between_commit_and_ack_and_the_repeat_is_the_same_message() {
    let server = PostgresServer::start();
    let place = server.fresh_desk();
    let mut cluster = Cluster::of_store(place.clone(), 3, AT_ONCE).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    pair.talk().await;
    let victim = owner(&server, &place, &pair.conversation);
    let (other, third) = ((victim + 1) % 3, (victim + 2) % 3);
    pair.agent_moves(&cluster.nodes[third]).await;
    pair.visitor_moves(&cluster.nodes[victim], 0).await;
    let conversation = pair.conversation.clone();
    let (seq, id) =
        killed_after_commit(&server, &place, &mut cluster, victim, &mut pair.visitor, &conversation).await;
    let killed = Instant::now();
    pair.visitor.ended().await;
    let is_ack = |frame: &Value| frame["type"] == "ack" && frame["re"] == json!(id);
    pair.visitor.never("an ack: the node was to die before it", is_ack).await;

    pair.visitor_moves(&cluster.nodes[other], seq - 1).await;
    let again = insist(&mut pair.visitor, &conversation, &id, &id).await;
    assert_eq!(again["seq"], json!(seq), "JR-1: the same id is the same message");
    assert_eq!(hears(&mut pair.agent, &id).await, json!(seq));
    println!("killed between COMMIT and ack: the other heard it after {:?}", killed.elapsed());
    pair.agent.never("the same message again", |frame| frame["content"]["text"] == json!(id)).await;
    cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_dies_between_commit_and_fan_out_and_everybody_hears_the_message_once() {
    let server = PostgresServer::start();
    let place = server.fresh_desk();
    let mut cluster = Cluster::of_store(place.clone(), 3, AT_ONCE).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    pair.talk().await;
    let victim = owner(&server, &place, &pair.conversation);
    let (other, third) = ((victim + 1) % 3, (victim + 2) % 3);
    pair.agent_moves(&cluster.nodes[third]).await;
    pair.visitor_moves(&cluster.nodes[other], 0).await;
    let conversation = pair.conversation.clone();
    let (seq, id) =
        killed_after_commit(&server, &place, &mut cluster, victim, &mut pair.visitor, &conversation).await;
    let killed = Instant::now();
    let answer = pair.visitor.answer(&id).await;
    let acked = if answer["type"] == "ack" {
        answer
    } else {
        insist(&mut pair.visitor, &conversation, &id, &id).await
    };
    assert_eq!(acked["seq"], json!(seq), "JR-1: who takes over finds it");
    println!("killed between COMMIT and fan-out: acked after {:?}", killed.elapsed());
    assert_eq!(hears(&mut pair.agent, &id).await, json!(seq));
    println!("killed between COMMIT and fan-out: the other heard it after {:?}", killed.elapsed());
    pair.agent.never("the same message again", |frame| frame["content"]["text"] == json!(id)).await;
    cluster.audited();
}
