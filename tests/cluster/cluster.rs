//! A cluster under test: a PostgreSQL, a Redis and so many nodes of the real program, each of which can be killed, held
//! up, stopped and started again.

use crate::balancer::Balancer;
use crate::client::Client;
use crate::desk::{Desk, program, text};
use crate::postgres_server::PostgresServer;
use crate::redis_server::RedisServer;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const STORE: &str = "RUSHDESK__STORE__URL";
const BUS: &str = "RUSHDESK__BUS__URL";
/// How often, and how many times, something that must come to pass is looked at: 20 s in all.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
pub(crate) const LOOKS: usize = 200;
const TYPING_SEEN_WITHIN: Duration = Duration::from_millis(300);
/// Slots of every cluster.
const SLOTS: u64 = 1_024;

/// It ends, with all its servers, when this is dropped.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Desk>,
    pub(crate) redis: RedisServer,
    store_url: String,
}

impl Cluster {
    /// Of so many nodes, all of them ready.
    pub(crate) async fn of(count: usize) -> Self {
        Self::with(count, &[]).await
    }

    /// On these servers, without nodes yet. A node that is to find them elsewhere joins with `store.url` and `bus.url`.
    pub(crate) const fn on(store_url: String, redis: RedisServer) -> Self {
        Self { nodes: Vec::new(), redis, store_url }
    }

    /// Where the store is, as commands reach it.
    pub(crate) fn store_url(&self) -> &str {
        &self.store_url
    }

    /// With settings as `section.key=value` for every node.
    pub(crate) async fn with(count: usize, settings: &[&str]) -> Self {
        Self::of_store(PostgresServer::shared().fresh_desk(), count, settings).await
    }

    /// On this store, with a Redis of its own.
    pub(crate) async fn of_store(store_url: String, count: usize, settings: &[&str]) -> Self {
        Self::of_version(None, store_url, count, settings).await
    }

    /// By another version of the program.
    pub(crate) async fn of_version(
        version: Option<&Path>,
        store_url: String,
        count: usize,
        settings: &[&str],
    ) -> Self {
        let mut cluster = Self::on(store_url, RedisServer::start());
        let bus_url = cluster.redis.url();
        for number in 1..=count {
            cluster.join_as(version, &format!("node-{number}"), settings, &bus_url);
        }
        cluster.settled(count).await;
        cluster
    }

    /// A further node under this name.
    pub(crate) fn join(&mut self, name: &str, settings: &[&str]) {
        let bus_url = self.redis.url();
        self.join_over(name, settings, &bus_url);
    }

    /// As `join`; the node finds Redis under this URL.
    pub(crate) fn join_over(&mut self, name: &str, settings: &[&str], bus_url: &str) {
        self.join_as(None, name, settings, bus_url);
    }

    fn join_as(&mut self, version: Option<&Path>, name: &str, settings: &[&str], bus_url: &str) {
        let id = format!("node.id={name}");
        let settings: Vec<&str> = std::iter::once(id.as_str()).chain(settings.iter().copied()).collect();
        let environment = [(STORE, &*self.store_url), (BUS, bus_url)];
        self.nodes.push(Desk::of_version(version, &settings, &environment));
    }

    /// A balancer before all nodes of now.
    pub(crate) async fn balancer(&self) -> Balancer {
        Balancer::before(self.nodes.iter().map(|node| node.target)).await
    }

    /// Starts a node again that was killed or stopped.
    pub(crate) async fn start_again(&mut self, number: usize) {
        tokio::task::block_in_place(|| self.nodes[number].start_again());
        let nodes = self.nodes.len();
        self.settled(nodes).await;
    }

    /// Every slot belongs to one of so many nodes, each has its share, and each is ready.
    pub(crate) async fn settled(&self, count: usize) {
        let least = SLOTS / (2 * count as u64);
        self.come_to_pass("every slot has an owner and every node its share", || {
            let nodes = self.members();
            let slots: Vec<u64> = nodes.iter().map(|node| node["slots"].as_u64().expect("slots")).collect();
            slots.len() == count
                && slots.iter().sum::<u64>() == SLOTS
                && slots.iter().all(|own| *own >= least)
        })
        .await;
        for node in &self.nodes {
            self.ready(node).await;
        }
    }

    /// Starts all nodes again, which were killed or stopped.
    pub(crate) async fn start_all_again(&mut self) {
        tokio::task::block_in_place(|| self.nodes.iter_mut().for_each(Desk::start_again));
        self.settled(self.nodes.len()).await;
    }

    /// All nodes together come to this value of a metric.
    pub(crate) async fn come_to(&self, metric: &str, value: u64) {
        let mut looks = 0;
        while self.sum(metric).await != value {
            looks += 1;
            assert!(looks < LOOKS, "{metric} comes to {}, not to {value}", self.sum(metric).await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What a metric says, over all nodes.
    pub(crate) async fn sum(&self, metric: &str) -> u64 {
        let mut sum = 0;
        for node in &self.nodes {
            sum += node.metric(metric).await;
        }
        sum
    }

    async fn ready(&self, node: &Desk) {
        for _ in 0..LOOKS {
            if node.ask("GET", "/readyz", None, None).await.status == 200 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!(
            "{} is not ready: {}",
            node.target.address(),
            node.ask("GET", "/readyz", None, None).await.text()
        );
    }

    /// Every node finds what stands at `path`: changes of the configuration reach all of them within a second.
    pub(crate) async fn all_know(&self, path: &str, token: &str) {
        for node in &self.nodes {
            let mut looks = 0;
            while node.ask("GET", path, Some(token), None).await.status != 200 {
                looks += 1;
                assert!(looks < LOOKS, "{} never hears of {path}", node.target.address());
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Every node knows so many agents: one that does not know an agent yet refuses the log-in as a wrong password.
    pub(crate) async fn all_know_agents(&self, token: &str, count: usize) {
        for node in &self.nodes {
            let mut looks = 0;
            loop {
                let page = node.must("GET", "/api/v1/agents?limit=500", token, None).await;
                if page["items"].as_array().is_some_and(|agents| agents.len() >= count) {
                    break;
                }
                looks += 1;
                assert!(looks < LOOKS, "{} never hears of {count} agents: {page}", node.target.address());
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Every node shows this value of a metric.
    pub(crate) async fn all_show(&self, metric: &str, value: u64) {
        for number in 0..self.nodes.len() {
            self.shows(number, metric, |shown| shown == value).await;
        }
    }

    /// One node shows such a value of a metric.
    pub(crate) async fn shows(&self, number: usize, metric: &str, is_so: impl Fn(u64) -> bool) {
        let node = &self.nodes[number];
        let mut shown = node.metric(metric).await;
        for _ in 0..LOOKS {
            if is_so(shown) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            shown = node.metric(metric).await;
        }
        panic!("{} shows {metric} {shown} in the end", node.target.address());
    }

    /// Looks again and again until it is so.
    pub(crate) async fn come_to_pass(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..LOOKS {
            if tokio::task::block_in_place(&mut is_so) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it never comes to pass that {what}; the nodes are {:?}", self.members());
    }

    /// What `rushdesk node list --json` shows.
    pub(crate) fn members(&self) -> Vec<Value> {
        let told = self.answered(&["node", "list", "--json"]);
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    /// A command beside the cluster.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        let bus_url = self.redis.url();
        let mut program = program(folder.path());
        program.env(STORE, &self.store_url).env(BUS, bus_url).args(arguments).output().expect("the program")
    }

    /// What a command answers that must succeed.
    pub(crate) fn answered(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The store keeps its invariants.
    pub(crate) fn audited(&self) {
        let told = self.answered(&["audit"]);
        assert!(told.contains(" 0 findings"), "{told}");
    }
}

/// Says words again under the same id, as clients do, for as long as that is what the desk answers.
pub(crate) async fn insist(client: &mut Client, conversation: &str, id: &str, words: &str) -> Value {
    let content = json!({"kind": "text", "text": words});
    let frame = json!({"type": "send", "id": id, "conversation": conversation, "content": content});
    for _ in 0..LOOKS {
        let answer = client.ask(frame.clone()).await;
        if answer["type"] == "ack" {
            return answer;
        }
        assert!(answer["retry_after_ms"].is_u64(), "{frame} got {answer}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{frame} is never taken");
}

/// A visitor on one node and an agent on another who have been brought together.
pub(crate) struct Pair {
    pub(crate) visitor: Client,
    pub(crate) agent: Client,
    pub(crate) conversation: String,
    pub(crate) visitor_token: String,
    pub(crate) agent_token: String,
    said: u32,
}

impl Pair {
    /// In a group of their own, named like the agent, so that nobody else comes between.
    pub(crate) async fn meet(cluster: &mut Cluster, visitor_at: usize, agent_at: usize, login: &str) -> Self {
        let host = &mut cluster.nodes[agent_at];
        let admin = host.admin().await;
        let group = json!({"id": login, "name": login, "policy": "longest_idle", "accept": "auto"});
        host.must("POST", "/api/v1/groups", &admin, Some(group)).await;
        let (agent_id, agent_token) = host.hire(login, "agent", &[login], 1).await;
        cluster.all_know(&format!("/api/v1/agents/{agent_id}"), &admin).await;
        let mut agent = Client::agent(&cluster.nodes[agent_at], &agent_token).await;
        let (_, visitor_token) = cluster.nodes[visitor_at].visitor().await;
        let mut visitor = Client::visitor(&cluster.nodes[visitor_at], &visitor_token).await;
        let opened = visitor.ask(json!({"type": "open", "group": login})).await;
        let conversation = text(&opened, "conversation");
        let assigned = agent.expect("assigned").await;
        assert_eq!(assigned["conversation"], json!(conversation));
        visitor.entry_of("assigned").await;
        Self { visitor, agent, conversation, visitor_token, agent_token, said: 0 }
    }

    /// The visitor connects to another node and is brought up from `after`.
    pub(crate) async fn visitor_moves(&mut self, to: &Desk, after: u64) {
        let resume = json!({"resume": [{"conversation": self.conversation, "after": after}]});
        self.visitor = Client::sign_in(to, "/ws/visitor", &self.visitor_token, resume).await.0;
    }

    /// The agent connects to another node and is told again what is held.
    pub(crate) async fn agent_moves(&mut self, to: &Desk) {
        self.agent = Client::sign_in(to, "/ws/agent", &self.agent_token, json!({})).await.0;
        let assigned = self.agent.expect("assigned").await;
        assert_eq!(assigned["conversation"], json!(self.conversation));
    }

    /// A hint may be lost while the bus is away, so the visitor types until the agent sees it.
    pub(crate) async fn typing_is_seen(&mut self) {
        let typing = json!({"type": "typing", "conversation": self.conversation});
        for _ in 0..LOOKS {
            self.visitor.say(&typing).await;
            if timeout(TYPING_SEEN_WITHIN, self.agent.expect("typing")).await.is_ok() {
                return;
            }
        }
        panic!("the agent never sees that the visitor types");
    }

    /// Both say something that the other hears.
    pub(crate) async fn talk(&mut self) {
        self.said += 1;
        let (question, answer) = (format!("第 {} 个问题", self.said), format!("第 {} 个回答", self.said));
        let asked = self.visitor.words(&self.conversation, &question, &question).await;
        assert_eq!(self.agent.entry_saying(&question).await["seq"], asked["seq"]);
        let told = self.agent.words(&self.conversation, &answer, &answer).await;
        assert_eq!(self.visitor.entry_saying(&answer).await["seq"], told["seq"]);
    }

    /// As `talk`, while the desk may refuse for now.
    pub(crate) async fn talk_at_last(&mut self) {
        self.said += 1;
        let (question, answer) = (format!("第 {} 个问题", self.said), format!("第 {} 个回答", self.said));
        let asked = insist(&mut self.visitor, &self.conversation, &question, &question).await;
        assert_eq!(self.agent.entry_saying(&question).await["seq"], asked["seq"]);
        let told = insist(&mut self.agent, &self.conversation, &answer, &answer).await;
        assert_eq!(self.visitor.entry_saying(&answer).await["seq"], told["seq"]);
    }

    /// After the visitor's node was killed: the agent speaks, and the visitor comes to another node and speaks. Tells how
    /// long after the kill each had their answer.
    pub(crate) async fn both_go_on(&mut self, to: &Desk, killed: Instant) -> (Duration, Duration) {
        let conversation = self.conversation.clone();
        let resume = json!({"resume": [{"conversation": conversation, "after": 0}]});
        let speaks = async {
            self.agent.words(&conversation, "after", "after the kill").await;
            killed.elapsed()
        };
        let moves = async {
            let mut visitor = Client::sign_in(to, "/ws/visitor", &self.visitor_token, resume).await.0;
            visitor.words(&conversation, "back", "back again").await;
            (visitor, killed.elapsed())
        };
        let (sent, (visitor, moved)) = tokio::join!(speaks, moves);
        self.visitor = visitor;
        self.visitor.entry_saying("after the kill").await;
        self.agent.entry_saying("back again").await;
        (sent, moved)
    }

    /// How often each said the same thing, by the log: once each.
    pub(crate) async fn is_written_once(&self, node: &mut Desk) {
        let log = node.entries(&self.conversation).await;
        let mut words: Vec<&str> = log.iter().filter_map(|entry| entry["content"]["text"].as_str()).collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!((all, words.len()), (2 * self.said as usize, all), "{log:?}");
        let seqs: Vec<u64> = log.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "CV-1: {seqs:?}");
    }
}
