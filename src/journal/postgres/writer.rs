//! The writer: drains the queue, commits, and only then replies.
//!
//! Group commit without waiting: whatever queued up while the last commit ran is the next batch. One transaction at a
//! time on one connection: order per conversation costs nothing, throughput ends where two round trips and the server's
//! work on 512 operations end.
//!
//! Where the outcome of a COMMIT is unknown, every operation of the batch is answered `Failed`, connection and memory are
//! thrown away, and nothing is told from a read that found the rows. Where nothing was written the batch is tried again
//! a few times; rows that another node keeps locked are passed over then; a batch that the server refuses is carried
//! out one by one. So one bad item spoils no neighbour.

use super::super::meters::micros;
use super::super::{Done, Op, Outcome, Reply};
use super::address::{Address, Timeline};
use super::cache::Cache;
use super::docket::Docket;
use super::link::Link;
use super::loading::{self, Patience};
use super::options::Options;
use super::trouble::{Fate, Trouble};
use super::witness::{Loss, Witness};
use super::{Shared, settings, writing};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// How often an idle writer looks after its connection.
const IDLE: Duration = Duration::from_millis(500);
/// How often a batch is tried of which nothing was written.
const ATTEMPTS: u32 = 3;
/// Pauses between attempts to connect: doubled each time, from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// An operation in the writer's queue.
pub(super) struct Waiting {
    pub(super) op: Op,
    pub(super) reply: Reply,
    /// When it was handed in.
    pub(super) came: Instant,
}

pub(super) struct Writer {
    address: Address,
    options: Options,
    shared: Arc<Shared>,
    link: Option<Link>,
    cache: Cache,
    timeline: String,
    witness: Witness,
    /// Of the connection before.
    history: Option<Timeline>,
    shard: i16,
    pause: Duration,
    connect_after: Instant,
}

impl Writer {
    /// Connects and works until every sender is gone and the queue is empty.
    pub(super) async fn start(
        address: Address,
        options: Options,
        shared: Arc<Shared>,
        shard: i16,
        ops: Receiver<Waiting>,
    ) {
        let cache = Cache::new(options.cached_conversations);
        let (timeline, pause, connect_after) = (String::new(), FIRST_PAUSE, Instant::now());
        let (link, witness, history) = (None, Witness::default(), None);
        Self {
            address,
            options,
            shared,
            link,
            cache,
            timeline,
            witness,
            history,
            shard,
            pause,
            connect_after,
        }
        .run(ops)
        .await;
    }

    async fn run(mut self, mut ops: Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(self.options.batch_ops);
        self.look_after_the_link().await;
        loop {
            match tokio::time::timeout(IDLE, ops.recv_many(&mut batch, self.options.batch_ops)).await {
                Ok(0) => return,
                Ok(taken) => {
                    self.note_batch(&batch);
                    self.shared.meters.batch_ops.observe(taken as u64);
                    let (ops, replies): (Vec<Op>, Vec<Reply>) =
                        batch.drain(..).map(|waiting| (waiting.op, waiting.reply)).unzip();
                    let answers = self.carry_out(&ops).await;
                    for (reply, done) in replies.into_iter().zip(answers) {
                        self.shared.meters.count(&done);
                        reply(done);
                    }
                }
                Err(_idle) => {
                    self.note_batch(&[]);
                    self.look_after_the_link().await;
                }
            }
        }
    }

    fn note_batch(&self, batch: &[Waiting]) {
        let meters = &self.shared.meters;
        let taken = batch.len() as u64;
        let waited = meters.queue_depth.fetch_sub(taken, Ordering::Relaxed);
        let came = batch.iter().map(|waiting| waiting.came);
        meters.lane.began_batch(came, waited.saturating_sub(taken), Instant::now());
    }

    /// A lost connection is made anew before somebody needs it.
    async fn look_after_the_link(&mut self) {
        if let Err(trouble) = self.connected().await {
            tracing::debug!(%trouble, "there is no connection to PostgreSQL");
        }
    }

    /// One answer per operation, in order.
    async fn carry_out(&mut self, ops: &[Op]) -> Vec<Done> {
        if let Some(lapsed) = self.shared.lapsed() {
            return failed(ops, &lapsed);
        }
        match self.commit(ops).await {
            Ok(answers) => answers,
            Err((trouble, Fate::Refused)) if ops.len() > 1 => {
                tracing::warn!(%trouble, operations = ops.len(), "a batch was refused and is carried out one by one");
                let mut answers = Vec::with_capacity(ops.len());
                for op in ops {
                    let alone = std::slice::from_ref(op);
                    match self.commit(alone).await {
                        Ok(done) => answers.extend(done),
                        Err((trouble, _)) => answers.extend(failed(alone, &trouble)),
                    }
                }
                answers
            }
            Err((trouble, fate)) => {
                tracing::error!(%trouble, ?fate, operations = ops.len(), "a batch could not be committed");
                failed(ops, &trouble)
            }
        }
    }

    /// Commits a batch, or says why not after trying again where that is safe.
    async fn commit(&mut self, ops: &[Op]) -> Result<Vec<Done>, (Trouble, Fate)> {
        let (mut attempt, mut patience) = (1, Patience::Wait);
        loop {
            let (trouble, fate) = match self.attempt(ops, patience).await {
                Ok(answers) => return Ok(answers),
                Err(failure) => failure,
            };
            let spared = fate != Fate::Unknown && trouble.spares_the_link();
            if !spared || !self.rolled_back().await {
                self.let_go();
            }
            // Who waits has waited long for a server that was silent: they are told, and repeat it themselves.
            let was_silent = matches!(trouble, Trouble::Silent(_));
            let again = matches!(fate, Fate::Again | Fate::Anew) && attempt < ATTEMPTS && !was_silent;
            if !again || (self.link.is_none() && !self.may_connect()) {
                return Err((trouble, fate));
            }
            tracing::debug!(%trouble, attempt, "a batch of which nothing was written is tried again");
            attempt += 1;
            patience = if trouble.is_about_a_lock() { Patience::PassOver } else { Patience::Wait };
        }
    }

    /// One transaction: lock and read, judge, write and commit.
    async fn attempt(&mut self, ops: &[Op], patience: Patience) -> Result<Vec<Done>, (Trouble, Fate)> {
        let before_commit = |trouble: Trouble| {
            let fate = trouble.fate_before_commit();
            (trouble, fate)
        };
        self.connected().await.map_err(before_commit)?;
        let Some(link) = &self.link else {
            return Err((Trouble::Unfit("there is no connection".to_owned()), Fate::Anew));
        };
        let at = self.shared.clock.now();
        let (mut docket, timeline) =
            loading::load(link, ops, &mut self.cache, at, patience).await.map_err(before_commit)?;
        if self.timeline.is_empty() {
            self.timeline = timeline;
        } else if timeline != self.timeline {
            // Equal heads of two histories may name two states; and what was acknowledged may be gone. Whoever stands
            // between has led the connection to another server: it is made anew, which finds that out.
            return Err((Trouble::Unfit("the server has begun another timeline".to_owned()), Fate::Anew));
        }
        let answers = ops.iter().map(|op| docket.perform(op)).collect();
        let started = Instant::now();
        writing::commit(link, &docket, self.shard).await?;
        self.shared.meters.commit_us.observe(micros(started.elapsed()));
        self.witness.note(&docket);
        self.remember(docket);
        Ok(answers)
    }

    fn remember(&mut self, docket: Docket) {
        for row in docket.rows.into_values().filter(|row| row.now.state.head > 0) {
            self.cache.insert(row.now.state);
        }
    }

    /// Sees to it that there is a connection; fails at once while the pause after a failure lasts.
    async fn connected(&mut self) -> Result<(), Trouble> {
        if self.link.as_ref().is_some_and(|link| !link.is_closed()) {
            return Ok(());
        }
        self.let_go();
        if !self.may_connect() {
            return Err(Trouble::Unfit(format!(
                "{} is out of reach; it is tried again by itself",
                self.address
            )));
        }
        match self.connect().await {
            Ok(link) => {
                tracing::info!(address = %self.address, "connected to PostgreSQL");
                self.link = Some(link);
                self.pause = FIRST_PAUSE;
                self.shared.is_reachable.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(trouble) => {
                tracing::warn!(%trouble, address = %self.address, "PostgreSQL is out of reach");
                self.connect_after = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(LAST_PAUSE);
                Err(trouble)
            }
        }
    }

    async fn connect(&mut self) -> Result<Link, Trouble> {
        let link = Link::connect(&self.address, &self.options).await?;
        self.shared.note(settings::check(&link).await?);
        let loss = self.witness.examine(&link, self.shared.clock.now()).await?;
        if let Some(Loss { entries, conversations, since }) = loss {
            self.shared.meters.lost.fetch_add(entries, Ordering::Relaxed);
            tracing::error!(
                entries, conversations, %since, timeline = link.timeline,
                "acknowledged entries are lost: the database has come back without them; see `PostgreSQL is away` in the runbook"
            );
        }
        if self.history.replace(link.timeline).is_some_and(|before| before != link.timeline) || loss.is_some()
        {
            self.shared.note_another_history();
        }
        Ok(link)
    }

    fn may_connect(&self) -> bool {
        Instant::now() >= self.connect_after
    }

    async fn rolled_back(&self) -> bool {
        match &self.link {
            Some(link) => link.roll_back().await.is_ok(),
            None => false,
        }
    }

    /// Throws connection and memory away.
    fn let_go(&mut self) {
        if self.link.take().is_some() {
            self.shared.is_reachable.store(false, Ordering::Relaxed);
        }
        self.cache.clear();
        self.timeline.clear();
    }
}

fn failed(ops: &[Op], trouble: &Trouble) -> Vec<Done> {
    let reason: Arc<str> = trouble.to_string().into();
    let answer = |op: &Op| match op {
        Op::Write(_) => Done::Write(Outcome::Failed { reason: Arc::clone(&reason) }),
        Op::Claim { .. } | Op::Agent { .. } | Op::Reschedule { .. } => {
            Done::Failed { reason: Arc::clone(&reason) }
        }
    };
    ops.iter().map(answer).collect()
}
