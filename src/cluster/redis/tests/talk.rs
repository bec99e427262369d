//! Nodes that talk while nothing is wrong.

use super::*;

#[test]
fn two_nodes_hear_each_other_in_order_and_themselves_never() {
    const ITEMS: usize = 20_000;
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    for at in 0..ITEMS {
        assert!(b.send("a", at));
        let sent = match at / 700 % 2 {
            0 => a.send("b", at),
            _ if at % 3 == 0 => a.tell_everybody(at),
            _ => a.send("b", at),
        };
        assert!(sent, "item {at}");
    }
    b.await_numbers("a", 0..ITEMS);
    a.await_numbers("b", 0..ITEMS);
    assert!(a.memory.heard("a").is_empty());
    let meters = b.meters();
    await_meter("the answers to the last rounds", &meters.items_out, ITEMS as u64);
    assert_eq!((count(&meters.items_out), count(&meters.items_in)), (ITEMS as u64, ITEMS as u64));
    assert_eq!((count(&meters.gaps), count(&meters.skipped_repeated)), (0, 0));
    assert!(count(&meters.batches_out) < ITEMS as u64 / 2, "what waits goes out together");
}

#[test]
fn everybody_hears_what_is_for_everybody_and_nobody_what_is_for_another() {
    let server = RedisServer::start();
    let [a, b, c] = ["a", "b", "c"].map(|name| Node::join(&server, name));
    for at in 0..300 {
        assert!(a.tell_everybody(at));
    }
    assert!(a.send("b", 300) && !a.send("a", 300), "a node sends nothing to itself");
    assert!(a.send("nobody", 300), "Redis does not say who listens");
    b.await_numbers("a", 0..301);
    c.await_numbers("a", 0..300);
    assert!(a.memory.heard("a").is_empty());
    assert_eq!(count(&a.meters().dropped_unfit), 1);
}

#[test]
fn desks_with_other_prefixes_do_not_hear_each_other() {
    let server = RedisServer::start();
    let other = Options { prefix: "other".to_owned(), ..Options::default() };
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    let strange = Node::join_with(&server, "b", &other);
    assert!(strange.tell_everybody(7) && a.tell_everybody(0));
    b.await_numbers("a", 0..1);
    assert!(strange.memory.heard("a").is_empty() && b.memory.heard("b").is_empty());
}

#[test]
fn what_waits_at_a_stop_is_published_and_nothing_is_taken_after_it() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    for at in 0..10_000 {
        assert!(a.send("b", at));
    }
    a.bus.stop();
    assert!(!a.bus.carries() && !a.send("b", 10_000));
    b.await_numbers("a", 0..10_000);
    assert!(!a.memory.told.lock().contains(&Told::Interrupted), "a stop is no interruption");
}

#[test]
fn a_node_that_starts_again_is_heard_from_the_start() {
    let server = RedisServer::start();
    let b = Node::join(&server, "b");
    for start in 0..3 {
        let a = Node::join(&server, "a");
        for at in 0..10 {
            assert!(a.send("b", start * 10 + at));
        }
        a.bus.stop();
    }
    b.await_numbers("a", 0..30);
    assert_eq!(count(&b.meters().gaps), 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may wait")]
fn items_that_come_one_after_the_other_share_rounds() {
    let server = RedisServer::start();
    let rounds_apart = Duration::from_millis(100);
    let apart = Options { rounds_apart, ..Options::default() };
    let (a, b) = (Node::join_with(&server, "a", &apart), Node::join(&server, "b"));
    let begun = Instant::now();
    for number in 0..100 {
        assert!(a.send("b", number));
        std::thread::sleep(Duration::from_millis(1));
    }
    b.await_numbers("a", 0..100);
    let most = begun.elapsed().as_millis() / rounds_apart.as_millis() + 2;
    let batches = count(&b.meters().batches_in);
    assert!(u128::from(batches) <= most, "{batches} batches, {most} at most");
}
