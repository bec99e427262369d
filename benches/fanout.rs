//! What it costs to bring one entry to everybody who watches: through the hub, beside bare queues.
//!
//! The conversation's visitor, its agent, and supervisors who watch it, each with an outbox. The hub looks them up,
//! encodes once per view and pushes by pointer into bounded outboxes. Two floors, both with queues at hand that nobody
//! has to look up, behind the same kind of lock and without bounds: one encodes once per view as well (nothing can be
//! cheaper), the other encodes for each (what is done without the hub). Before anything is timed all three must deliver
//! the same bytes, to each recipient once.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench ends at the first surprise")]

#[path = "table/beside.rs"]
mod beside;

use beside::Table;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use parking_lot::Mutex;
use rushdesk::clock::Timestamp;
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Author, Entry, Event, View};
use rushdesk::fanout::hub::{Audience, Hub};
use rushdesk::fanout::outbox::{Bounds, Item, Outbox};
use rushdesk::ident::{AgentId, ConversationId, SessionId, VisitorId};
use rushdesk::wire::encode_entry;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const RECIPIENTS: [usize; 4] = [1, 8, 64, 512];
/// Entries that gather before the readers come; few, as in a desk whose readers keep up.
const GATHERED: u64 = 8;
const CONVERSATION: ConversationId = ConversationId::from_u128(0x0197_0000_0000_7000_8000_0000_0000_00c1);
const AGENT: AgentId = AgentId::from_u128(7);
/// As a desk has them by default.
const BOUNDS: Bounds = Bounds { frames: 2_048, bytes: 512 * 1_024 };

fn visitor() -> VisitorId {
    VisitorId::new("shopper-7").expect("a visitor's id")
}

fn entry() -> Entry {
    Entry {
        seq: 42,
        visitor_prev: 40,
        at: Timestamp::from_millis(1_763_568_000_007),
        author: Author::Visitor { id: visitor(), name: Some("小美".into()) },
        event: Event::Message(Content::text("Where is my parcel? It should have come two days ago.")),
    }
}

fn encoded(entry: &Entry, view: View) -> Bytes {
    encode_entry(entry, CONVERSATION, view).expect("a message is seen by everybody")
}

/// The first recipient is the visitor, the second the agent, all others watch.
const fn view_of(recipient: usize) -> View {
    if recipient == 0 { View::Visitor } else { View::Desk }
}

/// The hub with its outboxes.
struct Sockets {
    hub: Hub,
    outboxes: Vec<Arc<Outbox>>,
    visitor: VisitorId,
    wakes: Arc<AtomicU64>,
}

impl Sockets {
    fn new(recipients: usize) -> Self {
        let (hub, visitor, wakes) = (Hub::default(), visitor(), Arc::new(AtomicU64::new(0)));
        let outboxes: Vec<_> = (1..=recipients as u128)
            .map(|number| {
                let woken = wakes.clone();
                let wake = Box::new(move || {
                    woken.fetch_add(1, Ordering::Relaxed);
                });
                Arc::new(Outbox::new(SessionId::from_u128(number), None, BOUNDS, wake))
            })
            .collect();
        for (recipient, outbox) in outboxes.iter().enumerate() {
            match recipient {
                0 => hub.join_visitor(&visitor, outbox),
                1 => hub.join_agent(AGENT, outbox),
                _ => hub.watch(CONVERSATION, outbox),
            }
        }
        Self { hub, outboxes, visitor, wakes }
    }

    fn deliver(&self, entry: &Entry) {
        let audience = Audience {
            conversation: CONVERSATION,
            visitor: Some(&self.visitor),
            agents: [AGENT].into_iter().collect(),
        };
        self.hub.deliver_entry(&audience, entry, None);
    }

    fn take(&self) -> Vec<VecDeque<Item>> {
        self.outboxes.iter().map(|outbox| outbox.take()).collect()
    }
}

/// The floors' queues.
struct Bare(Vec<Mutex<VecDeque<Bytes>>>);

impl Bare {
    fn new(recipients: usize) -> Self {
        Self((0..recipients).map(|_| Mutex::default()).collect())
    }

    fn encode_once(&self, entry: &Entry) {
        let mut views = [None, None];
        for (recipient, queue) in self.0.iter().enumerate() {
            let [to_visitor, to_desk] = &mut views;
            let view = view_of(recipient);
            let frame = if view == View::Visitor { to_visitor } else { to_desk };
            queue.lock().push_back(frame.get_or_insert_with(|| encoded(entry, view)).clone());
        }
    }

    fn encode_for_each(&self, entry: &Entry) {
        for (recipient, queue) in self.0.iter().enumerate() {
            queue.lock().push_back(encoded(entry, view_of(recipient)));
        }
    }

    fn take(&self) -> Vec<VecDeque<Bytes>> {
        self.0.iter().map(|queue| std::mem::take(&mut *queue.lock())).collect()
    }
}

/// The one frame of an entry that each outbox holds.
fn frames(taken: Vec<VecDeque<Item>>, entry: &Entry) -> Vec<VecDeque<Bytes>> {
    let frame = |item| match item {
        Item::Entry { conversation: CONVERSATION, seq, frame, .. } if seq == entry.seq => frame,
        other => panic!("not the entry: {other:?}"),
    };
    taken.into_iter().map(|items| items.into_iter().map(frame).collect()).collect()
}

fn check(sockets: &Sockets, bare: &Bare, recipients: usize, entry: &Entry) {
    let expected: Vec<VecDeque<Bytes>> =
        (0..recipients).map(|recipient| VecDeque::from([encoded(entry, view_of(recipient))])).collect();
    sockets.deliver(entry);
    assert_eq!(frames(sockets.take(), entry), expected, "the hub delivers to each once");
    assert_eq!(sockets.wakes.load(Ordering::Relaxed), recipients as u64, "and wakes each once");
    bare.encode_once(entry);
    assert_eq!(bare.take(), expected);
    bare.encode_for_each(entry);
    assert_eq!(bare.take(), expected);
}

/// Time to deliver in `rounds`; emptying the queues does not count.
fn rounds<T>(rounds: u64, deliver: impl Fn(), take: impl Fn() -> T) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let begin = Instant::now();
        for _ in 0..GATHERED {
            deliver();
        }
        spent += begin.elapsed();
        black_box(take());
    }
    spent
}

fn fanout(criterion: &mut Criterion) {
    let entry = entry();
    let mut table = Table::of(criterion, "one entry to everybody");
    for recipients in RECIPIENTS {
        let (sockets, bare) = (Sockets::new(recipients), Bare::new(recipients));
        check(&sockets, &bare, recipients, &entry);
        let ours = table.time(&format!("{recipients}: hub"), GATHERED, |count| {
            rounds(count, || sockets.deliver(black_box(&entry)), || sockets.take())
        });
        let once = table.time(&format!("{recipients}: encoded once"), GATHERED, |count| {
            rounds(count, || bare.encode_once(black_box(&entry)), || bare.take())
        });
        let each = table.time(&format!("{recipients}: encoded for each"), GATHERED, |count| {
            rounds(count, || bare.encode_for_each(black_box(&entry)), || bare.take())
        });
        let what = format!("one entry to {recipients}");
        table.row(&what, ours, "bare queues, encoded once", once);
        table.row(&what, ours, "bare queues, encoded for each", each);
    }
    table.print();
}

criterion_group!(benches, fanout);
criterion_main!(benches);
