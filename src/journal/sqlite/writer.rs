//! The single writer's thread: drains the queue, commits, and only then replies.
//!
//! Group commit without waiting: whatever queued up while the last commit ran is the next batch
//! (`docs/ARCHITECTURE.md`, "The embedded store"). The thread owns the only writing connection of the journal.

use super::super::meters::micros;
use super::super::{Done, Op, Outcome, Reply};
use super::options::Options;
use super::transaction::{Found, Transaction};
use super::trouble::{Fate, Trouble};
use super::{Shared, keeper};
use crate::planted::{Bug, is_planted, pause_before_commit};
use crate::refusal::Refusal;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// How soon an idle writer looks after lagging rows.
const IDLE: Duration = Duration::from_millis(200);
/// How often a full disk is tried again.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Exit status after a failed flush (EX_IOERR of sysexits.h).
const EXIT_FAILED_FLUSH: i32 = 74;
/// Exit status when somebody else writes the same file (EX_CONFIG of sysexits.h).
const EXIT_TWO_WRITERS: i32 = 78;

/// What the writer is asked to do.
pub(super) enum Job {
    /// With the moment when it was handed in.
    Op(Op, Reply, Instant),
    /// Removes at most `limit` conversations closed before the moment; answers how many it removed.
    Prune { closed_before_ms: u64, limit: u32, done: SyncSender<Result<u64, String>> },
}

pub(super) struct Writer<'c> {
    transaction: Transaction<'c>,
    conn: &'c Connection,
    shared: Arc<Shared>,
    options: Options,
    replies: Vec<(Reply, Done)>,
    read_only_since: Option<Instant>,
}

impl<'c> Writer<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        shared: Arc<Shared>,
        options: Options,
        found: Found,
    ) -> Result<Self, Trouble> {
        let transaction = Transaction::new(conn, Arc::clone(&shared), &options, found)?;
        Ok(Self { transaction, conn, shared, options, replies: Vec::new(), read_only_since: None })
    }

    /// Works until every sender is gone, then flushes what lags and folds the write-ahead log into the file.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let mut batch = Vec::with_capacity(self.options.batch_ops);
        loop {
            match jobs.recv_timeout(IDLE) {
                Ok(job) => batch.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while batch.len() < self.options.batch_ops {
                match jobs.try_recv() {
                    Ok(job) => batch.push(job),
                    Err(_) => break,
                }
            }
            self.note_batch(&batch);
            self.work(&mut batch);
        }
        self.finish();
    }

    fn note_batch(&self, batch: &[Job]) {
        let meters = &self.shared.meters;
        let taken = batch.len() as u64;
        let waited = meters.queue_depth.fetch_sub(taken, Ordering::Relaxed);
        let came = batch.iter().filter_map(|job| match job {
            Job::Op(.., came) => Some(*came),
            Job::Prune { .. } => None,
        });
        meters.lane.began_batch(came, waited.saturating_sub(taken), Instant::now());
    }

    fn work(&mut self, batch: &mut Vec<Job>) {
        let idle = batch.is_empty();
        let mut ops = Vec::with_capacity(batch.len());
        let mut prunes = Vec::new();
        for job in batch.drain(..) {
            match job {
                Job::Op(op, reply, _) => ops.push((op, reply)),
                Job::Prune { closed_before_ms, limit, done } => prunes.push((closed_before_ms, limit, done)),
            }
        }
        if self.is_read_only() {
            self.refuse_all(ops);
        } else if !ops.is_empty() || self.transaction.flush_is_due(idle) {
            self.commit(ops, idle);
        }
        for (closed_before_ms, limit, done) in prunes {
            let pruned =
                self.transaction.prune(closed_before_ms, limit).map_err(|trouble| trouble.to_string());
            if done.send(pruned).is_err() {
                tracing::warn!("nobody waits for the answer of a pruning any more");
            }
        }
        keeper::fold_rest(self.conn, &self.shared, &self.options);
    }

    fn commit(&mut self, ops: Vec<(Op, Reply)>, idle: bool) {
        self.shared.meters.batch_ops.observe(ops.len() as u64);
        match self.attempt(ops, idle) {
            Ok(()) => self.answer_all(),
            Err((trouble, waiting)) => self.spoiled(&trouble, waiting),
        }
    }

    fn answer_all(&mut self) {
        for (reply, done) in self.replies.drain(..) {
            self.shared.meters.count(&done);
            reply(done);
        }
    }

    /// One transaction. On failure the operations not yet carried out come back; those carried out wait in `replies`.
    fn attempt(&mut self, ops: Vec<(Op, Reply)>, idle: bool) -> Result<(), (Trouble, Vec<(Op, Reply)>)> {
        if let Err(trouble) = self.transaction.begin(self.shared.clock.now(), idle) {
            return Err((trouble, ops));
        }
        let mut ops = ops.into_iter();
        while let Some((op, reply)) = ops.next() {
            match self.transaction.perform(&op) {
                Ok(done) => self.replies.push((reply, done)),
                Err(trouble) => {
                    let mut waiting = vec![(op, reply)];
                    waiting.extend(ops);
                    return Err((trouble, waiting));
                }
            }
        }
        if is_planted(Bug::AckBeforeCommit) {
            self.answer_all();
        }
        pause_before_commit();
        let started = Instant::now();
        self.transaction.commit().map_err(|trouble| (trouble, Vec::new()))?;
        self.shared.meters.commit_us.observe(micros(started.elapsed()));
        Ok(())
    }

    /// Nothing of this batch may be believed: memory is thrown away, and everybody is told, in order.
    fn spoiled(&mut self, trouble: &Trouble, waiting: Vec<(Op, Reply)>) {
        let fate = trouble.fate();
        if fate == Fate::EndProcess {
            tracing::error!(%trouble, "the disk did not confirm a flush; ending, so that the next start reads what is there");
            std::process::exit(EXIT_FAILED_FLUSH);
        }
        tracing::error!(%trouble, ?fate, "a batch could not be committed");
        if let Err(trouble) = self.transaction.abandon() {
            tracing::error!(%trouble, "and could not be rolled back cleanly");
        }
        if fate == Fate::Failed && matches!(self.transaction.is_overtaken(), Ok(true)) {
            tracing::error!(
                "another process writes this file; ending, since two desks on one file would spoil each other"
            );
            std::process::exit(EXIT_TWO_WRITERS);
        }
        if fate == Fate::ReadOnly {
            self.read_only_since = Some(Instant::now());
            self.shared.meters.read_only.store(true, Ordering::Relaxed);
        }
        let reason: Arc<str> = trouble.to_string().into();
        let answer = |was_write: bool| match fate {
            Fate::ReadOnly => disk_is_full(was_write),
            Fate::EndProcess | Fate::Failed => failed(was_write, &reason),
        };
        let carried_out = self.replies.drain(..).map(|(reply, done)| (reply, matches!(done, Done::Write(_))));
        let not_yet = waiting.into_iter().map(|(op, reply)| (reply, matches!(op, Op::Write(_))));
        for (reply, was_write) in carried_out.chain(not_yet) {
            let done = answer(was_write);
            self.shared.meters.count(&done);
            reply(done);
        }
    }

    /// Whether the disk was full when last tried; tries again now and then.
    fn is_read_only(&mut self) -> bool {
        let Some(since) = self.read_only_since else {
            return false;
        };
        if since.elapsed() < PROBE_EVERY {
            return true;
        }
        match self.transaction.probe() {
            Ok(()) => {
                tracing::info!("the disk takes writes again");
                self.read_only_since = None;
                self.shared.meters.read_only.store(false, Ordering::Relaxed);
                false
            }
            Err(trouble) => {
                tracing::warn!(%trouble, "the disk is still full");
                self.read_only_since = Some(Instant::now());
                true
            }
        }
    }

    fn refuse_all(&self, ops: Vec<(Op, Reply)>) {
        for (op, reply) in ops {
            let done = disk_is_full(matches!(op, Op::Write(_)));
            self.shared.meters.count(&done);
            reply(done);
        }
    }

    fn finish(&mut self) {
        while self.transaction.flush_is_due(true) {
            let flushed = self
                .transaction
                .begin(self.shared.clock.now(), true)
                .and_then(|()| self.transaction.commit());
            if let Err(trouble) = flushed {
                tracing::error!(%trouble, "rows that lag could not be flushed; the next start will read them from the log");
                break;
            }
        }
        if let Err(error) = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log could not be folded into the file; the next start will do it");
        }
    }
}

fn disk_is_full(was_write: bool) -> Done {
    let sentence = "the desk's disk is full and takes no writes; free some space, the desk goes on by itself";
    if was_write {
        Done::Write(Outcome::Refused(Refusal::unavailable(sentence, 2_000)))
    } else {
        Done::Failed { reason: sentence.into() }
    }
}

fn failed(was_write: bool, reason: &Arc<str>) -> Done {
    let reason = Arc::clone(reason);
    if was_write { Done::Write(Outcome::Failed { reason }) } else { Done::Failed { reason } }
}

#[cfg(test)]
mod tests {
    use super::super::super::{AgentChange, AgentSeats};
    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::ident::AgentId;
    use std::sync::mpsc::channel;

    struct Bench {
        writer: Writer<'static>,
        conn: &'static Connection,
        _dir: tempfile::TempDir,
    }

    /// A writer without its thread, on a connection that the test can starve.
    fn bench() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let conn = super::super::schema::open_writable(&dir.path().join("desk.db")).unwrap();
        let conn: &'static Connection = Box::leak(Box::new(conn));
        let shared = Arc::new(Shared::new(Arc::new(ManualClock::at(Timestamp::from_millis(1)))));
        let (_, found) = super::super::prepare(conn, &shared).unwrap();
        Bench { writer: Writer::new(conn, shared, Options::default(), found).unwrap(), conn, _dir: dir }
    }

    impl Bench {
        fn change(&mut self, numbers: std::ops::Range<u128>) -> Vec<Done> {
            let (tell, told) = channel();
            let mut batch: Vec<Job> = numbers
                .map(|number| {
                    let tell = tell.clone();
                    let reason = "x".repeat(4_000).into();
                    let change = match number {
                        0 => AgentChange::Capacity(1),
                        _ => {
                            AgentChange::Presence { presence: super::super::super::Presence::Online, reason }
                        }
                    };
                    Job::Op(
                        Op::Agent { agent: AgentId::from_u128(1), change },
                        Box::new(move |done| tell.send(done).unwrap()),
                        Instant::now(),
                    )
                })
                .collect();
            drop(tell);
            self.writer.work(&mut batch);
            told.iter().collect()
        }

        fn limit_pages(&self, pages: i64) {
            self.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        }
    }

    fn version(done: &Done) -> Option<u64> {
        match done {
            Done::Agent(AgentSeats { version, .. }) => Some(*version),
            _ => None,
        }
    }

    #[test]
    fn a_full_disk_refuses_whole_batches_and_the_desk_comes_back() {
        let mut bench = bench();
        assert_eq!(bench.change(0..2).iter().map(version).collect::<Vec<_>>(), [Some(1), Some(2)]);
        bench.limit_pages(1);
        let refused = bench.change(1..40);
        assert_eq!(refused.len(), 39);
        assert!(
            refused
                .iter()
                .all(|done| matches!(done, Done::Failed { reason } if reason.contains("disk is full")))
        );
        assert!(bench.writer.shared.meters.read_only.load(Ordering::Relaxed));
        assert!(version(&bench.change(1..2)[0]).is_none(), "read-only between the probes");
        bench.writer.read_only_since = Instant::now().checked_sub(PROBE_EVERY);
        assert!(version(&bench.change(1..2)[0]).is_none(), "the probe finds the disk still full");
        bench.limit_pages(1_000_000);
        bench.writer.read_only_since = Instant::now().checked_sub(PROBE_EVERY);
        let accepted = bench.change(1..2);
        assert_eq!(version(&accepted[0]), Some(3), "of the refused changes nothing was kept");
        assert!(!bench.writer.shared.meters.read_only.load(Ordering::Relaxed));
    }

    #[test]
    fn a_failed_commit_is_forgotten_and_told_to_everybody() {
        let mut bench = bench();
        assert_eq!(version(&bench.change(0..1)[0]), Some(1));
        bench
            .conn
            .execute_batch(
                "CREATE TEMP TRIGGER failing BEFORE INSERT ON agent_change WHEN NEW.version = 4
                 BEGIN SELECT raise(ROLLBACK, 'planted'); END",
            )
            .unwrap();
        let failed = bench.change(1..10);
        assert_eq!(failed.len(), 9);
        assert!(
            failed.iter().all(|done| matches!(done, Done::Failed { reason } if reason.contains("planted")))
        );
        bench.conn.execute_batch("DROP TRIGGER failing").unwrap();
        assert_eq!(version(&bench.change(1..2)[0]), Some(2), "memory equals the file again");
    }
}
