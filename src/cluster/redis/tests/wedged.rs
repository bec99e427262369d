//! A connection that is up and does not carry: what is published arrives nowhere, and nothing says so but the self-probe.

use super::*;
use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;

/// Stands between a node and its Redis.
struct Relay {
    address: SocketAddr,
    /// For each connection so far, whether what Redis says on it is swallowed.
    swallows: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
}

impl Relay {
    fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), swallows: Arc::default() };
        let (place, swallows) = (server.url().replace("redis://", ""), Arc::clone(&relay.swallows));
        std::thread::spawn(move || {
            for node in listener.incoming().map_while(Result::ok) {
                let Ok(redis) = TcpStream::connect(&place) else { return };
                let is_swallowed = Arc::new(AtomicBool::new(false));
                swallows.lock().push(Arc::clone(&is_swallowed));
                let (mut from_node, mut to_redis) = (node.try_clone().unwrap(), redis.try_clone().unwrap());
                std::thread::spawn(move || {
                    let copied = copy(&mut from_node, &mut to_redis).is_ok();
                    let ended = to_redis.shutdown(Shutdown::Both).is_ok();
                    (copied, ended)
                });
                std::thread::spawn(move || answers(redis, node, &is_swallowed));
            }
        });
        relay
    }

    fn swallow(&self, connection: usize) {
        self.swallows.lock()[connection].store(true, Ordering::Relaxed);
    }
}

fn answers(mut redis: TcpStream, mut node: TcpStream, is_swallowed: &AtomicBool) {
    let mut bytes = [0; 65_536];
    while let Ok(read @ 1..) = redis.read(&mut bytes) {
        if !is_swallowed.load(Ordering::Relaxed) && node.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn a_subscription_that_is_up_and_silent_is_replaced() {
    let server = RedisServer::start();
    let relay = Relay::before(&server);
    let memory = Arc::new(Memory::default());
    let url = format!("redis://{}", relay.address);
    let bus = Redis::start(&url, &Options::default(), node("a"), memory.clone()).unwrap();
    let (a, b) = (Node { bus, memory }, Node::join(&server, "b"));
    a.memory.await_count(&Told::Resumed, 1);
    // The first connection publishes, the second hears.
    relay.swallow(1);
    a.memory.await_count(&Told::Interrupted, 1);
    assert!(count(&a.meters().probes_late) >= 2);
    a.memory.await_count(&Told::Resumed, 2);
    assert!(a.send("b", 1) && b.send("a", 1));
    b.memory.await_count(&Told::Heard(node("a"), item(1)), 1);
    a.memory.await_count(&Told::Heard(node("b"), item(1)), 1);
    assert!(!b.memory.told.lock().contains(&Told::Interrupted), "only one node was cut off");
}

#[test]
fn answers_are_not_waited_for_and_are_missed_all_the_same() {
    let server = RedisServer::start();
    let relay = Relay::before(&server);
    let memory = Arc::new(Memory::default());
    let url = format!("redis://{}", relay.address);
    let bus = Redis::start(&url, &Options::default(), node("a"), memory.clone()).unwrap();
    let (a, b) = (Node { bus, memory }, Node::join(&server, "b"));
    a.memory.await_count(&Told::Resumed, 1);
    // The first connection publishes: its answers are swallowed from now on.
    relay.swallow(0);
    for number in 1..3 {
        assert!(a.send("b", number));
        b.await_numbers("a", 1..number + 1);
    }
    a.memory.await_count(&Told::Interrupted, 1);
    a.memory.await_count(&Told::Resumed, 2);
    assert!(count(&a.meters().dropped_interrupted) >= 2, "nobody knows whether they arrived");
    assert!(a.send("b", 3));
    b.await_numbers("a", 1..4);
}
