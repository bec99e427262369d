//! Bounds, holes and order of what goes out.

use super::*;
use proptest::prelude::*;

fn node(name: &str) -> Channel {
    Channel::Node(NodeId::new(name).unwrap())
}

fn item(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn queue(queue_items: usize, queue_bytes: usize) -> (Outgoing, Arc<BusMeters>) {
    let meters = Arc::new(BusMeters::default());
    let options = Options { queue_items, queue_bytes, ..Options::default() };
    (Outgoing::new(&options, Arc::clone(&meters)), meters)
}

fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn the_queue_is_bounded_in_items_and_in_bytes() {
    let (queue, meters) = queue(3, 10);
    queue.open();
    assert!(queue.push(node("a"), item("1234")));
    assert!(queue.push(node("a"), item("1234")));
    assert!(!queue.push(node("a"), item("123")), "eleven bytes");
    assert!(queue.push(node("a"), item("12")));
    assert!(!queue.push(node("a"), item("1")), "a fourth item");
    assert_eq!(
        (count(&meters.dropped_full), count(&meters.queue_items), count(&meters.queue_bytes)),
        (2, 3, 10)
    );
    assert_eq!(queue.take().len(), 3);
    assert_eq!((count(&meters.queue_items), count(&meters.queue_bytes)), (0, 0));
    assert!(queue.push(node("a"), item("1234567890")));
}

#[test]
fn what_can_never_be_sent_is_given_back() {
    let (queue, meters) = queue(3, 10);
    queue.open();
    for unfit in ["", "two\nlines", "eleven byte"] {
        assert!(!queue.push(Channel::Everybody, item(unfit)), "{unfit}");
    }
    assert_eq!((count(&meters.dropped_unfit), queue.take().len()), (3, 0));
}

#[test]
fn a_closed_queue_takes_nothing_and_keeps_nothing() {
    let (queue, meters) = queue(10, 100);
    assert!(!queue.push(node("a"), item("1")));
    queue.open();
    assert!(queue.is_open() && queue.push(node("a"), item("1")));
    assert!(queue.close());
    assert!(!queue.close(), "it was closed");
    assert!(queue.take().is_empty());
    assert_eq!((count(&meters.dropped_not_carrying), count(&meters.dropped_interrupted)), (1, 1));
    assert_eq!(count(&meters.queue_items), 0);
}

#[test]
fn every_drop_leaves_a_hole_in_the_numbers_of_its_channel_only() {
    let (queue, _) = queue(1, 100);
    queue.open();
    assert_eq!((queue.number(&node("a")), queue.number(&node("b"))), (1, 1));
    assert!(queue.push(node("a"), item("1")));
    assert!(!queue.push(node("a"), item("2")));
    assert_eq!((queue.number(&node("a")), queue.number(&node("b"))), (3, 2));
    queue.close();
    assert_eq!((queue.number(&node("a")), queue.number(&node("b"))), (5, 3));
}

#[test]
fn numbers_are_bounded_and_never_repeat() {
    let mut numbers = Numbers::default();
    let old: Vec<u64> = (0..5).map(|_| numbers.next(&node("a"))).collect();
    for stranger in 0..NUMBERED {
        numbers.next(&node(&format!("n{stranger}")));
    }
    assert!(numbers.last.len() <= NUMBERED);
    assert!(numbers.next(&node("a")) > old[4]);
}

#[test]
fn one_round_trip_carries_a_bounded_share() {
    let (queue, _) = queue(100_000, 1 << 30);
    queue.open();
    for _ in 0..ROUND_ITEMS + 1 {
        assert!(queue.push(node("a"), item("1")));
    }
    assert_eq!(queue.take().len(), ROUND_ITEMS);
    assert_eq!(queue.take().len(), 1);
    let large = Bytes::from(vec![b'x'; ROUND_BYTES + 1]);
    assert!(queue.push(node("a"), large.clone()) && queue.push(node("a"), large));
    assert_eq!(queue.take().len(), 1, "one that is larger than a round goes alone");
}

#[test]
fn a_batch_is_bounded_in_items_and_in_bytes() {
    let many = (0..BATCH_ITEMS + 1).map(|_| (node("a"), item("1"))).collect();
    let sizes: Vec<usize> = grouped(many).iter().map(|group| group.items.len()).collect();
    assert_eq!(sizes, [BATCH_ITEMS, 1]);
    let large = Bytes::from(vec![b'x'; BATCH_BYTES / 2]);
    let three = (0..3).map(|_| (node("a"), large.clone())).collect();
    assert_eq!(grouped(three).len(), 2);
}

/// What `receiver` hears, in order.
fn heard<'a>(items: impl Iterator<Item = (&'a Channel, &'a Bytes)>, receiver: &Channel) -> Vec<Bytes> {
    let is_for = |channel: &Channel| *channel == Channel::Everybody || channel == receiver;
    items.filter(|(channel, _)| is_for(channel)).map(|(_, item)| item.clone()).collect()
}

proptest! {
    #[test]
    fn every_node_hears_its_items_in_the_order_they_were_handed_over(
        order in prop::collection::vec(0_usize..4, 0..600)
    ) {
        let channels = [Channel::Everybody, node("a"), node("b"), node("c")];
        let items: Vec<(Channel, Bytes)> = order.iter().enumerate()
            .map(|(at, channel)| (channels[*channel].clone(), item(&at.to_string())))
            .collect();
        let groups = grouped(items.clone());
        for receiver in &channels[1..] {
            let sent = heard(items.iter().map(|(channel, item)| (channel, item)), receiver);
            let got = heard(
                groups.iter().flat_map(|group| group.items.iter().map(|item| (&group.channel, item))),
                receiver,
            );
            prop_assert_eq!(sent, got);
        }
        if !order.contains(&0) {
            prop_assert!(groups.len() <= 3 + order.len() / BATCH_ITEMS, "nodes' batches do not disturb each other");
        }
    }
}
