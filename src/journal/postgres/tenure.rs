//! Which node serves a database: one at a time, told by a row in `node` that its holder renews.
//!
//! Two nodes could write one database without harm (fences and the ledger see to it), but a shopper of one would not
//! hear an agent of the other. So a start takes the row only when its last holder has left or stopped renewing it, by the
//! database's clock, and a holder that cannot renew it decides nothing until it can again.
//!
//! Refuses to drive a living holder away: a start that finds one waits a lease for it to go, and then says who it is.

use super::address::Address;
use super::clerk::Clerk;
use super::link::{Link, Param};
use super::options::Options;
use super::schema::{self, OpenError};
use super::trouble::Trouble;
use crate::ident::NodeId;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::Receiver;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// How often the holder renews the row.
const BEAT: Duration = Duration::from_secs(2);
/// How soon it tries again where that failed.
const AGAIN: Duration = Duration::from_millis(500);
/// A holder that could not renew the row for so long decides nothing; the same node, started again, may take the row then.
const SILENCE: Duration = Duration::from_secs(5);
/// A row that was not renewed for so long is anybody's.
const LEASE: Duration = Duration::from_secs(10);
/// How long a start waits for the row: a lease, and a moment more for one that was renewed just before.
const PATIENCE: Duration = Duration::from_secs(11);
const LOOK_EVERY: Duration = Duration::from_millis(250);

const HOLDER: &str = "SELECT id, address, extract(epoch FROM clock_timestamp() - beat_at)::float8 FROM node
    WHERE incarnation <> $1 ORDER BY beat_at DESC LIMIT 1";
const CLEAR: &str = "DELETE FROM node";
const TAKE: &str = "INSERT INTO node (id, incarnation, address, beat_at, version, state)
    VALUES ($1, $2, $3, clock_timestamp(), $4, 'serving')";
const RENEW: &str = "UPDATE node SET beat_at = clock_timestamp() WHERE incarnation = $1";
const LEAVE: &str = "DELETE FROM node WHERE incarnation = $1";

/// A node that wants to serve.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub id: NodeId,
    /// Differs from start to start.
    pub incarnation: Uuid,
    /// Where it listens; for the sentence that another node's start may have to say.
    pub address: String,
}

/// Who holds the row.
struct Holder {
    id: String,
    address: String,
    silent_s: f64,
}

/// A row that is held.
pub(super) struct Tenure {
    candidate: Candidate,
    /// When the last renewal that succeeded was begun: the database's moment is later.
    renewed: Mutex<Instant>,
    overtaken: OnceLock<String>,
}

impl Tenure {
    /// Takes the row, or waits for it as long as it is worth. Blocks.
    pub(super) fn take(address: &Address, clerk: &Clerk, candidate: Candidate) -> Result<Self, OpenError> {
        let wish = candidate.clone();
        let taken = clerk.run(async move |link| take_when_free(link, &wish).await);
        match taken.map_err(|trouble| OpenError::unreachable(address, &trouble))? {
            Ok(asked) => Ok(Self { candidate, renewed: Mutex::new(asked), overtaken: OnceLock::new() }),
            Err(holder) => Err(OpenError::Served {
                address: address.to_string(),
                node: holder.id,
                at: holder.address,
                ago_s: holder.silent_s.max(0.0).round(),
            }),
        }
    }

    /// Why nothing may be decided now; `None` while the row is held.
    pub(super) fn lapsed(&self) -> Option<Trouble> {
        if let Some(sentence) = self.overtaken.get() {
            return Some(Trouble::Unfit(sentence.clone()));
        }
        let silent = self.renewed.lock().elapsed() > SILENCE;
        silent.then(|| {
            Trouble::Unfit(format!(
                "the node could not renew its place in the database for {} s; it goes on when it can",
                SILENCE.as_secs()
            ))
        })
    }

    /// What the node should end with; `None` while no other has taken the row.
    pub(super) fn overtaken(&self) -> Option<&str> {
        self.overtaken.get().map(String::as_str)
    }

    /// Renews the row until it is told to stop, then leaves it to whoever comes next; or until another has taken it.
    pub(super) async fn keep(self: Arc<Self>, address: Address, options: Options, mut stop: Receiver<()>) {
        let mut link = None;
        let mut pause = Duration::ZERO;
        while tokio::time::timeout(pause, &mut stop).await.is_err() {
            pause = match self.renew(&mut link, &address, &options).await {
                Ok(true) => BEAT,
                Ok(false) => {
                    self.give_up(link.as_ref(), &address).await;
                    return;
                }
                Err(trouble) => {
                    tracing::warn!(%trouble, "the node's place in the database could not be renewed");
                    link = None;
                    AGAIN
                }
            };
        }
        if let Some(link) = &link
            && let Err(trouble) = execute(link, LEAVE, &[(&self.candidate.incarnation, Type::UUID)]).await
        {
            tracing::warn!(%trouble, "the node's place could not be cleared; it lapses by itself");
        }
    }

    /// Whether the row was still there to be renewed.
    async fn renew(
        &self,
        kept: &mut Option<Link>,
        address: &Address,
        options: &Options,
    ) -> Result<bool, Trouble> {
        let asked = Instant::now();
        let link = match kept.take().filter(|link| !link.is_closed()) {
            Some(link) => link,
            None => Link::connect(address, options).await?,
        };
        let rows = execute(&link, RENEW, &[(&self.candidate.incarnation, Type::UUID)]).await?;
        *kept = Some(link);
        if rows > 0 {
            *self.renewed.lock() = asked;
        }
        Ok(rows > 0)
    }

    async fn give_up(&self, link: Option<&Link>, address: &Address) {
        let holder = match link {
            Some(link) => {
                link.transact(async |link| holder(link, &self.candidate).await).await.ok().flatten()
            }
            None => None,
        };
        let by =
            holder.map_or_else(String::new, |holder| format!(" by `{}` ({})", holder.id, holder.address));
        let own = &self.candidate.id;
        let sentence = format!(
            "the place of this node, `{own}`, in `{address}` was taken over{by} while it could not be renewed; \
             it ends, so that one node serves the database"
        );
        tracing::error!("{sentence}");
        if self.overtaken.set(sentence).is_err() {
            tracing::debug!("that was known");
        }
    }
}

async fn take_when_free(link: &Link, candidate: &Candidate) -> Result<Result<Instant, Holder>, Trouble> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let asked = Instant::now();
        let Some(holder) = link.transact(async |link| take_if_free(link, candidate).await).await? else {
            return Ok(Ok(asked));
        };
        if began.elapsed() > PATIENCE {
            return Ok(Err(holder));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!(
                holder = holder.id,
                at = holder.address,
                "another node served this database a moment ago; it is waited for until its place lapses"
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `None` where the row was free and is the candidate's now.
async fn take_if_free(link: &Link, candidate: &Candidate) -> Result<Option<Holder>, Trouble> {
    schema::take_turns(link).await?;
    if let Some(holder) = holder(link, candidate).await? {
        let limit = if holder.id == candidate.id.as_str() { SILENCE } else { LEASE };
        if holder.silent_s < limit.as_secs_f64() {
            return Ok(Some(holder));
        }
    }
    link.within(link.execute(CLEAR, &[])).await?;
    let id = candidate.id.as_str();
    let row: [Param<'_>; 4] = [
        (&id, Type::TEXT),
        (&candidate.incarnation, Type::UUID),
        (&candidate.address, Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
    ];
    link.within(link.execute(TAKE, &row)).await?;
    Ok(None)
}

/// Whose row there is, if it is another incarnation's.
async fn holder(link: &Link, candidate: &Candidate) -> Result<Option<Holder>, Trouble> {
    let rows = link.within(link.query(HOLDER, &[(&candidate.incarnation, Type::UUID)])).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Holder { id: row.try_get(0)?, address: row.try_get(1)?, silent_s: row.try_get(2)? }))
}

async fn execute(link: &Link, sql: &str, params: &[Param<'_>]) -> Result<u64, Trouble> {
    link.transact(async |link| link.within(link.execute(sql, params)).await).await
}
