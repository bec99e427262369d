//! The database itself is lost, and its standby goes on: what was acknowledged is there where the standby had to have it,
//! and what is not there is counted and said, never papered over.

use crate::client::Client;
use crate::cluster::{Cluster, LOOK_EVERY, LOOKS, Pair};
use crate::faults::{AT_ONCE, Play, assert_clean};
use crate::postgres_server::PostgresServer;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LOST: &str = "rushdesk_journal_lost_entries_total";
const ENTRIES: &str = "SELECT count(*) FROM entry";
/// Of the highest and the lowest epoch of a slot.
const TIMELINES: &str = "SELECT max(epoch) >> 40, min(epoch) >> 40 FROM slot";
const ALL_GONE: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'desk%'";

/// What each node tells of how far a word goes.
async fn durability(cluster: &Cluster) -> Vec<Value> {
    let mut told = Vec::new();
    for node in &cluster.nodes {
        told.push(node.ask("GET", "/readyz", None, None).await.json()["durability"].clone());
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_is_promoted_while_people_talk_and_nothing_is_lost() {
    let primary = PostgresServer::start();
    let place = primary.fresh_desk();
    let standby = PostgresServer::standby_of(&primary);
    primary.waits_for_standby();
    let mut cluster = Cluster::of_store(primary.url_with_standby(&place, &standby), 3, AT_ONCE).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    let hello = Client::sign_in(&cluster.nodes[2], "/ws/visitor", &pair.visitor_token, json!({})).await;
    assert_eq!(hello.1["durability"], "replicated");
    assert_eq!(durability(&cluster).await, ["replicated"; 3]);
    let play = Play::begin(&cluster, 12).await;
    tokio::time::sleep(Duration::from_secs(4)).await;

    primary.crash();
    let lost = Instant::now();
    standby.promote();
    println!("primary lost: its standby was promoted after {:?}", lost.elapsed());
    pair.talk_at_last().await;
    println!("primary lost: word and answer after {:?}", lost.elapsed());
    // Each node finds out with its next connection to the store: nobody follows the new primary yet.
    for _ in 0..LOOKS {
        if durability(&cluster).await == ["local"; 3] {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert_eq!(durability(&cluster).await, ["local"; 3]);

    assert_eq!(standby.run(&place, TIMELINES), "1|1", "nothing has moved");
    let status = cluster.nodes[2].stop().await;
    assert!(status.success(), "{status}: {}", cluster.nodes[2].log());
    cluster.start_again(2).await;
    assert_eq!(standby.run(&place, TIMELINES), "2|1", "CL-1: epochs carry the timeline");

    // An operator has overlooked the old primary: it takes writes again, and gets none.
    primary.restart();
    primary.run("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    primary.run("postgres", "SELECT pg_reload_conf()");
    let old = primary.run(&place, ENTRIES);
    standby.run("postgres", ALL_GONE);
    pair.talk_at_last().await;
    assert_eq!(primary.run(&place, ENTRIES), old, "the old primary is left alone");

    pair.is_written_once(&mut cluster.nodes[2]).await;
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
    assert_eq!(cluster.sum(LOST).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_asynchronous_standby_lacks_is_counted_and_everybody_who_saw_it_is_told() {
    let primary = PostgresServer::start();
    let place = primary.fresh_desk();
    let standby = PostgresServer::standby_of(&primary);
    let mut cluster = Cluster::of_store(primary.url_with_standby(&place, &standby), 3, AT_ONCE).await;
    assert_eq!(durability(&cluster).await, ["local"; 3]);
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    pair.talk().await;
    let (_, away_token) = cluster.nodes[2].visitor().await;
    let mut away = Client::visitor(&cluster.nodes[2], &away_token).await;
    let left = away.open().await;
    standby.until(&place, ENTRIES, &primary.run(&place, ENTRIES));

    standby.is_cut_off(&primary);
    for _ in 0..3 {
        pair.talk().await;
    }
    let seen = away.words(&left, "w1", "nobody will know this").await["seq"].as_u64().expect("a position");
    drop(away);
    let (_, token) = cluster.nodes[2].visitor().await;
    let mut late = Client::visitor(&cluster.nodes[2], &token).await;
    let vanished = late.open().await;
    late.words(&vanished, "l1", "nor this").await;
    primary.crash();
    let had: u64 = {
        primary.restart();
        let had = primary.run(&place, ENTRIES).parse().expect("a number");
        primary.crash();
        had
    };
    let lacking = had - standby.run(&place, ENTRIES).parse::<u64>().expect("a number");
    standby.promote();

    for client in [&mut pair.visitor, &mut pair.agent] {
        let reset = client.expect("reset").await;
        assert_eq!(
            (&reset["conversation"], &reset["reason"]),
            (&json!(pair.conversation), &json!("rewritten"))
        );
    }
    pair.talk_at_last().await;
    println!("{lacking} entries were lost");
    assert!(lacking >= 9, "{lacking}");
    // Each by the node that acknowledged it; an idle one connects again within seconds.
    cluster.come_to(LOST, lacking).await;
    let mut told = 0;
    for node in &cluster.nodes {
        let lost = node.metric(LOST).await;
        let ready = node.ask("GET", "/readyz", None, None).await;
        let history = if lost > 0 { json!(format!("lost {lost} entries")) } else { Value::Null };
        assert_eq!((ready.status, &ready.json()["parts"]["history"]), (200, &history));
        assert_eq!(node.log().contains("acknowledged entries are lost"), lost > 0);
        told += u64::from(lost > 0);
    }
    assert!(told > 0);
    let doctor = cluster.answered(&["doctor"]);
    assert!(doctor.contains(&format!("came back without {lacking} acknowledged entries")), "{doctor}");

    // Who was away names a position that is not there any more; a conversation that is gone is said to be.
    let resume = json!({"resume": [{"conversation": left, "after": seen}]});
    let (mut away, _) = Client::sign_in(&cluster.nodes[0], "/ws/visitor", &away_token, resume).await;
    let reset = away.expect("reset").await;
    assert_eq!(
        (&reset["reason"], reset["head"].as_u64() < Some(seen)),
        (&json!("rewritten"), true),
        "{reset}"
    );
    let again =
        json!({"type": "send", "conversation": vanished, "content": {"kind": "text", "text": "hello?"}});
    late.refused(again, "not_found").await;
    cluster.audited();
}
