//! The journal of one machine: an SQLite file behind one writing thread.
//!
//! - The log (`entry`) is append-only and has no secondary index; `chain` finds entries by jump pointers.
//! - A conversation's row is a cache of the log's fold. Decisions write it in their transaction; plain messages only
//!   append, and their rows follow in batches (`lagging`). A start folds the unflushed tail again (`recovery`).
//! - Readers see what was replied, by the order that `unflushed` describes.
//! - One serving process per file (`lock`); other processes may read, and write the configuration tables.
//!
//! Durability: WAL with `synchronous=FULL`, so a reply means that it survives a kill and a power loss.
//! Refuses to judge writes (`ledger` does) and to wait for a batch to fill.

mod agent_row;
mod audit;
mod beside;
mod cache;
mod conversation_row;
mod entry_row;
mod keeper;
mod lagging;
mod listing;
mod lock;
mod meta;
mod options;
mod prune;
mod readers;
mod recovery;
pub(crate) mod schema;
mod tailing;
mod transaction;
mod trouble;
mod unflushed;
mod writer;

pub use audit::audit;
pub use beside::{kept_secret, waiting_in};
pub use options::Options;
pub use schema::OpenError;

use super::meters::JournalMeters;
use super::{AnswerTo, Busy, Full, Journal, Op, Query, Reply};
use crate::clock::{Clock, Timestamp};
use crate::ident::Epoch;
use lock::ServingLock;
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;
use transaction::{Found, Marks};
use trouble::Trouble;
use unflushed::Unflushed;
use writer::{Job, Writer};

/// Conversations removed in one transaction of a pruning.
const PRUNE_STEP: u32 = 64;

/// What the threads have in common.
struct Shared {
    clock: Arc<dyn Clock>,
    unflushed: Unflushed,
    meters: Arc<JournalMeters>,
    wal_frames: AtomicU64,
    /// The keeper has folded the log but for a rest that only the writer can fold.
    wal_rest: AtomicBool,
    last_pos: AtomicU64,
    last_key: AtomicU64,
    live: AtomicU64,
    pruned_entries: AtomicU64,
    pruned_conversations: AtomicU64,
}

impl Shared {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            unflushed: Unflushed::default(),
            meters: Arc::new(JournalMeters::default()),
            wal_frames: AtomicU64::new(0),
            wal_rest: AtomicBool::new(false),
            last_pos: AtomicU64::new(0),
            last_key: AtomicU64::new(0),
            live: AtomicU64::new(0),
            pruned_entries: AtomicU64::new(0),
            pruned_conversations: AtomicU64::new(0),
        }
    }

    fn publish(&self, marks: &Marks) {
        let set = |counter: &AtomicU64, value: i64| counter.store(value.unsigned_abs(), Ordering::Release);
        set(&self.last_pos, marks.last_pos);
        set(&self.last_key, marks.last_key);
        set(&self.live, marks.live);
    }

    fn count_pruned(&self, conn: &Connection) -> Result<(), Trouble> {
        let read = |name| Ok::<_, Trouble>(meta::get(conn, name)?.unwrap_or(0));
        self.pruned_entries.store(read(meta::PRUNED_ENTRIES)?, Ordering::Release);
        self.pruned_conversations.store(read(meta::PRUNED_CONVERSATIONS)?, Ordering::Release);
        Ok(())
    }
}

/// The journal in an SQLite file.
pub struct Sqlite {
    path: PathBuf,
    epoch: Epoch,
    shared: Arc<Shared>,
    jobs: RwLock<Option<SyncSender<Job>>>,
    questions: RwLock<Option<SyncSender<(Query, AnswerTo)>>>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    workers: Vec<JoinHandle<()>>,
    keeper: Option<(SyncSender<()>, JoinHandle<()>)>,
    serving: Option<ServingLock>,
}

impl Sqlite {
    /// Opens the file for serving, creates it where it is missing, and starts the threads.
    ///
    /// # Errors
    /// Another desk serves the file, or the file cannot serve; the error says what to do.
    pub fn open(path: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        schema::make_folder(path)?;
        let serving = ServingLock::take(path)?;
        let conn = schema::open_writable(path)?;
        let explain = |trouble: Trouble| match trouble {
            Trouble::Store(error) => OpenError::from_sqlite(path, &error),
            Trouble::Record(error) => {
                OpenError::Damaged { path: path.to_path_buf(), reason: error.to_string() }
            }
        };
        let shared = Arc::new(Shared::new(clock));
        let (epoch, found) = prepare(&conn, &shared).map_err(explain)?;
        keeper::limit_file(&conn, &options).map_err(|error| OpenError::from_sqlite(path, &error))?;
        let journal = Self {
            path: path.to_path_buf(),
            epoch,
            shared,
            jobs: RwLock::new(None),
            questions: RwLock::new(None),
            threads: Mutex::new(Threads { serving: Some(serving), ..Threads::default() }),
        };
        journal.start(conn, found, options)?;
        Ok(journal)
    }

    /// The epoch of this start: higher than that of every start before it.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the journal counts about itself.
    pub fn meters(&self) -> Arc<JournalMeters> {
        Arc::clone(&self.shared.meters)
    }

    /// The secret of this name, kept in the file; `candidate`, fresh from a random source, becomes it where there is
    /// none yet.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, OpenError> {
        let conn = schema::open_writable(&self.path)?;
        meta::secret(&conn, name, candidate).map_err(|error| OpenError::from_sqlite(&self.path, &error))
    }

    /// Carries out what is queued, brings every row up to date, and lets go of the file. Blocks until that is done;
    /// whatever is handed in later comes back as `Full` or `Busy`.
    pub fn stop(&self) {
        drop(self.jobs.write().take());
        drop(self.questions.write().take());
        let threads = std::mem::take(&mut *self.threads.lock());
        let keeper = threads.keeper.map(|(stop, keeper)| {
            drop(stop);
            keeper
        });
        for thread in threads.workers.into_iter().chain(keeper) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal had panicked");
            }
        }
        drop(threads.serving);
    }

    /// Writes a copy of the file as it stands now to `to`, while the desk goes on. Blocks until it is done.
    ///
    /// # Errors
    /// `to` exists already, or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), OpenError> {
        backup(&self.path, to)
    }

    /// Forgets conversations that were closed before the moment, and returns how many. In small steps, so that
    /// writes go on in between. Blocks until it is done.
    ///
    /// # Errors
    /// The reason in a sentence; what was removed until then stays removed.
    pub fn prune(&self, closed_before: Timestamp) -> Result<u64, String> {
        let mut removed = 0;
        loop {
            let (done, answer) = sync_channel(1);
            let job = Job::Prune { closed_before_ms: closed_before.millis(), limit: PRUNE_STEP, done };
            let jobs = self.jobs.read().clone().ok_or("the journal has stopped")?;
            self.shared.meters.queue_depth.fetch_add(1, Ordering::Relaxed);
            jobs.send(job).map_err(|error| error.to_string())?;
            let step = answer.recv().map_err(|error| error.to_string())??;
            removed += step;
            if step == 0 {
                return Ok(removed);
            }
        }
    }

    fn start(&self, conn: Connection, found: Found, options: Options) -> Result<(), OpenError> {
        let (jobs, to_writer) = sync_channel(options.queue_ops);
        let (questions, to_readers) = sync_channel(options.queue_questions);
        let (stop_keeper, keeper_stops) = sync_channel(0);
        let to_readers = Arc::new(Mutex::new(to_readers));
        let mut threads = self.threads.lock();
        for number in 0..options.readers {
            let (conn, shared) = (schema::open_readable(&self.path)?, Arc::clone(&self.shared));
            let to_readers = Arc::clone(&to_readers);
            let work = move || readers::run(&conn, &shared, &to_readers);
            threads.workers.push(self.spawn(&format!("journal-reader-{number}"), work)?);
        }
        let (keeper_conn, shared) = (schema::open_writable(&self.path)?, Arc::clone(&self.shared));
        let keeper_options = options.clone();
        let keep = move || keeper::run(&keeper_conn, &shared, &keeper_options, &keeper_stops);
        threads.keeper = Some((stop_keeper, self.spawn("journal-keeper", keep)?));
        let shared = Arc::clone(&self.shared);
        let work = move || write(&conn, shared, options, found, &to_writer);
        threads.workers.push(self.spawn("journal-writer", work)?);
        *self.jobs.write() = Some(jobs);
        *self.questions.write() = Some(questions);
        Ok(())
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
            OpenError::Unreachable {
                path: self.path.clone(),
                reason: format!("no thread could be started: {error}"),
            }
        })
    }
}

/// What happens before anybody may write: everything that is visible is made durable, rows that lag are folded.
fn prepare(conn: &Connection, shared: &Shared) -> Result<(Epoch, Found), Trouble> {
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let epoch = meta::next_epoch(conn)?;
    let replayed = recovery::replay(conn, shared.clock.now())?;
    if replayed > 0 {
        tracing::info!(replayed, "conversations were brought up to date from the log");
    }
    shared.count_pruned(conn)?;
    let found = Found { marks: recovery::marks(conn)?, agents: agent_row::all(conn)? };
    shared.publish(&found.marks);
    Ok((epoch, found))
}

fn write(conn: &Connection, shared: Arc<Shared>, options: Options, found: Found, jobs: &Receiver<Job>) {
    match Writer::new(conn, shared, options, found) {
        Ok(writer) => writer.run(jobs),
        Err(trouble) => tracing::error!(%trouble, "the journal's writer could not start"),
    }
}

/// Copies a desk's file in one snapshot; writers are not held up, the write-ahead log grows meanwhile.
///
/// # Errors
/// `to` exists already or cannot be written, or `from` is no desk's file.
pub fn backup(from: &Path, to: &Path) -> Result<(), OpenError> {
    if to.exists() {
        return Err(OpenError::Unreachable {
            path: to.to_path_buf(),
            reason: "it exists already; a backup never overwrites".to_owned(),
        });
    }
    let source = schema::open_readable(from)?;
    let copy = || -> Result<(), rusqlite::Error> {
        let mut target = Connection::open(to)?;
        rusqlite::backup::Backup::new(&source, &mut target)?.step(-1)?;
        Ok(())
    };
    copy().map_err(|error| OpenError::from_sqlite(to, &error))
}

impl Journal for Sqlite {
    fn submit(&self, op: Op, reply: Reply) -> Result<(), Full> {
        let jobs = self.jobs.read();
        let Some(jobs) = jobs.as_ref() else {
            return Err(Full(Box::new(op)));
        };
        self.shared.meters.queue_depth.fetch_add(1, Ordering::Relaxed);
        let came = Instant::now();
        self.shared.meters.lane.joined(came);
        match jobs.try_send(Job::Op(op, reply, came)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                self.shared.meters.queue_depth.fetch_sub(1, Ordering::Relaxed);
                self.shared.meters.queue_full.fetch_add(1, Ordering::Relaxed);
                match job {
                    Job::Op(op, ..) => Err(Full(Box::new(op))),
                    Job::Prune { .. } => Ok(()),
                }
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
            Err(TrySendError::Full((query, _)) | TrySendError::Disconnected((query, _))) => {
                self.shared.meters.questions_depth.fetch_sub(1, Ordering::Relaxed);
                self.shared.meters.questions_busy.fetch_add(1, Ordering::Relaxed);
                Err(Busy(query))
            }
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.stop();
    }
}
