//! A proxy between a node and one of its servers, which does to their connections what networks and dying servers do: it
//! stops carrying one way or both, resets, delays, cuts after so many bytes, and loses the answer to a request that has
//! been carried out.
//!
//! It knows nothing of what it carries but the bytes that it is told to look for. What it holds up it delivers later, in
//! order, as TCP does; what it cuts ends with a reset on the node's side.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const CHUNK_BYTES: usize = 16 << 10;
/// Chunks of one direction that are on their way; the sender waits beyond it, as before a full window.
const ON_THE_WAY: usize = 256;

/// Where the server is.
pub(crate) enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A direction, seen from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Asks,
    Answers,
}

/// Connections are carried until this is dropped.
pub(crate) struct FaultProxy {
    pub(crate) address: SocketAddr,
    faults: Arc<Faults>,
    _running: JoinSet<()>,
}

/// What is wrong with the way, for every connection alike.
struct Faults {
    state: watch::Sender<State>,
    /// An answer that is lost: what the request must hold, and what its answer holds.
    asked: &'static [u8],
    answered: &'static [u8],
    to_lose: AtomicU64,
    lost: AtomicU64,
    /// Bytes that are still carried each way before a cut; `u64::MAX`: no cut.
    left: [AtomicU64; 2],
    dice: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct State {
    held: [bool; 2],
    delay: Duration,
    /// The delay differs by so much up and down.
    jitter: Duration,
    resets: u64,
}

impl FaultProxy {
    /// On a free port of the loopback.
    pub(crate) async fn before(upstream: Upstream) -> Self {
        Self::that_loses(upstream, b"", b"").await
    }

    /// `lose_answers` looks for requests with `asked` in them, and for the answer by `answered`.
    pub(crate) async fn that_loses(
        upstream: Upstream,
        asked: &'static [u8],
        answered: &'static [u8],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let faults = Arc::new(Faults {
            state: watch::Sender::default(),
            asked,
            answered,
            to_lose: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            left: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
            dice: AtomicU64::new(618),
        });
        let mut running = JoinSet::new();
        running.spawn(accept(listener, upstream, Arc::clone(&faults)));
        Self { address, faults, _running: running }
    }

    /// Nothing goes this way any more until `carry`; connections stay.
    pub(crate) fn hold(&self, way: Way) {
        self.faults.state.send_modify(|state| state.held[way as usize] = true);
    }

    pub(crate) fn carry(&self, way: Way) {
        self.faults.state.send_modify(|state| state.held[way as usize] = false);
    }

    /// Ends every connection of now.
    pub(crate) fn reset(&self) {
        self.faults.state.send_modify(|state| state.resets += 1);
    }

    /// Whatever comes from now on takes so long each way.
    pub(crate) fn delay(&self, delay: Duration, jitter: Duration) {
        self.faults.state.send_modify(|state| (state.delay, state.jitter) = (delay, jitter));
    }

    /// The connection that carries the last of so many bytes this way ends with it.
    pub(crate) fn cut_after(&self, way: Way, bytes: u64) {
        self.faults.left[way as usize].store(bytes, Ordering::Relaxed);
    }

    /// The next so many requests are carried out, and their connections end where the answer would have come.
    pub(crate) fn lose_answers(&self, count: u64) {
        self.faults.to_lose.store(count, Ordering::Relaxed);
    }

    /// How many answers were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.faults.lost.load(Ordering::Relaxed)
    }
}

impl Faults {
    /// When a chunk of now arrives; never before the one ahead of it.
    fn due(&self, before: Instant) -> Instant {
        let State { delay, jitter, .. } = *self.state.borrow();
        let mut dice = self.dice.load(Ordering::Relaxed);
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.store(dice, Ordering::Relaxed);
        let spread_us = 2 * jitter.as_micros() as u64;
        let more = Duration::from_micros(dice.checked_rem(spread_us).unwrap_or(0));
        before.max(Instant::now() + (delay + more).saturating_sub(jitter))
    }

    /// How many of these bytes go through before the cut; none is ordered where all do.
    fn allowed(&self, way: Way, bytes: usize) -> Option<usize> {
        let left = &self.left[way as usize];
        match left.load(Ordering::Relaxed) {
            u64::MAX => None,
            few if few <= bytes as u64 => {
                left.store(u64::MAX, Ordering::Relaxed);
                Some(few as usize)
            }
            many => {
                left.store(many - bytes as u64, Ordering::Relaxed);
                None
            }
        }
    }

    fn takes_one_answer(&self) -> bool {
        let taken =
            self.to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        self.lost.fetch_add(u64::from(taken.is_ok()), Ordering::Relaxed);
        taken.is_ok()
    }
}

async fn accept(listener: TcpListener, upstream: Upstream, faults: Arc<Faults>) {
    let mut carried = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while carried.try_join_next().is_some() {}
        match &upstream {
            Upstream::Tcp(address) => {
                let Ok(server) = TcpStream::connect(address).await else { continue };
                drop(server.set_nodelay(true));
                carried.spawn(connection(client, server, Arc::clone(&faults)));
            }
            Upstream::Unix(path) => {
                let Ok(server) = UnixStream::connect(path).await else { continue };
                carried.spawn(connection(client, server, Arc::clone(&faults)));
            }
        }
    }
}

async fn connection(mut client: TcpStream, server: impl AsyncRead + AsyncWrite, faults: Arc<Faults>) {
    drop(client.set_nodelay(true));
    let mut state = faults.state.subscribe();
    let resets = state.borrow().resets;
    let is_asked = AtomicBool::new(false);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = split(server);
    let was_cut = tokio::select! {
        was_cut = carry(Way::Asks, from_client, to_server, &faults, &is_asked) => was_cut,
        was_cut = carry(Way::Answers, from_server, to_client, &faults, &is_asked) => was_cut,
        _ = state.wait_for(|state| state.resets != resets) => true,
    };
    if was_cut {
        drop(socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)));
    }
}

/// Carries one way until a side ends it, or it is cut, and tells which.
async fn carry(
    way: Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    faults: &Faults,
    is_asked: &AtomicBool,
) -> bool {
    let (push, mut pull) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    // It ends with the sending half, so that what was taken before the end is still given.
    let take = async move {
        let (mut due, mut tail) = (Instant::now(), Vec::new());
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let Ok(read @ 1..) = from.read(&mut chunk).await else { break false };
            chunk.truncate(read);
            let cut_at = faults.allowed(way, read);
            chunk.truncate(cut_at.unwrap_or(read));
            if is_lost(way, faults, is_asked, &mut tail, &chunk) {
                break true;
            }
            due = faults.due(due);
            if push.send((due, chunk)).await.is_err() || cut_at.is_some() {
                break cut_at.is_some();
            }
        }
    };
    let give = async {
        let mut state = faults.state.subscribe();
        while let Some((due, chunk)) = pull.recv().await {
            sleep_until(due).await;
            drop(state.wait_for(|state| !state.held[way as usize]).await);
            if to.write_all(&chunk).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(take, give).0
}

/// Whether this chunk ends with the answer that is to be lost.
fn is_lost(way: Way, faults: &Faults, is_asked: &AtomicBool, tail: &mut Vec<u8>, chunk: &[u8]) -> bool {
    let wanted = if way == Way::Asks { faults.asked } else { faults.answered };
    if wanted.is_empty() {
        return false;
    }
    tail.extend_from_slice(chunk);
    let is_there = tail.windows(wanted.len()).any(|part| part == wanted);
    // A later chunk may bring the rest of what has begun.
    let keep = if is_there { 0 } else { wanted.len() - 1 };
    tail.drain(..tail.len().saturating_sub(keep));
    match way {
        Way::Asks => {
            is_asked.fetch_or(is_there, Ordering::Relaxed);
            false
        }
        Way::Answers => is_there && is_asked.swap(false, Ordering::Relaxed) && faults.takes_one_answer(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use tokio::time::timeout;

    const SILENCE: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Says everything back, and counts what came.
    async fn echo() -> (SocketAddr, Arc<AtomicU64>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (mut running, count) = (JoinSet::new(), Arc::clone(&heard));
        running.spawn(async move {
            let mut echoes = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                echoes.spawn(async move {
                    let mut bytes = [0; 1_024];
                    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                        count.fetch_add(read as u64, Ordering::Relaxed);
                        if stream.write_all(&bytes[..read]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (address, heard, running)
    }

    /// Waits until the server has heard so many bytes.
    async fn heard_so_far(heard: &AtomicU64, bytes: u64) {
        let comes = async {
            while heard.load(Ordering::Relaxed) != bytes {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, comes).await.expect("in time");
    }

    async fn hear(stream: &mut TcpStream, wanted: &[u8]) {
        let mut bytes = vec![0; wanted.len()];
        timeout(PATIENCE, stream.read_exact(&mut bytes)).await.expect("in time").expect("bytes");
        assert_eq!(bytes, wanted);
    }

    async fn ends_by_reset(stream: &mut TcpStream) {
        let ended = timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("in time");
        assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn what_is_held_one_way_comes_later_and_in_order() {
        let (server, heard, _running) = echo().await;
        let proxy = FaultProxy::before(Upstream::Tcp(server)).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"one").await.unwrap();
        hear(&mut stream, b"one").await;

        proxy.hold(Way::Answers);
        stream.write_all(b"two").await.unwrap();
        heard_so_far(&heard, 6).await;
        assert!(timeout(SILENCE, stream.read(&mut [0; 16])).await.is_err(), "answers are held");
        proxy.hold(Way::Asks);
        stream.write_all(b"three").await.unwrap();
        proxy.carry(Way::Answers);
        hear(&mut stream, b"two").await;
        assert_eq!(heard.load(Ordering::Relaxed), 6, "now asks are");
        proxy.carry(Way::Asks);
        hear(&mut stream, b"three").await;
    }

    #[tokio::test]
    async fn what_is_delayed_comes_in_order_and_whole() {
        let (server, _heard, _running) = echo().await;
        let proxy = FaultProxy::before(Upstream::Tcp(server)).await;
        proxy.delay(Duration::from_millis(3), Duration::from_millis(3));
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let said: Vec<u8> = (0..200_u8).collect();
        for byte in &said {
            stream.write_all(&[*byte]).await.unwrap();
        }
        hear(&mut stream, &said).await;
    }

    #[tokio::test]
    async fn a_reset_and_a_cut_end_what_is_there_and_nothing_later() {
        let (server, _heard, _running) = echo().await;
        let proxy = FaultProxy::before(Upstream::Tcp(server)).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"one").await.unwrap();
        hear(&mut stream, b"one").await;
        proxy.reset();
        ends_by_reset(&mut stream).await;

        proxy.cut_after(Way::Asks, 5);
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"two").await.unwrap();
        hear(&mut stream, b"two").await;
        stream.write_all(b"three").await.unwrap();
        ends_by_reset(&mut stream).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"four").await.unwrap();
        hear(&mut stream, b"four").await;
    }

    #[tokio::test]
    async fn the_answer_is_lost_to_what_was_carried_out_and_to_nothing_else() {
        let (server, heard, _running) = echo().await;
        let proxy = FaultProxy::that_loses(Upstream::Tcp(server), b"INSERT", b"COMMIT").await;
        proxy.lose_answers(1);
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"SELECT; COMMIT").await.unwrap();
        hear(&mut stream, b"SELECT; COMMIT").await;
        for part in [&b"INS"[..], b"ERT; COM"] {
            stream.write_all(part).await.unwrap();
            hear(&mut stream, part).await;
        }
        stream.write_all(b"MIT").await.unwrap();
        ends_by_reset(&mut stream).await;
        assert_eq!((heard.load(Ordering::Relaxed), proxy.lost()), (28, 1));
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(b"INSERT; COMMIT").await.unwrap();
        hear(&mut stream, b"INSERT; COMMIT").await;
        assert_eq!(proxy.lost(), 1);
    }
}
