//! A desk of two nodes whose bus loses everything: what the other node commits is not heard here, and has to be found.
//!
//! The other node is played by writing into the store past this one, under an epoch that keeps this one from writing.

use crate::app::{Node, serve};
use crate::cluster::bus::{Bus, To};
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Entry, Event, Opening, RequeueReason, View};
use crate::fanout::retell::retell;
use crate::gateway::Gate;
use crate::ident::{AgentId, ChannelId, ConversationId, GroupId, ShopId, VisitorId};
use crate::journal::{AgentChange, Answer, Done, Guard, Mark, Op, Outcome, Presence, Query, Tail, Write};
use crate::rehearsal::line::{Door, Line};
use crate::rehearsal::target::Target;
use crate::settings::{Flag, Sources, load};
use crate::signin::agent::AgentClaims;
use crate::signin::visitor::VisitorGrant;
use crate::wire::encode_entry;
use crate::wire::node::{Fan, ForVisitor, Frame};
use bytes::Bytes;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const CONVERSATION: ConversationId = ConversationId::from_u128(7);
const OTHERS_EPOCH: u64 = 1 << 40;

struct LosesAll;

impl Bus for LosesAll {
    fn send(&self, _to: To<'_>, _item: Bytes) -> bool {
        true
    }

    fn carries(&self) -> bool {
        true
    }
}

struct Desk {
    gate: Arc<Gate>,
    address: SocketAddr,
    _blobs: tempfile::TempDir,
}

impl Desk {
    async fn start() -> Self {
        let blobs = tempfile::tempdir().unwrap();
        let dir = blobs.path().to_string_lossy().into_owned();
        let set = |key: &str, value: &str| Flag {
            key: key.to_owned(),
            value: value.to_owned(),
            spelling: format!("--set {key}"),
        };
        let flags = vec![
            set("store.url", "memory"),
            set("server.listen", "127.0.0.1:0"),
            set("server.workers", "1"),
            set("attachments.dir", &dir),
        ];
        let settings = load(&Sources { flags, ..Sources::default() }).unwrap().settings;
        let node = Node::start(settings, false).unwrap();
        let gate = node.gate.clone();
        assert!(gate.desk.hub.join_others(Arc::new(LosesAll)));
        gate.desk.hub.live_nodes(&[], gate.desk.clock.now());
        let (tell, told) = tokio::sync::oneshot::channel();
        actix::spawn(async move { serve(node, |address| tell.send(address).unwrap()).await.unwrap() });
        Self { gate, address: told.await.unwrap(), _blobs: blobs }
    }

    /// Something that the other node commits.
    fn commit(&self, author: &Author, events: Vec<Event>) -> Vec<Entry> {
        let events = events.into_iter().map(|event| (author.clone(), event)).collect();
        let (conversation, epoch, guard) = (CONVERSATION, OTHERS_EPOCH, Guard::AnyHead);
        let write = Write { conversation, epoch, client: None, guard, events, wake_at: None };
        match self.perform(Op::Write(write)) {
            Done::Write(Outcome::Committed { entries }) => entries,
            other => panic!("{other:?}"),
        }
    }

    fn perform(&self, op: Op) -> Done {
        let (tell, told) = std::sync::mpsc::channel();
        self.gate.desk.journal.submit(op, Box::new(move |done| tell.send(done).unwrap())).unwrap();
        told.recv().unwrap()
    }

    fn tail(&self, since: Option<Mark>) -> Tail {
        let (tell, told) = std::sync::mpsc::channel();
        let query = Query::Tail { since, limit: 100 };
        self.gate.desk.journal.ask(query, Box::new(move |answer| tell.send(answer).unwrap())).unwrap();
        match told.recv().unwrap() {
            Answer::Tail(tail) => tail,
            other => panic!("{other:?}"),
        }
    }

    /// The bus says that something was lost.
    fn look_again(&self) {
        let desk = &self.gate.desk;
        desk.hub.look_again();
        desk.hub.flush(desk.clock.now());
    }

    async fn visitor(&self) -> (VisitorId, Ear) {
        let now = self.gate.desk.clock.now();
        let grant = VisitorGrant {
            subject: "zoe".to_owned(),
            name: None,
            tier: None,
            attributes: Default::default(),
            claims: Default::default(),
            shop: None,
            issuer: None,
            is_anonymous: false,
            expires_at: now.plus_secs(600),
        };
        let token = self.gate.signins.visitors.sign(&grant).unwrap();
        let id = self.gate.signins.visitors.verify(&token, now).unwrap().id;
        (id, self.connect(Door::Visitor, &token).await)
    }

    async fn agent(&self) -> (AgentId, Ear) {
        let directory = self.gate.desk.directory();
        let profile = directory.agents.values().next().unwrap();
        let claims = AgentClaims {
            agent: profile.id,
            sign_in: crate::clock::fresh_uuid(),
            version: profile.token_version,
            role: profile.role,
            expires_at: self.gate.desk.clock.now().plus_secs(600),
        };
        let token = self.gate.signins.agents.sign(&claims).unwrap();
        (profile.id, self.connect(Door::Agent, &token).await)
    }

    async fn connect(&self, door: Door, token: &str) -> Ear {
        let target: Target = format!("http://{}", self.address).parse().unwrap();
        let mut ear = Ear(Line::connect(target, door).await.unwrap());
        ear.0.say(json!({ "type": "hello", "id": "h", "token": token }).to_string()).await.unwrap();
        ear.hears("welcome").await;
        ear
    }
}

struct Ear(Line);

impl Ear {
    async fn next(&mut self) -> Value {
        let heard = tokio::time::timeout(Duration::from_secs(20), self.0.hear()).await;
        serde_json::from_str(&heard.expect("nothing came").unwrap()).unwrap()
    }

    /// The next frame, which is of this type.
    async fn hears(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame of this type.
    async fn hears_at_last(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The `seq` of the next frame, an entry.
    async fn hears_entry(&mut self) -> u64 {
        self.hears("entry").await["seq"].as_u64().unwrap()
    }
}

fn opening(visitor: &VisitorId) -> Vec<Event> {
    let opened = Event::Opened(Box::new(Opening {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        visitor: visitor.clone(),
        visitor_name: None,
        locale: None,
        subject: None,
        intent: None,
        tier: None,
        attributes: Vec::new(),
    }));
    vec![opened, Event::BotJoined]
}

fn says(words: &str) -> Vec<Event> {
    vec![Event::Message(Content::text(words))]
}

fn replayed(entry: &Entry, visitor: &VisitorId) -> Fan {
    let frame = Frame(encode_entry(entry, CONVERSATION, View::Visitor).unwrap());
    Fan::Entry {
        conversation: CONVERSATION,
        seq: entry.seq,
        visitor_prev: entry.visitor_prev,
        visitor: Some(ForVisitor { id: visitor.clone(), frame }),
        desk: None,
        origin: None,
    }
}

#[actix::test]
async fn what_a_visitor_did_not_hear_is_found_after_a_loss_in_its_order_and_once() {
    let desk = Desk::start().await;
    let (visitor, mut ear) = desk.visitor().await;
    let author = Author::Visitor { id: visitor.clone(), name: None };
    desk.commit(&author, opening(&visitor));
    desk.look_again();
    assert_eq!(ear.hears("state").await["state"], "bot", "it was opened on another connection");
    assert_eq!((ear.hears_entry().await, ear.hears_entry().await), (1, 2));
    let [third, fourth, fifth] =
        ["three", "four", "five"].map(|words| desk.commit(&author, says(words)).remove(0));
    let hub = &desk.gate.desk.hub;
    hub.replay(replayed(&fourth, &visitor));
    hub.replay(replayed(&third, &visitor));
    assert_eq!(ear.hears("state").await["state"], "bot");
    assert_eq!(
        (ear.hears_entry().await, ear.hears_entry().await),
        (3, 4),
        "a gap is filled, none comes twice"
    );
    assert_eq!(fifth.seq, 5);
    assert_eq!(ear.hears_entry().await, 5, "history was read to its end");
    desk.commit(&author, says("six"));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    desk.look_again();
    assert_eq!(ear.hears("state").await["conversation"], CONVERSATION.to_string());
    assert_eq!(ear.hears_entry().await, 6);
    assert_eq!(hub.meters.entries_repaired.load(Ordering::Relaxed), 6);
}

#[actix::test]
async fn what_an_agent_was_not_told_of_their_work_is_told_after_a_loss() {
    let desk = Desk::start().await;
    let (agent, mut ear) = desk.agent().await;
    let presence = AgentChange::Presence { presence: Presence::Online, reason: "shift".into() };
    for change in [AgentChange::Capacity(3), presence] {
        assert!(matches!(desk.perform(Op::Agent { agent, change }), Done::Agent(_)));
    }
    let group = GroupId::new("presale").unwrap();
    let mut events = opening(&VisitorId::new("v").unwrap());
    events.push(Event::Queued { group: group.clone() });
    events.push(Event::Assigned {
        agent,
        agent_name: "Li".into(),
        group: group.clone(),
        assign_seq: 1,
        reason: "test".into(),
        waited_ms: 0,
        seats: 1,
        head_start_s: 0,
    });
    desk.commit(&Author::System, events);
    desk.look_again();
    let assigned = ear.hears("assigned").await;
    assert_eq!(
        (&assigned["conversation"], &assigned["assign_seq"]),
        (&json!(CONVERSATION.to_string()), &json!(1))
    );
    assert_eq!(ear.hears("state").await["agent"], agent.to_string());
    let requeued =
        Event::Requeued { agent: Some(agent), reason: RequeueReason::Released, group, assign_seq: 2 };
    desk.commit(&Author::System, vec![requeued]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    desk.look_again();
    let unassigned = ear.hears("unassigned").await;
    assert_eq!(unassigned["conversation"], CONVERSATION.to_string());
    assert_eq!(unassigned["reason"], "released");
}

#[actix::test]
async fn what_is_told_from_the_log_comes_once_however_often_it_is_read() {
    let desk = Desk::start().await;
    let (agent, mut ear) = desk.agent().await;
    let presence = AgentChange::Presence { presence: Presence::Online, reason: "shift".into() };
    for change in [AgentChange::Capacity(3), presence] {
        assert!(matches!(desk.perform(Op::Agent { agent, change }), Done::Agent(_)));
    }
    let group = GroupId::new("presale").unwrap();
    let mut events = opening(&VisitorId::new("v").unwrap());
    events.push(Event::Queued { group: group.clone() });
    let before = desk.commit(&Author::System, events).len() as u64;
    let mark = desk.tail(None).mark;
    let assigned = Event::Assigned {
        agent,
        agent_name: "Li".into(),
        group: group.clone(),
        assign_seq: 1,
        reason: "test".into(),
        waited_ms: 0,
        seats: 1,
        head_start_s: 0,
    };
    desk.commit(&Author::System, vec![assigned]);
    let hub = &desk.gate.desk.hub;
    let tell_again = || {
        for change in desk.tail(Some(mark.clone())).changes {
            retell(hub, &change.state, &change.entries);
        }
    };
    tell_again();
    assert_eq!(ear.hears("assigned").await["conversation"], CONVERSATION.to_string());
    assert_eq!(ear.hears_entry().await, before + 1);
    assert_eq!(ear.hears("state").await["agent"], agent.to_string());
    tell_again();
    assert_eq!(ear.hears("state").await["agent"], agent.to_string(), "where it is may be said again");
    let old = desk.tail(Some(mark.clone())).changes;
    let author = Author::Visitor { id: VisitorId::new("v").unwrap(), name: None };
    desk.commit(&author, says("hello"));
    tell_again();
    assert_eq!(ear.hears_entry().await, before + 2);
    assert_eq!(ear.hears("state").await["agent"], agent.to_string());
    // What was read before the last entry and comes after it says nothing.
    old.iter().for_each(|change| retell(hub, &change.state, &change.entries));
    let requeued =
        Event::Requeued { agent: Some(agent), reason: RequeueReason::Released, group, assign_seq: 2 };
    desk.commit(&Author::System, vec![requeued]);
    tell_again();
    assert_eq!(ear.hears_entry().await, before + 3);
    assert_eq!(ear.hears("state").await["state"], "queued");
    assert_eq!(ear.hears("unassigned").await["reason"], "released");
}

#[actix::test]
async fn who_has_seen_more_than_the_store_holds_is_told_to_load_anew_and_hears_what_comes_then() {
    let desk = Desk::start().await;
    let (visitor, mut ear) = desk.visitor().await;
    let author = Author::Visitor { id: visitor.clone(), name: None };
    desk.commit(&author, opening(&visitor));
    let third = desk.commit(&author, says("three")).remove(0);
    // Committed, told, and gone with the primary.
    let gone = Entry { seq: third.seq + 1, visitor_prev: third.seq, ..third.clone() };
    for entry in [&third, &gone] {
        desk.gate.desk.hub.replay(replayed(entry, &visitor));
    }
    assert_eq!((ear.hears_entry().await, ear.hears_entry().await), (3, 4));
    desk.gate.desk.hub.another_history();
    let reset = ear.hears_at_last("reset").await;
    assert_eq!((&reset["head"], &reset["reason"]), (&json!(3), &json!("rewritten")), "{reset}");
    let fourth = desk.commit(&author, says("four")).remove(0);
    desk.gate.desk.hub.replay(replayed(&fourth, &visitor));
    assert_eq!(ear.hears_at_last("entry").await["seq"], 4, "what stands there now is told");
}
