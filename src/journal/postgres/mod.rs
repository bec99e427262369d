//! The journal of a cluster: a PostgreSQL database that several nodes write at once.
//!
//! - Every batch is one transaction: lock (`loading`), judge in memory (`docket`, by the ledger), write by arrays and
//!   commit (`writing`): two round trips, whatever its size.
//! - A conversation's row equals its log's fold at every commit; a remembered state is believed only where the locked row
//!   has the same head (`cache`).
//! - Readers read committed rows of the same server, so they see whatever was replied.
//! - Nothing is kept in the database's session (`link`), so a transaction-mode pooler may stand between.
//!
//! - Nodes share a database by slots: each renews its place and moves slots by compare-and-swap (`membership`).
//!
//! Durability: as far as the server's settings reach; they are checked at every connect (`settings`).
//! Refuses to judge writes (`ledger` does) and to wait for a batch to fill.

mod address;
mod arrays;
mod audit;
mod beside;
mod cache;
pub(crate) mod clerk;
mod columns;
mod docket;
mod keeper;
pub(crate) mod link;
mod listing;
mod loading;
mod membership;
mod options;
mod prune;
mod readers;
mod register;
pub(crate) mod schema;
mod settings;
mod tailing;
pub(crate) mod trouble;
mod witness;
mod writer;
mod writing;

pub use address::Address;
pub use audit::audit;
pub use beside::{Found, drain, kept_secret, look, nodes, prune, waiting_in};
pub use membership::{Callbacks, Candidate, LayToRest, Tell};
pub use options::Options;
pub use register::ListedNode;
pub use schema::OpenError;

use super::meters::JournalMeters;
use super::{AnswerTo, Busy, Durability, Full, Journal, Op, Query, Reply};
use crate::clock::{Clock, Timestamp};
use crate::cluster::meters::MembershipMeters;
use crate::cluster::placement::Placement;
use crate::ident::Epoch;
use clerk::Clerk;
use keeper::Keeper;
use membership::Membership;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use trouble::Trouble;
use writer::{Waiting, Writer};

/// Rows of `tally` over which starts are spread.
const SHARDS: u64 = 64;

/// What the threads have in common.
struct Shared {
    clock: Arc<dyn Clock>,
    meters: Arc<JournalMeters>,
    is_reachable: AtomicBool,
    is_replicated: AtomicBool,
    /// `None` where the journal serves no desk: tools and tests.
    membership: Option<Arc<Membership>>,
}

impl Shared {
    fn note(&self, durability: Durability) {
        self.is_replicated.store(durability == Durability::Replicated, Ordering::Relaxed);
    }

    /// The server has begun another history than the one that was told of.
    fn note_another_history(&self) {
        if let Some(membership) = &self.membership {
            (membership.callbacks.another_history)();
        }
    }

    /// Why nothing may be decided now.
    fn lapsed(&self) -> Option<Trouble> {
        self.membership.as_ref()?.lapsed()
    }
}

/// The journal in a PostgreSQL database.
pub struct Postgres {
    address: Address,
    epoch: Epoch,
    shared: Arc<Shared>,
    clerk: Clerk,
    ops: RwLock<Option<Sender<Waiting>>>,
    questions: RwLock<Option<Sender<(Query, AnswerTo)>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Renews the node's place; ends when the sender is gone.
    keeper: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Postgres {
    /// Connects, checks the server's settings, brings the schema up to date, and starts the threads. Blocks until that is
    /// done; may be called from anywhere.
    ///
    /// # Errors
    /// The server cannot be reached or cannot serve; the error says what to do.
    pub fn open(address: &Address, options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let clerk = Clerk::open(address, &options)?;
        Self::begin(address, options, clock, clerk, |_, _| Ok(None))
    }

    /// As `open`, for a node that serves the desk, alone or beside others: takes its place and its slots first, and keeps
    /// them until `stop`. `placement` tells from then on whose which slot is. Where the same id still serves, waits for it
    /// to fall silent, a lease at most.
    ///
    /// # Errors
    /// As `open`; `Namesake` where the same id goes on serving.
    pub fn serve(
        address: &Address,
        options: Options,
        clock: Arc<dyn Clock>,
        candidate: Candidate,
        placement: Arc<Placement>,
        callbacks: Callbacks,
    ) -> Result<Self, OpenError> {
        let clerk = Clerk::open(address, &options)?;
        let time = Arc::clone(&clock);
        let compared = clerk.run(async move |link| settings::compare_clocks(link, &*time).await);
        compared.map_err(|trouble| OpenError::unreachable(address, &trouble))?;
        let limits = options.clone();
        Self::begin(address, options, clock, clerk, |clerk, address| {
            Membership::join(address, &limits, clerk, candidate, placement, callbacks).map(Some)
        })
    }

    fn begin(
        address: &Address,
        options: Options,
        clock: Arc<dyn Clock>,
        clerk: Clerk,
        join: impl FnOnce(&Clerk, &Address) -> Result<Option<(Arc<Membership>, Keeper)>, OpenError>,
    ) -> Result<Self, OpenError> {
        let explain = |trouble| OpenError::unreachable(address, &trouble);
        let taken = clerk.run(async |link| schema::next_epoch(link).await).map_err(explain)?;
        let durability = clerk.run(async |link| settings::check(link).await).map_err(explain)?;
        let epoch = taken.unsigned_abs();
        // Last: a start that fails before holds no slot.
        let (membership, keeper) = join(&clerk, address)?.unzip();
        let shared = Arc::new(Shared {
            clock,
            meters: Arc::new(JournalMeters::default()),
            is_reachable: AtomicBool::new(true),
            is_replicated: AtomicBool::new(durability == Durability::Replicated),
            membership,
        });
        let journal = Self {
            address: address.clone(),
            epoch,
            shared,
            clerk,
            ops: RwLock::new(None),
            questions: RwLock::new(None),
            threads: Mutex::default(),
            keeper: Mutex::default(),
        };
        journal.start(options, keeper)?;
        Ok(journal)
    }

    /// The epoch of this start: higher than that of every start before it, of whichever node.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Why this node must end: its place is another's. `None` while it may serve.
    pub fn overtaken(&self) -> Option<String> {
        self.shared.membership.as_ref()?.overtaken().map(ToOwned::to_owned)
    }

    /// Whether somebody outside has asked this node to leave: its slots go already, the process should follow.
    pub fn drain_asked(&self) -> bool {
        self.shared.membership.as_ref().is_some_and(|membership| membership.drain_asked())
    }

    /// Hands all slots over to others, for so long at most; what lives in them may go on writing meanwhile. Blocks until
    /// that is done. The node's place itself is kept until `stop`.
    pub fn leave(&self, within: Duration) {
        if let Some(membership) = &self.shared.membership {
            membership.leave(within);
        }
    }

    /// From now on the node is found at this address; written with the next round.
    pub fn move_to(&self, address: String) {
        if let Some(membership) = &self.shared.membership {
            membership.move_to(address);
        }
    }

    /// What the node counts about its place; `None` where the journal serves no desk.
    pub fn membership_meters(&self) -> Option<Arc<MembershipMeters>> {
        self.shared.membership.as_ref().map(|membership| Arc::clone(&membership.meters))
    }

    /// Since when the node's place was not renewed; `None` where the journal serves no desk.
    pub fn silent_for(&self) -> Option<Duration> {
        self.shared.membership.as_ref().map(|membership| membership.silent_for())
    }

    /// Another node has said that slots have moved: looks at once, and not a second later.
    pub fn look_at_once(&self) {
        if let Some(membership) = &self.shared.membership {
            membership.nudged.notify_one();
        }
    }

    /// What the journal counts about itself.
    pub fn meters(&self) -> Arc<JournalMeters> {
        Arc::clone(&self.shared.meters)
    }

    /// The secret of this name, kept in the database; `candidate`, fresh from a random source, becomes it where there is
    /// none yet.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (name, candidate) = (name.to_owned(), candidate.to_vec());
        self.clerk
            .run(async move |link| schema::secret(link, &name, &candidate).await)
            .map_err(|trouble| OpenError::unreachable(&self.address, &trouble))
    }

    /// Forgets conversations that were closed before the moment, and returns how many. In small steps, so that writes
    /// go on in between. Blocks until it is done.
    ///
    /// # Errors
    /// The reason in a sentence; what was removed until then stays removed.
    pub fn prune(&self, closed_before: Timestamp) -> Result<u64, String> {
        self.clerk
            .run(async move |link| prune::prune(link, closed_before).await)
            .map_err(|trouble| trouble.to_string())
    }

    /// Carries out what is queued, answers what was asked, and lets go of the connections. Blocks until that is done;
    /// whatever is handed in later comes back as `Full` or `Busy`.
    pub fn stop(&self) {
        drop(self.ops.write().take());
        drop(self.questions.write().take());
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal had panicked");
            }
        }
        // Last, so that who takes its slots finds everything written.
        if let Some((stop, keeper)) = self.keeper.lock().take() {
            drop(stop);
            if keeper.join().is_err() {
                tracing::error!("the thread that renewed the node's place had panicked");
            }
        }
    }

    fn start(&self, options: Options, keeper: Option<Keeper>) -> Result<(), OpenError> {
        let explain = |trouble| OpenError::unreachable(&self.address, &trouble);
        if let Some(keeper) = keeper {
            let (stop, stopped) = oneshot::channel();
            let thread = clerk::thread("journal-keeper", keeper.keep(stopped)).map_err(explain)?;
            *self.keeper.lock() = Some((stop, thread));
        }
        let (ops, to_writer) = channel(options.queue_ops);
        let (questions, to_readers) = channel(options.queue_questions);
        let shard = i16::try_from(self.epoch % SHARDS).unwrap_or_default();
        let (address, shared, limits) = (self.address.clone(), Arc::clone(&self.shared), options.clone());
        let write = Writer::start(address, limits, shared, shard, to_writer);
        let (address, shared) = (self.address.clone(), Arc::clone(&self.shared));
        let read = readers::run(address, options, shared, to_readers);
        let started = [clerk::thread("journal-writer", write), clerk::thread("journal-readers", read)];
        for thread in started {
            self.threads.lock().push(thread.map_err(explain)?);
        }
        *self.ops.write() = Some(ops);
        *self.questions.write() = Some(questions);
        Ok(())
    }
}

impl Journal for Postgres {
    fn submit(&self, op: Op, reply: Reply) -> Result<(), Full> {
        let ops = self.ops.read();
        let Some(ops) = ops.as_ref() else {
            return Err(Full(Box::new(op)));
        };
        self.shared.meters.queue_depth.fetch_add(1, Ordering::Relaxed);
        let came = Instant::now();
        self.shared.meters.lane.joined(came);
        match ops.try_send(Waiting { op, reply, came }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(Waiting { op, .. }) | TrySendError::Closed(Waiting { op, .. })) => {
                self.shared.meters.queue_depth.fetch_sub(1, Ordering::Relaxed);
                self.shared.meters.queue_full.fetch_add(1, Ordering::Relaxed);
                Err(Full(Box::new(op)))
            }
        }
    }

    fn ask(&self, query: Query, answer: AnswerTo) -> Result<(), Busy> {
        let questions = self.questions.read();
        let Some(questions) = questions.as_ref() else {
            return Err(Busy(query));
        };
        self.shared.meters.questions_depth.fetch_add(1, Ordering::Relaxed);
        match questions.try_send((query, answer)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full((query, _)) | TrySendError::Closed((query, _))) => {
                self.shared.meters.questions_depth.fetch_sub(1, Ordering::Relaxed);
                self.shared.meters.questions_busy.fetch_add(1, Ordering::Relaxed);
                Err(Busy(query))
            }
        }
    }

    /// Not while the writer has no connection, nor while the node has lost its place.
    fn takes_writes(&self) -> bool {
        self.shared.is_reachable.load(Ordering::Relaxed) && self.shared.lapsed().is_none()
    }

    /// By the settings of the server that is connected.
    fn durability(&self) -> Durability {
        if self.shared.is_replicated.load(Ordering::Relaxed) {
            Durability::Replicated
        } else {
            Durability::Local
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}
