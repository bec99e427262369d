//! The store of a node in its faces: the journal, the configuration, and what only durable ones have.
//!
//! The one place where a running node learns which store it has. Refuses to know what any of it is used for.

use super::start::StartError;
use crate::clock::{Clock, Timestamp, fresh_uuid};
use crate::cluster::exchange::Exchange;
use crate::cluster::placement::Placement;
use crate::ident::NodeId;
use crate::journal::Journal;
use crate::journal::memory::Memory;
use crate::journal::meters::JournalMeters;
use crate::journal::postgres::{self, Address, Callbacks, Candidate, Postgres};
use crate::journal::sqlite::{self, Sqlite};
use crate::settings::{Secret, Settings, StoreUrl};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::cluster::Place;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A page of 4 KiB with its header in the write-ahead log.
const WAL_FRAME_BYTES: u64 = 4_120;

/// A store that has been opened for serving.
pub(super) struct Opened {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn Store>,
    /// `None` where nothing outlives the process.
    pub(super) durable: Option<Durable>,
    /// Which slots are this node's.
    pub(super) placement: Arc<Placement>,
    pub(super) meters: Option<Arc<JournalMeters>>,
}

/// What only a store has that outlives the process.
#[derive(Clone)]
pub(super) enum Durable {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Durable {
    /// The secret of this name; `candidate` becomes it where there is none yet.
    ///
    /// # Errors
    /// The store cannot be read or written; a sentence.
    pub(super) fn secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Sqlite(journal) => journal.secret(name, candidate).map_err(|error| error.to_string()),
            Self::Postgres(journal) => journal.secret(name, candidate).map_err(|error| error.to_string()),
        }
    }

    /// Forgets conversations closed before the moment, and tells how many. Blocks.
    ///
    /// # Errors
    /// A sentence; what was removed until then stays removed.
    pub(super) fn prune(&self, closed_before: Timestamp) -> Result<u64, String> {
        match self {
            Self::Sqlite(journal) => journal.prune(closed_before),
            Self::Postgres(journal) => journal.prune(closed_before),
        }
    }

    /// Carries out what is queued and lets go of the store. Blocks.
    pub(super) fn stop(&self) {
        match self {
            Self::Sqlite(journal) => journal.stop(),
            Self::Postgres(journal) => journal.stop(),
        }
    }

    /// What is counted of the node's place among others; `None` where there can be no others.
    pub(super) fn place(&self) -> Option<Place> {
        let Self::Postgres(journal) = self else { return None };
        let meters = journal.membership_meters()?;
        let journal = journal.clone();
        Some(Place { meters, silent_for: Box::new(move || journal.silent_for().unwrap_or_default()) })
    }

    /// Hands over what this node owns among others, for so long at most. Blocks.
    pub(super) fn leave(&self, within: Duration) {
        if let Self::Postgres(journal) = self {
            journal.leave(within);
        }
    }

    /// Tells those who list the nodes where this one listens. Port 0 is not known before.
    pub(super) fn note_listening(&self, address: std::net::SocketAddr) {
        if let Self::Postgres(journal) = self {
            journal.move_to(address.to_string());
        }
    }

    /// Has this node look at once who owns what.
    pub(super) fn look_at_once(&self) {
        if let Self::Postgres(journal) = self {
            journal.look_at_once();
        }
    }

    /// Whether somebody outside has asked this node to leave.
    pub(super) fn drain_asked(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(journal) => journal.drain_asked(),
        }
    }

    /// Why the node must end: another one serves the store now.
    pub(super) fn overtaken(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(journal) => journal.overtaken(),
        }
    }
}

/// Who opens the store.
#[derive(Clone, Copy)]
pub(super) struct Beginning<'a> {
    pub(super) node: &'a NodeId,
    /// Whether an older schema of a database is brought up to date.
    pub(super) may_migrate: bool,
}

/// Opens the store of the settings for this node. Blocks, for 11 s where another process may still serve under its id.
pub(super) fn open(
    settings: &Settings,
    beginning: &Beginning<'_>,
    clock: &Arc<dyn Clock>,
    exchange: &Arc<Exchange>,
) -> Result<Opened, StartError> {
    match &settings.store.url {
        StoreUrl::Memory => Ok(Opened {
            journal: Arc::new(Memory::new(clock.clone())),
            store: Arc::new(MemoryStore::default()),
            durable: None,
            placement: Arc::new(Placement::alone(1)),
            meters: None,
        }),
        StoreUrl::Sqlite(path) => open_file(path, settings, clock),
        StoreUrl::Postgres(url) => open_database(url, settings, beginning, clock, exchange),
    }
}

fn open_file(path: &Path, settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Opened, StartError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            StartError::Store(format!("the folder {} cannot be made: {error}", folder.display()))
        })?;
    }
    let failed = |error: sqlite::OpenError| StartError::Store(error.to_string());
    let journal = Arc::new(Sqlite::open(path, for_a_file(settings), clock.clone()).map_err(failed)?);
    let store = SqliteStore::open(path).map_err(failed)?;
    Ok(Opened {
        placement: Arc::new(Placement::alone(journal.epoch())),
        meters: Some(journal.meters()),
        store: Arc::new(store),
        durable: Some(Durable::Sqlite(journal.clone())),
        journal,
    })
}

fn for_a_file(settings: &Settings) -> sqlite::Options {
    let defaults = sqlite::Options::default();
    let hard_frames = (settings.journal.wal_bytes / WAL_FRAME_BYTES).max(1);
    sqlite::Options {
        queue_ops: settings.journal.queue_entries,
        batch_ops: settings.journal.batch_entries,
        readers: settings.store.readers,
        wal_soft_frames: defaults.wal_soft_frames.min(hard_frames.div_ceil(2)),
        wal_hard_frames: hard_frames,
        ..defaults
    }
}

fn open_database(
    url: &Secret,
    settings: &Settings,
    beginning: &Beginning<'_>,
    clock: &Arc<dyn Clock>,
    exchange: &Arc<Exchange>,
) -> Result<Opened, StartError> {
    let address =
        Address::parse(url.expose()).map_err(|error| StartError::Settings(format!("store.url: {error}")))?;
    let failed = |error: postgres::OpenError| StartError::Store(error.to_string());
    let options = postgres::Options {
        queue_ops: settings.journal.queue_entries,
        batch_ops: settings.journal.batch_entries,
        readers: settings.store.readers,
        migrate: beginning.may_migrate,
        ..postgres::Options::default()
    };
    let node = beginning.node;
    let candidate = Candidate {
        id: node.clone(),
        incarnation: fresh_uuid(),
        address: settings.node.advertise.clone().unwrap_or_else(|| settings.server.listen.to_string()),
    };
    let placement = Arc::new(Placement::unknown());
    let callbacks = callbacks(exchange, node);
    let journal =
        Postgres::serve(&address, options, clock.clone(), candidate, Arc::clone(&placement), callbacks);
    let journal = Arc::new(journal.map_err(failed)?);
    let store = PostgresStore::open(&address).map_err(failed)?;
    Ok(Opened {
        placement,
        meters: Some(journal.meters()),
        store: Arc::new(store),
        durable: Some(Durable::Postgres(journal.clone())),
        journal,
    })
}

/// What the rooms do when slots come and go; the exchange finds them once they stand.
fn callbacks(exchange: &Arc<Exchange>, own: &NodeId) -> Callbacks {
    let [resting, rewriting, warming, losing, changing, living, heard, unheard, time] =
        [(); 9].map(|()| exchange.clone());
    let own = own.clone();
    Callbacks {
        lay_to_rest: Box::new(move |slots| resting.lay_to_rest(slots)),
        heat: Box::new(move || warming.heat()),
        lost: Box::new(move |slots| losing.lost(slots)),
        changed: Box::new(move || changing.slots_changed()),
        living: Box::new(move |nodes| living.living(nodes, &own)),
        another_history: Box::new(move || rewriting.another_history()),
        is_heard: Box::new(move || heard.is_heard()),
        unheard: Box::new(move |nodes| unheard.note_unheard(nodes)),
        time: Box::new(move |theirs, asked, told| time.shared_clock.told(theirs, asked, told)),
    }
}
