//! Others on the same Redis: those who publish nonsense on our channels, and those who do not read theirs.

use super::*;

const OWN: &str = "rushdesk:{node:b}";
const ALL: &str = "rushdesk:{all}";

#[test]
fn nonsense_is_counted_and_skipped() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    let nonsense: [&[u8]; 5] =
        [b"", b"hello", b"{}\n{}", b"\xff\xfe\n\n", b"{\"v\":1,\"from\":\"a\",\"n\":1}"];
    for payload in nonsense {
        assert_eq!(server.say(&[b"SPUBLISH", OWN.as_bytes(), payload]), ":1");
        assert_eq!(server.say(&[b"SPUBLISH", ALL.as_bytes(), payload]), ":2");
    }
    assert_eq!(server.say(&["PUBLISH", ALL, "not sharded"]), ":0");
    assert!(a.send("b", 0));
    b.await_numbers("a", 0..1);
    assert_eq!(count(&b.meters().skipped_garbage), 10);
    assert_eq!(*b.memory.told.lock(), [Told::Resumed, Told::Heard(node("a"), item(0))]);
}

#[test]
fn what_this_version_cannot_read_counts_as_lost() {
    let server = RedisServer::start();
    let b = Node::join(&server, "b");
    server.say(&["SPUBLISH", OWN, "{\"v\":2,\"from\":\"newer\",\"form\":\"unknown\"}\nitem"]);
    b.memory.await_count(&Told::Lost(node("newer")), 1);
    assert_eq!(count(&b.meters().skipped_newer), 1);
    assert!(b.memory.heard("newer").is_empty());
}

#[test]
fn a_gap_is_told_and_a_repetition_is_not_heard() {
    let server = RedisServer::start();
    let b = Node::join(&server, "b");
    let publish = |channel: &str, incarnation: &str, n: usize| {
        let heading = format!("{{\"v\":1,\"from\":\"far\",\"incarnation\":\"{incarnation}\",\"n\":{n}}}");
        let payload = format!("{heading}\n{{\"number\":{n}}}");
        assert_eq!(server.say(&["SPUBLISH", channel, &payload]), ":1");
    };
    for n in [4, 5, 5, 7] {
        publish(OWN, "one", n);
    }
    publish(ALL, "one", 8);
    publish(OWN, "two", 9);
    let far = node("far");
    let told = b.memory.await_told("all", |told| told.contains(&Told::Heard(far.clone(), item(9))));
    let heard = |n| Told::Heard(far.clone(), item(n));
    let expected = [Told::Resumed, heard(4), heard(5), Told::Lost(far.clone()), heard(7), heard(8), heard(9)];
    assert_eq!(told, expected);
    assert_eq!((count(&b.meters().gaps), count(&b.meters().skipped_repeated)), (1, 1));
}

#[test]
fn one_who_does_not_read_holds_nobody_up() {
    let server = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub 8mb 8mb 0"]);
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    let frozen = server.stranger(&["SSUBSCRIBE", ALL]);
    let large = "x".repeat(60_000);
    let mut sent = 0;
    // Till Redis has cut the stranger off: each payload then reaches the two nodes only.
    while count(&b.meters().bytes_in) < 40_000_000 {
        for _ in 0..20 {
            assert!(a.bus.send(To::Everybody, Bytes::from(large.clone())), "item {sent}");
            sent += 1;
        }
        await_meter("items of a", &b.meters().items_in, sent);
    }
    drop(frozen);
    assert_eq!(count(&b.meters().gaps), 0);
    assert!(!b.memory.told.lock().contains(&Told::Interrupted), "nobody else is cut off");
    assert!(!a.memory.told.lock().contains(&Told::Interrupted));
}

#[test]
fn a_listener_that_was_frozen_hears_the_rest_or_is_told() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    {
        // The thread of b's bus stands still in its listener.
        let _held = b.memory.told.lock();
        for at in 0..1_000 {
            assert!(a.send("b", at));
        }
        await_meter("items of a", &a.meters().items_out, 1_000);
    }
    b.await_numbers("a", 0..1_000);
}
