//! Routing domains: each has a supervisor of its own, on the node that its slot falls to; conversations go from one to
//! another and keep what they waited, and one whose node dies is not noticed in the others.

use crate::client::Client;
use crate::cluster::Cluster;
use crate::desk::text;
use rushdesk::cluster::slots::{Slot, wanted};
use rushdesk::ident::{DomainId, NodeId};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// A lease (10 s), what comes after it, and a machine that is busy with other things.
const WITHIN: Duration = Duration::from_secs(40);
const QUEUES: &str = "/api/v1/routing/queues?limit=50";

/// A domain whose supervisor lives on the node of this number, of so many.
pub(crate) fn domain_at(node: usize, nodes: usize) -> String {
    let ids: Vec<NodeId> =
        (1..=nodes).map(|number| NodeId::new(&format!("node-{number}")).expect("an id")).collect();
    (0..)
        .map(|number| format!("shop-{number}"))
        .find(|name| {
            let domain = DomainId::new(name).expect("a name");
            wanted(Slot::of_domain(&domain), &ids) == Some(&ids[node])
        })
        .expect("one of many")
}

pub(crate) struct Shop {
    pub(crate) cluster: Cluster,
    admin: String,
}

impl Shop {
    async fn of(nodes: usize) -> Self {
        Self::with(nodes, &[]).await
    }

    pub(crate) async fn with(nodes: usize, settings: &[&str]) -> Self {
        let mut cluster = Cluster::with(nodes, settings).await;
        let admin = cluster.nodes[nodes - 1].admin().await;
        Self { cluster, admin }
    }

    /// Asks the last node, which these tests leave alone.
    async fn must(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.cluster.nodes.last().expect("a node").must(method, path, &self.admin, body).await
    }

    pub(crate) async fn group(&self, id: &str, domain: &str, more: Value) {
        let mut group =
            json!({"id": id, "name": id, "policy": "longest_idle", "accept": "auto", "domain": domain});
        for (key, value) in more.as_object().expect("an object") {
            group[key] = value.clone();
        }
        self.must("POST", "/api/v1/groups", Some(group)).await;
        self.cluster.all_know(&format!("/api/v1/groups/{id}"), &self.admin).await;
    }

    /// An agent with one seat who is there, on this node.
    pub(crate) async fn clerk(&mut self, login: &str, group: &str, at: usize) -> Client {
        let last = self.cluster.nodes.len() - 1;
        let (id, token) = self.cluster.nodes[last].hire(login, "agent", &[group], 1).await;
        self.cluster.all_know(&format!("/api/v1/agents/{id}"), &self.admin).await;
        Client::agent(&self.cluster.nodes[at], &token).await
    }

    /// A visitor who has opened a conversation in this group.
    pub(crate) async fn shopper(&self, at: usize, group: &str, intent: Option<&str>) -> (Client, String) {
        let (_, token) = self.cluster.nodes[at].visitor().await;
        let mut visitor = Client::visitor(&self.cluster.nodes[at], &token).await;
        let mut open = json!({"type": "open", "group": group});
        if let Some(intent) = intent {
            open["intent"] = json!(intent);
        }
        let opened = visitor.ask(open).await;
        assert_eq!(opened["type"], "opened", "{opened}");
        (visitor, text(&opened, "conversation"))
    }

    /// Who waits in the group, in order, each with the time waited; `None` while nobody can say.
    async fn queue(&self, group: &str) -> Option<Vec<(String, u64)>> {
        let node = self.cluster.nodes.last().expect("a node");
        let answer = node.ask("GET", QUEUES, Some(&self.admin), None).await;
        if answer.status != 200 {
            return None;
        }
        let queues = answer.json();
        let own = queues["items"].as_array()?.iter().find(|queue| queue["id"] == group)?;
        let items = own["items"].as_array()?.iter();
        Some(
            items
                .map(|item| (text(item, "conversation"), item["waited_ms"].as_u64().expect("a time")))
                .collect(),
        )
    }

    /// Waits until these wait in the group, in this order, and tells how long each has.
    async fn queued(&self, group: &str, expected: &[&String]) -> Vec<u64> {
        let look = async {
            loop {
                let queue = self.queue(group).await.unwrap_or_default();
                if queue.iter().map(|(conversation, _)| conversation).eq(expected.iter().copied()) {
                    return queue.into_iter().map(|(_, waited_ms)| waited_ms).collect();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match timeout(WITHIN, look).await {
            Ok(waited) => waited,
            Err(_late) => panic!("{group} never is {expected:?} but {:?}", self.queue(group).await),
        }
    }

    /// The node of this number has the supervisor of this domain.
    pub(crate) async fn supervises(&self, node: usize, domain: &str) {
        let line = format!("rushdesk_routing_waiting{{domain=\"{domain}\"}} ");
        let look = async {
            while !self.cluster.nodes[node].ask("GET", "/metrics", None, None).await.text().contains(&line) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(timeout(WITHIN, look).await.is_ok(), "node-{} never supervises {domain}", node + 1);
    }
}

/// The agent has the conversation.
pub(crate) async fn assigned(agent: &mut Client, conversation: &str) {
    let fits = |frame: &Value| frame["type"] == "assigned" && frame["conversation"] == conversation;
    agent.find_within(WITHIN, "an assignment", fits).await;
}

pub(crate) async fn close(agent: &mut Client, conversation: &str) {
    agent.ack(json!({"type": "close", "conversation": conversation})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_whose_node_dies_is_rebuilt_in_order_and_the_others_go_on() {
    let mut shop = Shop::of(3).await;
    let domains = [0, 1, 2].map(|node| domain_at(node, 3));
    let groups = ["red", "green", "blue"];
    let mut clerks = Vec::new();
    let mut held = Vec::new();
    for (node, (domain, group)) in domains.iter().zip(groups).enumerate() {
        shop.group(group, domain, json!({})).await;
        shop.supervises(node, domain).await;
        // Sockets on the nodes that stay, agents and visitors apart.
        let mut clerk = shop.clerk(&format!("clerk-{group}"), group, 1 + node % 2).await;
        let (visitor, conversation) = shop.shopper(2 - node % 2, group, None).await;
        assigned(&mut clerk, &conversation).await;
        clerks.push(clerk);
        held.push((visitor, conversation));
    }
    let mut waiting = Vec::new();
    for (at, intent) in [(1, None), (2, None), (1, Some("payment_failure")), (2, None)] {
        waiting.push(shop.shopper(at, "red", intent).await);
    }
    let [first, second, urgent, last] = [0, 1, 2, 3].map(|number: usize| waiting[number].1.clone());
    let before = shop.queued("red", &[&urgent, &first, &second, &last]).await;

    shop.cluster.nodes[0].kill();
    for (number, group) in [(1, "green"), (2, "blue")] {
        let conversation = held[number].1.clone();
        close(&mut clerks[number], &conversation).await;
        let (_visitor, next) = shop.shopper(1, group, None).await;
        assigned(&mut clerks[number], &next).await;
    }
    let after = shop.queued("red", &[&urgent, &first, &second, &last]).await;
    assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?} {after:?}");
    let mut conversation = held[0].1.clone();
    for next in [urgent, first, second, last] {
        close(&mut clerks[0], &conversation).await;
        assigned(&mut clerks[0], &next).await;
        conversation = next;
    }
    shop.cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_go_from_one_domain_to_another_and_keep_what_they_waited() {
    let mut shop = Shop::of(2).await;
    let (here, there) = (domain_at(0, 2), domain_at(1, 2));
    shop.group("there", &there, json!({})).await;
    shop.group("here", &here, json!({"overflow": {"queued": {"after_s": 1, "to": "there"}}})).await;
    let mut hers = shop.clerk("ann", "here", 1).await;
    let mut his = shop.clerk("bob", "there", 0).await;
    let (_guest, hers_first) = shop.shopper(0, "here", None).await;
    assigned(&mut hers, &hers_first).await;
    let (_other, his_first) = shop.shopper(1, "there", None).await;
    assigned(&mut his, &his_first).await;

    // The one who overflows later waits longer, and so comes before the one who was there sooner.
    let (_early, overflows) = shop.shopper(1, "here", None).await;
    let (_late, direct) = shop.shopper(0, "there", None).await;
    let waited = shop.queued("there", &[&overflows, &direct]).await;
    assert!(waited[0] >= 1_000 && waited[0] >= waited[1], "{waited:?}");
    shop.queued("here", &[]).await;

    // A transfer frees the seat in one domain and queues in the other.
    hers.ack(json!({"type": "transfer", "conversation": hers_first, "to": {"group": "there"}})).await;
    let (_again, next) = shop.shopper(0, "here", None).await;
    assigned(&mut hers, &next).await;
    // Whoever was served before has a head start by the rules, which hold in every domain.
    shop.queued("there", &[&hers_first, &overflows, &direct]).await;
    let mut conversation = his_first;
    for next in [hers_first, overflows, direct] {
        close(&mut his, &conversation).await;
        assigned(&mut his, &next).await;
        conversation = next;
    }
    shop.cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_changes_its_domain_takes_along_who_waits_and_who_is_held() {
    let mut shop = Shop::of(2).await;
    let (here, there) = (domain_at(0, 2), domain_at(1, 2));
    shop.group("moves", &here, json!({})).await;
    shop.group("stays", &here, json!({})).await;
    let mut ann = shop.clerk("ann", "moves", 0).await;
    let (_held, held) = shop.shopper(1, "moves", None).await;
    assigned(&mut ann, &held).await;
    let (_first, first) = shop.shopper(0, "moves", None).await;
    let (_second, second) = shop.shopper(1, "moves", None).await;
    let before = shop.queued("moves", &[&first, &second]).await;

    shop.must("PATCH", "/api/v1/groups/moves", Some(json!({"domain": there}))).await;
    shop.supervises(1, &there).await;
    let after = shop.queued("moves", &[&first, &second]).await;
    assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?} {after:?}");
    close(&mut ann, &held).await;
    assigned(&mut ann, &first).await;
    shop.must("PATCH", "/api/v1/groups/moves", Some(json!({"domain": here}))).await;
    shop.queued("moves", &[&second]).await;
    close(&mut ann, &first).await;
    assigned(&mut ann, &second).await;
    shop.cluster.audited();

    // One supervisor counts an agent's seats.
    let node = &shop.cluster.nodes[1];
    let agents = shop.must("GET", "/api/v1/agents", None).await;
    let ann = agents["items"].as_array().expect("agents").iter().find(|agent| agent["login"] == "ann");
    let path = format!("/api/v1/agents/{}", text(ann.expect("ann"), "id"));
    let both = json!({"groups": ["moves", "stays"]});
    shop.must("PATCH", &path, Some(both.clone())).await;
    for (method, path, body, told) in [
        ("PATCH", "/api/v1/groups/moves", json!({"domain": there}), "agent `ann`"),
        ("PATCH", "/api/v1/groups/stays", json!({"domain": "two words"}), "routing domain"),
    ] {
        let answer = node.ask(method, path, Some(&shop.admin), Some(body)).await;
        assert!((400..500).contains(&answer.status) && answer.text().contains(told), "{}", answer.text());
    }
    shop.must("PATCH", &path, Some(json!({"groups": ["stays"]}))).await;
    shop.must("PATCH", "/api/v1/groups/moves", Some(json!({"domain": there}))).await;
    let answer = node.ask("PATCH", &path, Some(&shop.admin), Some(both)).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("an agent serves one routing domain"), "{}", answer.text());
}
