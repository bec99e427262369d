//! A load balancer as any other: it asks every node for `/readyz`, sends each new connection to the next one that is
//! ready, and carries bytes. Connections that it has made stay where they are until one side ends them.
//!
//! Refuses to understand what it carries.

use rushdesk::rehearsal::http::{Ask, Http};
use rushdesk::rehearsal::target::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Between two looks at a node, and how long it may take to answer one.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// A connection waits this long for a node that is ready before it is dropped, as balancers do.
const WAITS: usize = 40;
const WAIT: Duration = Duration::from_millis(50);

struct Place {
    target: Target,
    is_ready: AtomicBool,
}

/// It balances until this is dropped.
pub(crate) struct Balancer {
    pub(crate) target: Target,
    _running: JoinSet<()>,
}

impl Balancer {
    /// Before these nodes.
    pub(crate) async fn before(nodes: impl Iterator<Item = Target>) -> Self {
        let places: Arc<[Place]> =
            nodes.map(|target| Place { target, is_ready: AtomicBool::new(true) }).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = Target::new(listener.local_addr().expect("an address")).expect("a loopback address");
        let mut running = JoinSet::new();
        for number in 0..places.len() {
            running.spawn(look_at(places.clone(), number));
        }
        running.spawn(accept(listener, places));
        Self { target, _running: running }
    }
}

async fn look_at(places: Arc<[Place]>, number: usize) {
    let place = &places[number];
    loop {
        let mut http = Http::new(place.target);
        let ask = Ask { method: "GET", path: "/readyz", ..Ask::default() };
        let answer = timeout(ANSWERS_WITHIN, http.ask(&ask)).await;
        let is_ready = matches!(answer, Ok(Ok(answer)) if answer.status == 200);
        place.is_ready.store(is_ready, Ordering::Relaxed);
        sleep(LOOK_EVERY).await;
    }
}

async fn accept(listener: TcpListener, places: Arc<[Place]>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut carried = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while carried.try_join_next().is_some() {}
        carried.spawn(carry(client, places.clone(), turn.clone()));
    }
}

async fn carry(mut client: TcpStream, places: Arc<[Place]>, turn: Arc<AtomicUsize>) {
    for _ in 0..WAITS {
        for _ in 0..places.len() {
            let place = &places[turn.fetch_add(1, Ordering::Relaxed) % places.len()];
            if !place.is_ready.load(Ordering::Relaxed) {
                continue;
            }
            let Ok(mut node) = TcpStream::connect(place.target.address()).await else { continue };
            // A connection without these options would add waits that no balancer adds.
            drop(client.set_nodelay(true).and_then(|()| node.set_nodelay(true)));
            drop(copy_bidirectional(&mut client, &mut node).await);
            return;
        }
        sleep(WAIT).await;
    }
}
