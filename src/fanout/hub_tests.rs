//! Hubs joined by a bus in memory, which loses what it is told to lose.

use super::*;
use crate::cluster::bus::{Bus, To};
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Event};
use crate::conversation::state::{Phase, State};
use crate::fanout::outbox::Bounds;
use crate::fanout::retell::retell;
use crate::ident::NodeId;
use crate::presence::whereabouts::Moved;
use crate::wire::node::{self, Item as NodeItem};
use parking_lot::Mutex;
use std::sync::atomic::AtomicBool;

const CONVERSATION: ConversationId = ConversationId::from_u128(1);
const AGENT: AgentId = AgentId::from_u128(2);

#[derive(Default)]
struct Wire {
    under_way: Mutex<Vec<(NodeId, NodeId, Bytes)>>,
    loses: AtomicBool,
    is_down: AtomicBool,
}

struct End {
    own: NodeId,
    wire: Arc<Wire>,
}

impl Bus for End {
    fn send(&self, to: To<'_>, item: Bytes) -> bool {
        let others: Vec<NodeId> = match to {
            To::Node(node) => vec![node.clone()],
            To::Everybody => all().into_iter().filter(|node| *node != self.own).collect(),
        };
        if !self.wire.loses.load(Ordering::Relaxed) {
            let mut under_way = self.wire.under_way.lock();
            under_way.extend(others.into_iter().map(|to| (self.own.clone(), to, item.clone())));
        }
        true
    }

    fn carries(&self) -> bool {
        !self.wire.is_down.load(Ordering::Relaxed)
    }
}

fn all() -> Vec<NodeId> {
    ["a", "b", "c"].map(|name| NodeId::new(name).unwrap()).to_vec()
}

struct Desk {
    wire: Arc<Wire>,
    hubs: Vec<(NodeId, Arc<Hub>)>,
    moved: Vec<Moved>,
    now: Timestamp,
}

impl Desk {
    /// Three nodes that know each other's (empty) lists.
    fn new() -> Self {
        let wire = Arc::new(Wire::default());
        let make = |own: NodeId| {
            let hub = Arc::new(Hub::default());
            assert!(hub.join_others(Arc::new(End { own: own.clone(), wire: wire.clone() })));
            (own, hub)
        };
        let hubs = all().into_iter().map(make).collect();
        let mut desk =
            Self { wire: wire.clone(), hubs, moved: Vec::new(), now: Timestamp::from_millis(1_000) };
        for (own, hub) in &desk.hubs {
            let others: Vec<NodeId> = all().into_iter().filter(|node| node != own).collect();
            hub.live_nodes(&others, desk.now);
        }
        desk.settle();
        assert!(desk.hubs.iter().all(|(_, hub)| hub.knows_everybody()));
        desk
    }

    fn hub(&self, at: usize) -> &Hub {
        &self.hubs[at].1
    }

    /// Lets everything that is said arrive.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.hubs.iter().for_each(|(_, hub)| hub.flush(self.now));
            self.pump();
        }
    }

    /// Lets what is under way arrive. Returns how many items went to each node.
    fn pump(&mut self) -> [usize; 3] {
        let mut counts = [0; 3];
        loop {
            let under_way = std::mem::take(&mut *self.wire.under_way.lock());
            if under_way.is_empty() {
                return counts;
            }
            for (from, to, line) in under_way {
                let at = self.hubs.iter().position(|(own, _)| *own == to).unwrap();
                counts[at] += 1;
                match node::decode(&line).unwrap() {
                    NodeItem::Fan(fan) => self.hub(at).replay(*fan),
                    NodeItem::People(people) => {
                        let moved = self.hub(at).hear_people(&from, people, self.now);
                        self.moved.push(moved);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

fn the_visitor() -> VisitorId {
    VisitorId::new("v").unwrap()
}

fn socket(session: u128) -> Arc<Outbox> {
    device_socket(session, None)
}

fn device_socket(session: u128, device: Option<&str>) -> Arc<Outbox> {
    let bounds = Bounds { frames: 100, bytes: 100_000 };
    let device = device.map(str::to_owned);
    Arc::new(Outbox::new(SessionId::from_u128(session), device, bounds, Box::new(|| {})))
}

fn entry(seq: u64, content: Content) -> Entry {
    let (at, author) = (Timestamp::from_millis(seq), Author::Agent { id: AGENT, name: "Li".into() });
    Entry { seq, visitor_prev: seq - 2, at, author, event: Event::Message(content) }
}

fn deliver(hub: &Hub, entry: &Entry, origin: Option<&Origin>) {
    let visitor = the_visitor();
    let agents = [AGENT].into_iter().collect();
    let audience = Audience { conversation: CONVERSATION, visitor: Some(&visitor), agents };
    hub.deliver_entry(&audience, entry, origin);
}

/// What has been put on the outbox: `(prev, seq, has re)` of entries.
fn entries(outbox: &Outbox) -> Vec<(u64, u64, bool)> {
    let entry = |item| match item {
        Item::Entry { conversation: CONVERSATION, prev, seq, frame } => {
            let text = String::from_utf8(frame.to_vec()).unwrap();
            (prev, seq, text.contains(r#""re":"r7""#))
        }
        other => panic!("{other:?}"),
    };
    outbox.take().into_iter().map(entry).collect()
}

#[test]
fn an_entry_reaches_people_on_other_nodes_and_only_those_nodes() {
    let mut desk = Desk::new();
    let (visitor, agent, watcher, own) = (socket(1), socket(2), socket(3), socket(4));
    desk.hub(1).join_visitor(&the_visitor(), &visitor);
    desk.hub(1).join_agent(AGENT, &agent);
    desk.hub(1).watch(CONVERSATION, &watcher);
    desk.hub(0).join_visitor(&the_visitor(), &own);
    desk.settle();
    let origin = Origin { session: agent.session, re: "r7".into() };
    deliver(desk.hub(0), &entry(7, Content::text("hello\nthere")), Some(&origin));
    assert_eq!(desk.pump(), [0, 1, 0], "one item for all who are there, none where nobody is");
    assert_eq!(entries(&visitor), [(5, 7, false)]);
    assert_eq!(entries(&own), [(5, 7, false)]);
    assert_eq!(entries(&agent), [(6, 7, true)], "the socket that asked hears its answer");
    assert_eq!(entries(&watcher), [(6, 7, false)]);
    deliver(desk.hub(2), &entry(8, Content::Note("for the desk".into())), None);
    assert_eq!(desk.pump(), [0, 1, 0]);
    assert_eq!((entries(&visitor).len(), entries(&own).len(), entries(&agent).len()), (0, 0, 1));
}

#[test]
fn an_agent_who_watches_what_they_hold_hears_it_once_from_another_node_too() {
    let mut desk = Desk::new();
    let agent = socket(2);
    desk.hub(1).join_agent(AGENT, &agent);
    desk.hub(1).watch(CONVERSATION, &agent);
    desk.settle();
    deliver(desk.hub(0), &entry(7, Content::text("x")), None);
    desk.pump();
    assert_eq!(entries(&agent).len(), 1);
}

#[test]
fn frames_news_and_hints_go_by_the_same_doors() {
    let mut desk = Desk::new();
    let (visitor, agent, watcher) = (socket(1), socket(2), socket(3));
    desk.hub(1).join_visitor(&the_visitor(), &visitor);
    desk.hub(2).join_agent(AGENT, &agent);
    desk.hub(2).watch(CONVERSATION, &watcher);
    desk.settle();
    let id = the_visitor();
    let audience =
        Audience { conversation: CONVERSATION, visitor: Some(&id), agents: [AGENT].into_iter().collect() };
    let frame = |text: &'static str| Bytes::from_static(text.as_bytes());
    let news = News::Unassigned { conversation: CONVERSATION };
    let hub = desk.hub(0);
    hub.to_visitor(&id, &frame(r#"{"n":1}"#));
    hub.to_desk(&audience, &frame(r#"{"n":2}"#));
    hub.to_agent(AGENT, &frame(r#"{"n":3}"#), news);
    hub.hint(&audience, View::Desk, &frame(r#"{"n":4}"#), watcher.session);
    hub.hint(&audience, View::Visitor, &frame(r#"{"n":5}"#), agent.session);
    hub.close_agent(AGENT, CloseCode::NotSignedIn);
    assert_eq!(desk.pump(), [0, 2, 4]);
    assert_eq!(visitor.take(), [Item::Frame(frame(r#"{"n":1}"#)), Item::Hint(frame(r#"{"n":5}"#))]);
    let at_agent = [
        Item::Frame(frame(r#"{"n":2}"#)),
        Item::News { news, frame: frame(r#"{"n":3}"#) },
        Item::Hint(frame(r#"{"n":4}"#)),
        Item::Close(CloseCode::NotSignedIn),
    ];
    assert_eq!(agent.take(), at_agent);
    assert_eq!(watcher.take(), [Item::Frame(frame(r#"{"n":2}"#))], "not what it hinted itself");
}

#[test]
fn one_device_has_one_connection_to_the_whole_desk() {
    let mut desk = Desk::new();
    let (old, other, new) =
        (device_socket(1, Some("d")), device_socket(2, Some("e")), device_socket(3, Some("d")));
    desk.hub(0).join_visitor(&the_visitor(), &old);
    desk.hub(0).join_visitor(&the_visitor(), &other);
    desk.hub(1).join_visitor(&the_visitor(), &new);
    desk.pump();
    assert_eq!(old.take(), [Item::Close(CloseCode::Replaced)]);
    assert_eq!((other.take().len(), new.take().len()), (0, 0));
    let (first, second) = (device_socket(4, Some("d")), device_socket(5, Some("d")));
    desk.hub(1).join_agent(AGENT, &second);
    desk.hub(0).join_agent(AGENT, &first);
    desk.pump();
    assert_eq!(
        first.take(),
        [Item::Close(CloseCode::Replaced)],
        "the younger one stays, whoever was heard first"
    );
    assert_eq!(second.take().len(), 0);
}

#[test]
fn a_visitor_is_gone_when_no_node_has_them_and_everybody_says_since_when() {
    let mut desk = Desk::new();
    let (id, began) = (the_visitor(), Timestamp::from_millis(1));
    let gone = |desk: &Desk| (0..3).map(|at| desk.hub(at).visitor_gone_since(&id, began)).collect::<Vec<_>>();
    assert_eq!(gone(&desk), vec![Some(began); 3]);
    let (here, there) = (socket(1), socket(2));
    desk.hub(0).join_visitor(&id, &here);
    desk.hub(1).join_visitor(&id, &there);
    desk.settle();
    assert_eq!(gone(&desk), vec![None; 3]);
    desk.hub(0).leave_visitor(&id, here.session, desk.now);
    desk.settle();
    assert_eq!(gone(&desk), vec![None; 3]);
    desk.now = desk.now.plus_millis(70);
    desk.hub(1).leave_visitor(&id, there.session, desk.now);
    desk.moved.clear();
    desk.settle();
    assert_eq!(gone(&desk), vec![Some(desk.now); 3]);
    let left = |moved: &Moved| moved.left.contains(&Name::Visitor(id.clone()));
    assert_eq!(desk.moved.iter().filter(|moved| left(moved)).count(), 2, "each other node is told once");
}

#[test]
fn a_dead_node_takes_its_people_with_it() {
    let mut desk = Desk::new();
    let (id, began) = (the_visitor(), Timestamp::from_millis(1));
    desk.hub(1).join_visitor(&id, &socket(1));
    desk.hub(1).join_agent(AGENT, &socket(2));
    desk.settle();
    assert!(desk.hub(0).is_agent_connected(AGENT));
    desk.now = desk.now.plus_millis(50);
    let moved = desk.hub(0).live_nodes(&all()[2..], desk.now);
    assert_eq!(moved.left, [Name::Visitor(id.clone()), Name::Agent(AGENT)]);
    assert_eq!(desk.hub(0).visitor_gone_since(&id, began), Some(desk.now));
    assert!(!desk.hub(0).is_agent_connected(AGENT));
}

#[test]
fn nobody_counts_as_gone_while_the_bus_does_not_carry_or_a_list_is_missing() {
    let mut desk = Desk::new();
    let (id, began) = (the_visitor(), Timestamp::from_millis(1));
    desk.hub(1).join_agent(AGENT, &socket(2));
    desk.settle();
    let stranger = AgentId::from_u128(9);
    desk.wire.is_down.store(true, Ordering::Relaxed);
    assert_eq!(desk.hub(0).visitor_gone_since(&id, began), None);
    assert!(desk.hub(0).is_agent_connected(AGENT) && !desk.hub(0).is_agent_connected(stranger));
    desk.wire.is_down.store(false, Ordering::Relaxed);
    desk.hub(0).resumed();
    assert_eq!(desk.hub(0).visitor_gone_since(&id, began), None, "the lists are asked for again");
    desk.settle();
    assert_eq!(desk.hub(0).visitor_gone_since(&id, began), Some(began));
    let newcomer = Hub::default();
    newcomer.join_others(Arc::new(End { own: all()[0].clone(), wire: Arc::default() }));
    assert_eq!(newcomer.visitor_gone_since(&id, began), None);
    assert!(newcomer.is_agent_connected(stranger), "who has heard nothing does not say that they are gone");
}

#[test]
fn a_change_that_was_lost_is_found_by_its_number_and_the_list_is_told() {
    let mut desk = Desk::new();
    let visitor = socket(1);
    desk.wire.loses.store(true, Ordering::Relaxed);
    desk.hub(1).join_visitor(&the_visitor(), &visitor);
    desk.settle();
    desk.wire.loses.store(false, Ordering::Relaxed);
    desk.settle();
    deliver(desk.hub(0), &entry(7, Content::text("x")), None);
    desk.pump();
    assert_eq!(entries(&visitor), [], "nobody knows of them yet");
    desk.now = desk.now.plus_millis(5_000);
    desk.settle();
    deliver(desk.hub(0), &entry(8, Content::text("x")), None);
    assert_eq!(desk.pump(), [0, 1, 0]);
    assert_eq!(entries(&visitor), [(6, 8, false)]);
}

#[test]
fn while_a_list_is_missing_its_node_hears_everything() {
    let mut desk = Desk::new();
    let visitor = socket(1);
    desk.hub(1).join_visitor(&the_visitor(), &visitor);
    desk.hub(0).lost(&all()[1]);
    deliver(desk.hub(0), &entry(7, Content::text("x")), None);
    desk.pump();
    assert_eq!(entries(&visitor), [(5, 7, false)]);
}

#[test]
fn after_a_loss_every_socket_is_told_to_look_again_but_not_more_often_than_once_a_second() {
    let mut desk = Desk::new();
    let (one, other) = (socket(1), socket(2));
    desk.hub(0).join_visitor(&the_visitor(), &one);
    desk.hub(0).join_agent(AGENT, &other);
    desk.settle();
    desk.hub(0).lost(&all()[1]);
    desk.hub(0).resumed();
    let looks = |socket: &Outbox| {
        let items = socket.take();
        assert!(items.iter().all(|item| matches!(item, Item::LookAgain { within_ms: 200 })), "{items:?}");
        items.len()
    };
    desk.hub(0).flush(desk.now);
    assert_eq!((looks(&one), looks(&other)), (1, 1));
    desk.hub(0).look_again();
    desk.hub(0).flush(desk.now.plus_millis(999));
    assert_eq!(looks(&one), 0);
    desk.hub(0).flush(desk.now.plus_millis(1_000));
    assert_eq!(looks(&one), 1);
    desk.hub(0).flush(desk.now.plus_millis(9_000));
    assert_eq!(looks(&one), 0);
    desk.wire.is_down.store(true, Ordering::Relaxed);
    let polls = [11_000, 12_999, 13_000, 20_999, 21_000].map(|ms| {
        desk.hub(0).flush(desk.now.plus_millis(ms));
        (looks(&one), looks(&other))
    });
    assert_eq!(polls, [(1, 2), (0, 0), (0, 1), (0, 1), (1, 1)], "agents look more often");
}

#[test]
fn what_the_log_says_is_told_to_sockets_of_this_node_alone() {
    let mut desk = Desk::new();
    let (here, there) = (socket(1), socket(2));
    desk.hub(0).join_visitor(&the_visitor(), &here);
    desk.hub(1).join_visitor(&the_visitor(), &there);
    desk.settle();
    let (visitor, assignee) = (Some(the_visitor()), Some(AGENT));
    let state = State { visitor, assignee, phase: Phase::Active, ..State::new(CONVERSATION) };
    retell(desk.hub(0), &state, &[entry(7, Content::text("x"))]);
    assert_eq!(entries(&here), [(5, 7, false)]);
    assert_eq!(desk.pump(), [0; 3], "the others read the log themselves");
    retell(desk.hub(1), &state, &[entry(7, Content::text("x"))]);
    assert_eq!(entries(&there), [(5, 7, false)]);
}

#[test]
fn a_hub_of_one_node_sends_nothing_and_knows_everybody() {
    let hub = Hub::default();
    let (visitor, began) = (socket(1), Timestamp::from_millis(1));
    hub.join_visitor(&the_visitor(), &visitor);
    deliver(&hub, &entry(7, Content::text("x")), None);
    hub.look_again();
    hub.flush(began);
    assert_eq!(entries(&visitor), [(5, 7, false)]);
    assert_eq!(hub.meters.items_sent.load(Ordering::Relaxed), 0);
    assert!(hub.knows_everybody() && !hub.is_agent_connected(AGENT));
    assert!(hub.leave_visitor(&the_visitor(), visitor.session, began));
    assert_eq!(hub.visitor_gone_since(&the_visitor(), Timestamp::default()), Some(began));
}

#[test]
fn whoever_joins_and_leaves_in_crowds_is_told_in_items_of_bounded_size() {
    let mut desk = Desk::new();
    let name = |n: usize| VisitorId::new(&format!("v{n}")).unwrap();
    let sockets: Vec<_> = (0..600).map(|n| socket(n as u128 + 1)).collect();
    for (n, socket) in sockets.iter().enumerate() {
        desk.hub(0).join_visitor(&name(n), socket);
    }
    let biggest = desk.wire.under_way.lock().iter().map(|(_, _, line)| line.len()).max();
    assert!(biggest.is_some_and(|bytes| bytes < 8 * 1_024), "they go out before the flush: {biggest:?}");
    desk.settle();
    assert_eq!(desk.hub(1).roll().map(|(_, known, _)| known), Some(600));
    for (n, socket) in sockets.iter().enumerate() {
        desk.hub(0).leave_visitor(&name(n), socket.session, desk.now);
    }
    desk.settle();
    assert_eq!(desk.hub(1).roll().map(|(_, known, _)| known), Some(0));
}
