//! One connection: transactions with limits of their own, pipelined, and watched for warnings.
//!
//! - Nothing is kept in the database's session: limits are set per transaction (`SET LOCAL`), statements are unnamed. So
//!   a pooler that hands out a connection per transaction may stand between.
//! - Statements are sent without waiting for each other's answers where they do not depend on them.
//! - A commit that waits for a standby and is cancelled meanwhile is reported as done, with a warning (PostgreSQL,
//!   `SyncRepWaitForLSN`): a statement time-out must not hit it, and a warning during COMMIT puts it in doubt (CV-3).
//!
//! Refuses to decide what a failure means for a batch: `writer` does, by `Trouble`.

use super::address::{Address, Timeline};
use super::options::Options;
use super::trouble::Trouble;
use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::error::Severity;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Row, Socket, tls::NoTlsStream};

/// A statement's parameter with its type, so that nothing needs to be prepared.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Which history the server is writing.
const TIMELINE: &str = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint";
/// The statement time-out ends before COMMIT; the round trip's own limit remains.
const COMMIT: &str = "SET LOCAL statement_timeout = 0; COMMIT";

pub(crate) struct Link {
    client: Client,
    driver: JoinHandle<()>,
    warning: Arc<Mutex<Option<Arc<str>>>>,
    limits: String,
    answer_within: Duration,
    /// Of the server when the connection was made.
    pub(super) timeline: Timeline,
}

impl Link {
    /// Connects to the server that takes writes. Before anything is known of their histories the newest is looked for
    /// among all of several servers: an old primary may have come back beside the one that has replaced it.
    pub(crate) async fn connect(address: &Address, options: &Options) -> Result<Self, Trouble> {
        let servers = address.servers(options);
        let takes_first = servers.len() == 1 || address.knows_its_timeline();
        // A server that hangs must leave time for the next.
        let within = if servers.len() == 1 { options.answer_within } else { options.connect_within };
        let (mut newest, mut failure): (Option<Self>, _) = (None, None);
        for server in &servers {
            let met = match Self::connect_to(server, options, within).await {
                Ok(link) if takes_first => address.meet(link.timeline).map(|()| link),
                other => other,
            };
            match met {
                Ok(link) if takes_first => return Ok(link),
                Ok(link) if newest.as_ref().is_none_or(|known| known.timeline < link.timeline) => {
                    newest = Some(link)
                }
                Ok(_) => {}
                Err(trouble) => failure = Some(trouble),
            }
        }
        match (newest, failure) {
            (Some(link), _) => address.meet(link.timeline).map(|()| link),
            (None, Some(trouble)) => Err(trouble),
            (None, None) => Err(Trouble::Unfit("its address names no server".to_owned())),
        }
    }

    async fn connect_to(server: &Config, options: &Options, within: Duration) -> Result<Self, Trouble> {
        let (client, connection) = limited(within, server.connect(NoTls)).await?;
        let warning = Arc::new(Mutex::new(None));
        let driver = tokio::spawn(drive(connection, Arc::clone(&warning)));
        let limits = format!(
            "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL jit = off",
            options.statement_ms, options.lock_ms, options.idle_ms
        );
        let answer_within = options.answer_within;
        let mut link = Self { client, driver, warning, limits, answer_within, timeline: 0 };
        let rows = link.read(TIMELINE, &[]).await?;
        link.timeline = rows.first().map_or(Ok(0), |row| row.try_get(0).map(i64::unsigned_abs))?;
        Ok(link)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Begins a writing transaction. Rows are found by their keys alone: tables without statistics must not tempt the
    /// planner into reading them whole.
    pub(in crate::journal) async fn begin(&self) -> Result<(), Error> {
        let limits = &self.limits;
        let keys_only = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
        self.client.batch_execute(&format!("BEGIN; {limits}; {keys_only}")).await
    }

    /// Begins a transaction that sees one snapshot and writes nothing.
    pub(super) async fn begin_reading(&self) -> Result<(), Error> {
        let limits = &self.limits;
        self.client.batch_execute(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits}")).await
    }

    /// Ends the transaction. A bare COMMIT of a transaction that has failed would be a ROLLBACK without an error; here
    /// the setting before it fails, and with it the call.
    pub(in crate::journal) async fn commit(&self) -> Result<(), Error> {
        self.client.batch_execute(COMMIT).await
    }

    pub(crate) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.client.query_typed(sql, params).await
    }

    pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        self.client.execute_typed(sql, params).await
    }

    /// Executes statements that a migration consists of.
    pub(super) async fn execute_script(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }

    /// Waits for a round trip, no longer than the connection may take.
    pub(crate) async fn within<T>(&self, trip: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        limited(self.answer_within, trip).await
    }

    /// Forgets warnings of earlier statements.
    pub(super) fn listen(&self) {
        *self.warning.lock() = None;
    }

    /// The doubt that a warning has cast since `listen`.
    pub(super) fn doubt(&self) -> Result<(), Trouble> {
        self.warning.lock().clone().map_or(Ok(()), |warning| Err(Trouble::Doubt(warning)))
    }

    pub(super) async fn roll_back(&self) -> Result<(), Trouble> {
        self.within(self.client.batch_execute("ROLLBACK")).await
    }

    /// One question in a snapshot of its own, in one round trip.
    pub(crate) async fn read(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Trouble> {
        let trip = async {
            let (begun, rows, ended) =
                tokio::join!(biased; self.begin_reading(), self.query(sql, params), self.commit());
            begun?;
            let rows = rows?;
            ended?;
            Ok(rows)
        };
        let read = self.within(trip).await;
        if read.as_ref().is_err_and(Trouble::spares_the_link) {
            self.roll_back().await?;
        }
        read
    }

    /// Two questions about one snapshot, in one round trip.
    pub(super) async fn read_both(
        &self,
        (first, first_params): (&str, &[Param<'_>]),
        (second, second_params): (&str, &[Param<'_>]),
    ) -> Result<(Vec<Row>, Vec<Row>), Trouble> {
        let trip = async {
            let (begun, first, second, ended) = tokio::join!(
                biased;
                self.begin_reading(),
                self.query(first, first_params),
                self.query(second, second_params),
                self.commit()
            );
            begun?;
            let read = (first?, second?);
            ended?;
            Ok(read)
        };
        let read = self.within(trip).await;
        if read.as_ref().is_err_and(Trouble::spares_the_link) {
            self.roll_back().await?;
        }
        read
    }

    /// Rare work in one transaction, statement by statement; rolled back where it fails.
    pub(crate) async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.within(self.begin()).await?;
        match work(self).await {
            Ok(done) => {
                self.listen();
                self.within(self.commit()).await?;
                self.doubt()?;
                Ok(done)
            }
            Err(trouble) => {
                if trouble.spares_the_link() {
                    self.roll_back().await?;
                }
                Err(trouble)
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn limited<T>(within: Duration, trip: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match tokio::time::timeout(within, trip).await {
        Ok(answered) => Ok(answered?),
        Err(_elapsed) => Err(Trouble::Silent(u64::try_from(within.as_millis()).unwrap_or(u64::MAX))),
    }
}

/// Carries bytes until the connection ends. A warning is noted before the answer that follows it is delivered.
async fn drive(mut connection: Connection<Socket, NoTlsStream>, warning: Arc<Mutex<Option<Arc<str>>>>) {
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) if notice.parsed_severity() == Some(Severity::Warning) => {
                tracing::warn!(code = notice.code().code(), "PostgreSQL warns: {}", notice.message());
                *warning.lock() = Some(notice.message().into());
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection to PostgreSQL ended");
                return;
            }
        }
    }
}
