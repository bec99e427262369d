//! The bus over Redis (7 or newer): sharded pub/sub, one channel per node and one for everybody.
//!
//! A thread of its own holds two connections, one that publishes and one that hears (`link`). What is handed over waits
//! in a bounded queue (`outgoing`) and goes out as it stands: whatever gathered during the last round trip makes the next
//! batches (`batch`). Numbers in the batches show what was lost (`senders`), a self-probe shows whether the whole way
//! carries (`probe`). One life of the two connections is `life`; when it ends, both are made anew, without end. What one
//! address or person has taken over all nodes is counted beside it (`quotas`).
//!
//! Refuses to keep anything: what Redis loses, the store still has. Losing Redis never ends the process.

mod batch;
mod life;
mod link;
mod meters;
mod outgoing;
mod probe;
mod quotas;
mod senders;

#[cfg(test)]
mod tests;

pub use link::{Found, look};
pub use meters::BusMeters;

use super::bus::{Bus, Listener, To};
use super::quotas::{Charge, Quotas, Told};
use crate::clock::fresh_uuid;
use crate::ident::NodeId;
use bytes::Bytes;
use life::{Ended, Life};
use link::Address;
use outgoing::{Channel, Outgoing};
use parking_lot::Mutex;
use quotas::Charges;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::watch;

/// Waits between attempts to connect: the first, doubled up to the last.
const FIRST_PAUSE_MS: u64 = 50;
const LAST_PAUSE_MS: u64 = 2_000;

/// The limits and the name of the bus; `Options::default()` is what the desk runs with.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the names of our channels begin with; desks that share a Redis have different ones.
    pub prefix: String,
    /// Items that may wait to be published; more are given back.
    pub queue_items: usize,
    /// Bytes of all items that wait; more are given back.
    pub queue_bytes: usize,
    /// Rounds of batches begin at least so far apart, unless a whole batch waits; well below a millisecond. At thousands of
    /// items a second each would be a batch of its own otherwise, which costs Redis and both nodes a multiple of the work
    /// of a shared one. A lone item never waits.
    pub rounds_apart: Duration,
}

const ROUNDS_APART: Duration = Duration::from_micros(400);

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "rushdesk".to_owned(),
            queue_items: 65_536,
            queue_bytes: 64 * 1024 * 1024,
            rounds_apart: ROUNDS_APART,
        }
    }
}

/// What the handle and the thread have in common.
struct Shared {
    own: NodeId,
    /// Which start of this node's bus this is.
    incarnation: String,
    prefix: String,
    rounds_apart: Duration,
    address: Address,
    outgoing: Outgoing,
    charges: Charges,
    meters: Arc<BusMeters>,
    listener: Arc<dyn Listener>,
    stop: watch::Sender<bool>,
}

impl Shared {
    /// The name of a channel. What stands in braces decides the slot of a Redis Cluster.
    fn name(&self, channel: &Channel) -> String {
        match channel {
            Channel::Everybody => format!("{}:{{all}}", self.prefix),
            Channel::Node(node) => format!("{}:{{node:{node}}}", self.prefix),
        }
    }

    async fn stopped(&self) {
        // The sender lives in `self`, so the wait ends with the value only.
        if self.stop.subscribe().wait_for(|stop| *stop).await.is_err() {
            tracing::error!("the bus lost its stop signal");
        }
    }
}

/// A node's place on the bus.
pub struct Redis {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Redis {
    /// Connects to the Redis at `url`, subscribes, and goes on in a thread of its own. The first `resumed` follows as soon
    /// as a self-probe came back.
    ///
    /// # Errors
    /// A sentence that says why this Redis cannot be the bus and what to do.
    pub fn start(
        url: &str,
        options: &Options,
        own: NodeId,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, String> {
        let meters = Arc::new(BusMeters::default());
        let shared = Arc::new(Shared {
            own,
            incarnation: fresh_uuid().to_string(),
            prefix: options.prefix.clone(),
            rounds_apart: options.rounds_apart,
            address: Address::parse(url)?,
            outgoing: Outgoing::new(options, Arc::clone(&meters)),
            charges: Charges::default(),
            meters,
            listener,
            stop: watch::Sender::new(false),
        });
        let no_thread = |error: std::io::Error| format!("no thread could be started for the bus: {error}");
        let runtime = Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let (tell, told) = sync_channel(1);
        let threads = Arc::clone(&shared);
        let work = move || runtime.block_on(serve(&threads, &tell));
        let thread = std::thread::Builder::new().name("bus".to_owned()).spawn(work).map_err(no_thread)?;
        let bus = Self { shared, thread: Mutex::new(Some(thread)) };
        told.recv().map_err(|_ended| "the thread of the bus ended at once".to_owned())??;
        Ok(bus)
    }

    /// Publishes what waits, for at most a second, and ends the thread. Not to be called by the `Listener`.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the bus had panicked");
        }
        self.shared.outgoing.close();
    }

    pub fn meters(&self) -> Arc<BusMeters> {
        Arc::clone(&self.shared.meters)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Bus for Redis {
    fn send(&self, to: To<'_>, item: Bytes) -> bool {
        let channel = match to {
            To::Everybody => Channel::Everybody,
            To::Node(node) if *node == self.shared.own => {
                meters::add(&self.shared.meters.dropped_unfit, 1);
                return false;
            }
            To::Node(node) => Channel::Node(node.clone()),
        };
        self.shared.outgoing.push(channel, item)
    }

    fn carries(&self) -> bool {
        self.shared.outgoing.is_open()
    }
}

impl Quotas for Redis {
    fn charge(&self, charge: Charge, told: Told) {
        let Shared { outgoing, charges, meters, .. } = &*self.shared;
        if outgoing.is_open() {
            charges.push(charge, told, meters);
        } else {
            meters::add(&meters.amounts_untold, 1);
        }
    }
}

/// Lives one life of the connections after the other until it is stopped. The first attempt's outcome is told.
async fn serve(shared: &Arc<Shared>, tell: &SyncSender<Result<(), String>>) {
    let opened = Life::open(shared).await;
    let outcome = opened.as_ref().map(drop).map_err(Clone::clone);
    if tell.send(outcome).is_err() {
        return;
    }
    let mut life = opened.ok();
    if life.is_none() {
        return;
    }
    let mut pause_ms = FIRST_PAUSE_MS;
    loop {
        if let Some(life) = life.take() {
            let ended = life.run().await;
            if matches!(ended, Ended::Stopped) {
                return;
            }
            let carried = shared.outgoing.close();
            shared.charges.let_go(&shared.meters);
            if carried {
                pause_ms = FIRST_PAUSE_MS;
                shared.listener.interrupted();
            }
            if let Ended::Broken(reason) = ended {
                tracing::warn!(redis = %shared.address, reason, carried, "the bus was interrupted");
            }
        }
        tokio::select! {
            () = shared.stopped() => return,
            () = tokio::time::sleep(jittered(pause_ms)) => {}
        }
        pause_ms = pause_ms.saturating_mul(2).min(LAST_PAUSE_MS);
        tokio::select! {
            () = shared.stopped() => return,
            opened = Life::open(shared) => match opened {
                Ok(opened) => {
                    shared.meters.reconnects.fetch_add(1, Ordering::Relaxed);
                    life = Some(opened);
                }
                Err(reason) => tracing::debug!(reason, "the bus cannot be reached yet"),
            },
        }
    }
}

/// Between half of `pause_ms` and all of it, so that nodes do not come back in step.
fn jittered(pause_ms: u64) -> Duration {
    let half = pause_ms / 2;
    // The lower half of a UUIDv7 is chance (RFC 9562 section 5.7).
    let chance = fresh_uuid().as_u64_pair().1;
    Duration::from_millis(half.saturating_add(chance % half.saturating_add(1)))
}
