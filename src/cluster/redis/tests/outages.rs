//! Redis dies, hangs, forgets, or cuts subscribers off: nodes are told, nothing is repeated, and the bounds hold.

use super::*;

fn interruptions(nodes: &[&Node], times: usize) {
    for node in nodes {
        node.memory.await_count(&Told::Interrupted, times);
    }
}

fn resumptions(nodes: &[&Node], times: usize) {
    for node in nodes {
        node.memory.await_count(&Told::Resumed, times);
    }
}

/// Sends single items until one is heard, as a node that just came back may not hear the first. Tells the next number.
fn talk_again(from: (&Node, &str), to: (&Node, &str), mut at: usize) -> usize {
    let before = to.0.memory.heard(from.1).len();
    let deadline = Instant::now() + PATIENCE;
    while to.0.memory.heard(from.1).len() == before {
        assert!(Instant::now() < deadline, "{} hears nothing of {}", to.1, from.1);
        from.0.send(to.1, at);
        at += 1;
        std::thread::yield_now();
    }
    at
}

fn rises(node: &Node, from: &str) {
    let heard: Vec<usize> = node.memory.heard(from).iter().map(number).collect();
    assert!(heard.is_sorted_by(|earlier, later| earlier < later), "an item was repeated or overtaken");
}

#[test]
fn a_redis_that_was_killed_is_missed_at_once_and_found_again() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    let mut at = 0;
    for outage in 1..=3 {
        for _ in 0..5_000 {
            a.send("b", at);
            at += 1;
        }
        server.kill();
        interruptions(&[&a, &b], outage);
        assert!(!a.bus.carries() && !a.send("b", at), "what cannot be sent is not taken");
        assert_eq!((count(&a.meters().queue_items), count(&a.meters().queue_bytes)), (0, 0));
        server.restart();
        resumptions(&[&a, &b], outage + 1);
        at = talk_again((&a, "a"), (&b, "b"), at + 1);
    }
    rises(&b, "a");
    assert!(count(&a.meters().reconnects) >= 3);
}

#[test]
fn a_redis_that_was_emptied_is_not_even_noticed() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    for at in 0..100 {
        assert!(a.send("b", at));
        if at % 10 == 0 {
            assert_eq!(server.say(&["FLUSHALL"]), "+OK");
        }
    }
    b.await_numbers("a", 0..100);
    assert_eq!(*a.memory.told.lock(), [Told::Resumed]);
}

#[test]
fn a_redis_that_hangs_is_given_up_and_nothing_piles_up_meanwhile() {
    let server = RedisServer::start();
    let options = Options { queue_items: 300, queue_bytes: 65_536, ..Options::default() };
    let (a, b) = (Node::join_with(&server, "a", &options), Node::join(&server, "b"));
    server.freeze();
    let mut at = 0;
    while a.bus.carries() {
        a.send("b", at);
        at += 1;
        let meters = a.meters();
        assert!(count(&meters.queue_items) <= 300 && count(&meters.queue_bytes) <= 65_536);
    }
    interruptions(&[&a, &b], 1);
    let meters = a.meters();
    assert!(count(&meters.dropped_full) > 0 && count(&meters.queue_items) == 0);
    assert!(count(&meters.probes_late) >= 1);
    server.thaw();
    resumptions(&[&a, &b], 2);
    talk_again((&a, "a"), (&b, "b"), at);
    rises(&b, "a");
}

#[test]
fn subscribers_that_are_cut_off_subscribe_again() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    assert_eq!(server.say(&["CLIENT", "KILL", "TYPE", "pubsub"]), ":2");
    interruptions(&[&a, &b], 1);
    resumptions(&[&a, &b], 2);
    talk_again((&a, "a"), (&b, "b"), 0);
    talk_again((&b, "b"), (&a, "a"), 0);
}

#[test]
fn publishers_that_are_cut_off_connect_again_and_repeat_nothing() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    for at in 0..5_000 {
        assert!(a.send("b", at));
    }
    let killed = server.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert_eq!(killed, ":2");
    interruptions(&[&a, &b], 1);
    resumptions(&[&a, &b], 2);
    talk_again((&a, "a"), (&b, "b"), 5_000);
    rises(&b, "a");
}

#[test]
fn what_a_full_queue_drops_is_told_to_the_receiver() {
    let server = RedisServer::start();
    let few = Options { queue_items: 10, ..Options::default() };
    let (a, b) = (Node::join_with(&server, "a", &few), Node::join(&server, "b"));
    assert!(a.send("b", 0));
    b.await_numbers("a", 0..1);
    // Frozen only as long as it takes to fill the queue, which no probe notices.
    server.freeze();
    let mut at = 1;
    while a.send("b", at) {
        at += 1;
    }
    server.thaw();
    // The last that was taken: the hole is before it or behind it.
    b.await_numbers("a", 0..at);
    assert!(a.send("b", at + 1));
    let next = Told::Heard(node("a"), item(at + 1));
    let told = b.memory.await_told("the next item", |told| told.contains(&next));
    assert_eq!(told.iter().filter(|one| **one == Told::Lost(node("a"))).count(), 1, "{told:?}");
    assert_eq!(count(&a.meters().dropped_full), 1);
}

#[test]
fn a_stop_while_redis_hangs_or_is_gone_ends_soon() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    server.freeze();
    assert!(a.send("b", 0));
    a.bus.stop();
    assert!(!a.bus.carries());
    server.thaw();
    server.kill();
    b.memory.await_count(&Told::Interrupted, 1);
    b.bus.stop();
    assert!(!b.send("a", 0));
}
