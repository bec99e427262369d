//! Nodes that die, sleep and come back, and a bus that goes away: people go on, nothing that was acknowledged is lost.

use crate::balancer::Balancer;
use crate::client::Client;
use crate::cluster::{Cluster, Pair};
use crate::desk::ADMIN_PASSWORD;
use crate::relay::Relay;
use rushdesk::rehearsal::history::{Limits, Verdict};
use rushdesk::rehearsal::judge::Judge;
use rushdesk::rehearsal::meters::{Meters, Tally};
use rushdesk::rehearsal::plan::{Errand, Plan};
use rushdesk::rehearsal::report;
use rushdesk::rehearsal::setup::{Administrator, Staff};
use rushdesk::rehearsal::stage::Stage;
use rushdesk::rehearsal::traffic::Traffic;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shoppers and agents who come in by the balancer, and the judge of what they saw.
pub(crate) struct Play {
    pub(crate) balancer: Balancer,
    admin: Administrator,
    judge: Judge,
    pub(crate) traffic: Traffic,
}

impl Play {
    pub(crate) async fn begin(cluster: &Cluster, arrive_for_s: u64) -> Self {
        let balancer = cluster.balancer().await;
        let (judge, record) = Judge::start(Limits::default());
        let mut admin = Administrator::sign_in(balancer.target, "admin", ADMIN_PASSWORD)
            .await
            .expect("the administrator");
        let staff = Staff { count: 8, name: "clerk", groups: &["general"], capacity: 8 };
        let agents = admin.hire(&staff, &record).await.expect("agents");
        cluster.all_know_agents(admin.token(), agents.len() + 1).await;
        let plan = Plan { agents, ..plan(arrive_for_s) };
        let traffic = Traffic::start(plan, balancer.target, record);
        Self { balancer, admin, judge, traffic }
    }

    /// Waits until everybody has come and gone, and judges.
    pub(crate) async fn over(self, cluster: &Cluster) -> (Arc<Stage>, Verdict) {
        let stage = self.traffic.over().await;
        let verdict = self.judge.verdict(self.balancer.target, self.admin.token()).await.expect("all logs");
        println!("{}\n{verdict}", report::table(&stage.meters));
        cluster.audited();
        (stage, verdict)
    }
}

fn plan(arrive_for_s: u64) -> Plan {
    Plan {
        seed: 618,
        arrive_for_s: Some(arrive_for_s),
        visitors: 100_000,
        arrivals_per_s: 6.0,
        burst: None,
        present: 200,
        errands: vec![Errand {
            weight: 1,
            group: None,
            intent: None,
            subject: None,
            lines: vec!["我的快递在哪里".into(), "hello?".into(), "怎么还不发货".into()],
            replies: vec!["让我看看".into(), "on its way".into()],
        }],
        messages: (4, 12),
        pause_ms: 150,
        reply_ms: 80,
        drop_share: 0.02,
        patience_s: 30,
        agents: Vec::new(),
    }
}

/// There was load, and nothing that was promised is broken.
pub(crate) fn assert_clean(verdict: &Verdict, meters: &Meters) {
    assert!(verdict.is_clean(), "{}\n{verdict}", report::table(meters));
    assert!(verdict.counts.acked > 100 && verdict.counts.assignments > 10, "there was no load: {verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_is_killed_in_turn_while_people_talk_and_nothing_is_lost() {
    let mut cluster = Cluster::of(3).await;
    let play = Play::begin(&cluster, 20).await;
    for victim in 0..3 {
        let (at, other) = ((victim + 1) % 3, (victim + 2) % 3);
        let mut pairs = Vec::new();
        for number in 0..2 {
            pairs.push(Pair::meet(&mut cluster, at, other, &format!("ann{victim}{number}")).await);
        }
        cluster.nodes[victim].kill();
        let killed = Instant::now();
        for pair in &mut pairs {
            pair.talk().await;
            println!("node-{} killed: answered after {:?}", victim + 1, killed.elapsed());
        }
        cluster.start_again(victim).await;
        for mut pair in pairs {
            pair.talk().await;
            pair.is_written_once(&mut cluster.nodes[victim]).await;
        }
    }
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_beyond_its_lease_wakes_and_spoils_nothing() {
    let mut cluster = Cluster::of(3).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    pair.talk().await;
    cluster.nodes[2].signal("STOP");
    cluster
        .come_to_pass("the others own every slot", || {
            let members = cluster.members();
            let own = |node: &Value| node["slots"].as_u64().unwrap_or_default();
            members.iter().filter(|node| node["node"] != "node-3").map(own).sum::<u64>() == 1_024
        })
        .await;
    pair.talk().await;
    cluster.nodes[2].signal("CONT");
    cluster.settled(3).await;
    pair.talk().await;
    pair.visitor_moves(&cluster.nodes[2], 0).await;
    pair.talk().await;
    pair.is_written_once(&mut cluster.nodes[2]).await;
    cluster.audited();
}

/// An agent who is played answers all their conversations at once when they are back, which no person at a keyboard does.
pub(crate) const AT_ONCE: &[&str] = &[
    "limits.frames_per_s=1000",
    "limits.frames_burst=1000",
    "limits.identity_frames_per_s=2000",
    "limits.identity_frames_burst=2000",
];
/// Longer than any time-out of the bus.
const WITHOUT_REDIS: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_dies_for_a_while_and_people_go_on_talking() {
    let mut cluster = Cluster::of(3).await;
    let mut pairs = Vec::new();
    for (number, (visitor_at, agent_at)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        pairs.push(Pair::meet(&mut cluster, visitor_at, agent_at, &format!("ann{number}")).await);
    }
    cluster.redis.kill();
    let killed = Instant::now();
    while killed.elapsed() < WITHOUT_REDIS {
        for pair in &mut pairs {
            pair.talk().await;
        }
    }
    cluster.redis.restart();
    for pair in &mut pairs {
        pair.talk().await;
        pair.typing_is_seen().await;
        pair.is_written_once(&mut cluster.nodes[0]).await;
    }
    cluster.audited();
}

/// So many sockets would have to look into the store one after the other, if nobody read the log for all of them.
const IDLE_SOCKETS: usize = 300;
/// Words on both sides while Redis hangs.
const ROUNDS_OF_TALK: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs_and_every_word_comes_by_the_log_past_hundreds_of_idle_sockets() {
    let room = ["limits.sockets_per_identity=1000", "limits.sockets_per_address=2000"];
    let mut cluster = Cluster::with(2, &room).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    let (_, token) = cluster.nodes[0].visitor().await;
    let mut idle = Vec::new();
    for number in 0..IDLE_SOCKETS {
        idle.push(Client::visitor(&cluster.nodes[number % 2], &token).await);
    }
    cluster.redis.freeze();
    pair.talk().await;
    cluster.all_show("rushdesk_bus_carries", 0).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..ROUNDS_OF_TALK {
        let said = Instant::now();
        pair.talk().await;
        slowest = slowest.max(said.elapsed());
    }
    println!("Redis hangs: word and answer within {slowest:?} at the slowest");
    for node in &cluster.nodes {
        assert!(node.metric("rushdesk_tail_entries_total").await >= 2 * ROUNDS_OF_TALK as u64);
        assert_eq!(node.metric("rushdesk_tail_failures_total").await, 0);
    }
    pair.agent.ack(json!({"type": "close", "conversation": pair.conversation})).await;
    let closed = json!(pair.conversation);
    assert_eq!(pair.visitor.entry_of("closed").await["conversation"], closed);
    cluster.redis.thaw();
    cluster.all_show("rushdesk_bus_carries", 1).await;
    let mut next = Pair::meet(&mut cluster, 1, 0, "bob").await;
    next.talk().await;
    next.typing_is_seen().await;
    for pair in [pair, next] {
        pair.is_written_once(&mut cluster.nodes[1]).await;
    }
    for mut client in idle {
        client.still_serves().await;
    }
    cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_alone_loses_redis_and_the_others_read_what_it_commits() {
    let mut cluster = Cluster::of(1).await;
    let relay = Relay::before(&cluster.redis.url()).await;
    cluster.join_over("node-2", &[], &relay.url);
    cluster.settled(2).await;
    let mut pair = Pair::meet(&mut cluster, 0, 1, "ann").await;
    pair.talk().await;
    assert_eq!(cluster.nodes[0].metric("rushdesk_nodes_unheard").await, 0);
    relay.stall();
    pair.talk().await;
    cluster.shows(0, "rushdesk_nodes_unheard", |unheard| unheard == 1).await;
    for _ in 0..ROUNDS_OF_TALK {
        pair.talk().await;
    }
    let hears = &cluster.nodes[0];
    assert_eq!(hears.metric("rushdesk_bus_carries").await, 1);
    assert!(hears.metric("rushdesk_tail_entries_total").await >= 2 * ROUNDS_OF_TALK as u64);
    relay.carry_on();
    cluster.all_show("rushdesk_bus_carries", 1).await;
    cluster.all_show("rushdesk_nodes_unheard", 0).await;
    pair.talk().await;
    pair.typing_is_seen().await;
    pair.is_written_once(&mut cluster.nodes[0]).await;
    cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_shows_nobody_an_error() {
    let mut cluster = Cluster::with(3, AT_ONCE).await;
    let play = Play::begin(&cluster, 12).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for number in 0..3 {
        let status = cluster.nodes[number].stop().await;
        assert!(status.success(), "{status}: {}", cluster.nodes[number].log());
        cluster.start_again(number).await;
    }
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
    let meters = &stage.meters;
    // What is refused for now is sent again by the client and nobody sees it; an answer to a visitor who has just closed is
    // refused on a calm day too. The rest would be seen.
    let shown = [&meters.unreadable, &meters.gave_up, &meters.sent_away];
    assert_eq!(shown.map(Tally::count), [0; 3], "{}", report::table(meters));
    assert_eq!(meters.sends.count(), meters.acked.count(), "{}", report::table(meters));
}
