//! Amounts of several nodes against a real redis-server: added up, told, ended by time, and let go where nobody answers.

use super::*;
use crate::cluster::quotas::{Charge, Quotas, Rule, Standing};
use std::sync::mpsc::channel;

const SLOW: Rule = Rule::Rate { per_s: 1, burst: 4 };
const WINDOW: Rule = Rule::Window { window_ms: 60_000 };

fn charge(whose: &str, rule: Rule, amount: u32) -> Charge {
    Charge { what: "trials", whose: whose.to_owned(), rule, amount }
}

/// What is told of an amount; `None` where it was let go.
fn told(node: &Node, charge: Charge) -> Option<Standing> {
    let (tell, told) = channel();
    node.bus.charge(charge, Box::new(move |standing| tell.send(standing).unwrap()));
    told.recv_timeout(PATIENCE).ok()
}

#[test]
fn what_two_nodes_take_adds_up_and_each_name_by_itself() {
    let server = RedisServer::start();
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    let wait_ms = |node, amount| told(node, charge("here", SLOW, amount)).unwrap().wait_ms;
    assert_eq!(wait_ms(&a, 2), 0);
    assert_eq!(wait_ms(&b, 2), 0, "four at once are allowed");
    let owed_ms = wait_ms(&a, 1);
    assert!((1..=1_000).contains(&owed_ms), "one a second: {owed_ms}");
    assert!(wait_ms(&b, 0) > 0, "whoever only asks learns it too");
    assert!(wait_ms(&b, 1_000_000) <= 4_000, "no debt is larger than one more burst");
    assert_eq!(told(&b, charge("there", SLOW, 4)).unwrap().wait_ms, 0, "another address owes nothing");

    let counted = |node, amount| told(node, charge("ann", WINDOW, amount)).unwrap();
    assert_eq!(counted(&a, 0), Standing::default(), "asking counts nothing");
    assert_eq!(counted(&a, 1).count, 1);
    assert_eq!(counted(&b, 2).count, 3);
    let standing = counted(&a, 0);
    assert_eq!(standing.count, 3);
    assert!((1..=60_000).contains(&standing.wait_ms), "{standing:?}");
    assert_eq!(count(&a.meters().amounts_told), 5);
    assert_eq!(count(&a.meters().amounts_untold), 0);
}

#[test]
fn every_key_has_a_hash_tag_of_its_own_ends_by_itself_and_names_nobody() {
    let server = RedisServer::start();
    let a = Node::join(&server, "a");
    told(&a, charge("127.0.0.1", SLOW, 1)).unwrap();
    told(&a, charge("ann", WINDOW, 1)).unwrap();
    assert_eq!(server.say(&["DBSIZE"]), ":2");
    let ends = "local ends = 0; for _, key in ipairs(redis.call('KEYS', 'rushdesk:{limit:trials:*}')) do \
                if redis.call('PTTL', key) > 0 then ends = ends + 1 end end; return ends";
    assert_eq!(server.say(&["EVAL", ends, "0"]), ":2");
    assert_eq!(
        server.say(&["EVAL", "return #redis.call('KEYS', '*ann*') + #redis.call('KEYS', '*127*')", "0"]),
        ":0"
    );
}

#[test]
fn a_script_that_was_flushed_is_told_anew_and_a_dead_server_lets_everybody_go() {
    let server = RedisServer::start();
    let a = Node::join(&server, "a");
    assert!(told(&a, charge("ann", WINDOW, 1)).is_some());
    assert_eq!(server.say(&["SCRIPT", "FLUSH"]), "+OK");
    assert_eq!(told(&a, charge("ann", WINDOW, 1)), None, "the one that finds out");
    assert!(told(&a, charge("ann", WINDOW, 1)).is_some());
    assert!(a.bus.carries(), "the bus does not care");
    server.kill();
    a.memory.await_count(&Told::Interrupted, 1);
    assert_eq!(told(&a, charge("ann", WINDOW, 1)), None);
    assert!(count(&a.meters().amounts_untold) >= 2);
    server.restart();
    a.memory.await_count(&Told::Resumed, 2);
    assert_eq!(told(&a, charge("ann", WINDOW, 1)).unwrap().count, 1, "an empty Redis begins anew");
}

#[test]
fn who_may_not_count_has_a_bus_all_the_same() {
    let rights = ["ACL", "SETUSER", "default", "-evalsha"];
    let server = RedisServer::start();
    assert_eq!(server.say(&rights), "+OK");
    let (a, b) = (Node::join(&server, "a"), Node::join(&server, "b"));
    assert_eq!(told(&a, charge("ann", WINDOW, 1)), None);
    assert!(a.send("b", 1));
    b.await_numbers("a", 1..2);
    assert_eq!(count(&a.meters().amounts_untold), 1);
}
