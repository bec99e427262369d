//! The database itself: is it ours, how new is its schema, and bringing it up to date.
//!
//! Used by the journal and by the configuration store, which share one database. Nodes that start at once take turns by
//! an advisory lock. Refuses what it does not know: another program's database and a newer schema, each with a sentence
//! that says what to do.

use super::super::Durability;
use super::address::Address;
use super::link::Link;
use super::options::Options;
use super::settings;
use super::trouble::Trouble;
use super::witness;
use crate::clock::Timestamp;
use tokio_postgres::types::Type;

/// "RDK1": the advisory lock under which a schema is changed and configuration is written.
const SCHEMA_LOCK: i64 = 0x5244_4b31;
/// Numbered from 1, forward only; a number once released never changes its text.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../migrations/postgres/0001_journal.sql"),
    include_str!("../../../migrations/postgres/0002_store.sql"),
    include_str!("../../../migrations/postgres/0003_heard.sql"),
];
/// Numbers that belong to the database as a whole, the schema's among them.
const NUMBERS: &str = "CREATE TABLE rushdesk (name text PRIMARY KEY, number bigint NOT NULL)";

/// Why a database could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    #[error("this is no address of a PostgreSQL server: {reason}")]
    Address { reason: String },
    #[error("`{address}` cannot be used: {reason}")]
    Unreachable { address: String, reason: String },
    /// The sentence says which setting is wrong and what to set.
    #[error("`{address}` is set up so that promises could be broken: {reason}")]
    Unfit { address: String, reason: String },
    #[error(
        "the node `{node}` serves `{address}` already ({at}, heard of {ago_s} s ago): stop it, or give this one another \
         `node.id`"
    )]
    Namesake { address: String, node: String, at: String, ago_s: f64 },
    #[error(
        "the node `{node}` at {at} serves `{address}` alone, by a version that knows no slots: stop it before this one is \
         started; such a version is not rolled but replaced"
    )]
    BeforeSlots { address: String, node: String, at: String },
    #[error(
        "`{address}` holds another program's tables; give the desk a database of its own (createdb), or a schema by `search_path`"
    )]
    NotOurs { address: String },
    #[error(
        "`{address}` has schema {found}, this program knows {known}: it was written by a newer version; use that one"
    )]
    Newer { address: String, found: i64, known: i64 },
    #[error(
        "`{address}` has schema {found}, this program needs {known}: bring it up to date by `rushdesk migrate`, or start one \
         node with `rushdesk serve --migrate`; nodes of the version before go on meanwhile"
    )]
    Behind { address: String, found: i64, known: i64 },
}

impl OpenError {
    pub(crate) fn unreachable(address: &Address, trouble: &Trouble) -> Self {
        let address = address.to_string();
        match trouble {
            Trouble::Unfit(reason) => Self::Unfit { address, reason: reason.clone() },
            other => Self::Unreachable { address, reason: other.to_string() },
        }
    }
}

/// Connects, checks how the server is set up, and brings the schema up to date.
pub(crate) async fn open(address: &Address, options: &Options) -> Result<Link, OpenError> {
    let explain = |trouble: Trouble| OpenError::unreachable(address, &trouble);
    let link = Link::connect(address, options).await.map_err(explain)?;
    settings::check(&link).await.map_err(explain)?;
    let may_migrate = options.migrate;
    match link.transact(async |link| migrate(link, may_migrate).await).await.map_err(explain)? {
        Found::Ours => Ok(link),
        Found::Behind(found) => {
            Err(OpenError::Behind { address: address.to_string(), found, known: MIGRATIONS.len() as i64 })
        }
        Found::NotOurs => Err(OpenError::NotOurs { address: address.to_string() }),
        Found::Newer(found) => {
            Err(OpenError::Newer { address: address.to_string(), found, known: MIGRATIONS.len() as i64 })
        }
    }
}

enum Found {
    Ours,
    NotOurs,
    Newer(i64),
    Behind(i64),
}

/// Applies what is missing. What was locked is read in later statements, so that it is seen as the last holder left it.
async fn migrate(link: &Link, may_migrate: bool) -> Result<Found, Trouble> {
    link.within(link.query("SELECT pg_advisory_xact_lock($1)", &[(&SCHEMA_LOCK, Type::INT8)])).await?;
    let known = MIGRATIONS.len() as i64;
    let found = match inspect(link).await? {
        None => return Ok(Found::NotOurs),
        Some(found) if found > known => return Ok(Found::Newer(found)),
        Some(found) if found > 0 && found < known && !may_migrate => return Ok(Found::Behind(found)),
        Some(found) => found,
    };
    if found == 0 {
        link.within(link.execute_script(NUMBERS)).await?;
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        link.within(link.execute_script(migration)).await?;
    }
    if found < known {
        let sql = "INSERT INTO rushdesk (name, number) VALUES ('schema', $1)
                   ON CONFLICT (name) DO UPDATE SET number = excluded.number";
        link.within(link.execute(sql, &[(&known, Type::INT8)])).await?;
    }
    Ok(Found::Ours)
}

/// The schema's number; 0 where there are no tables at all, `None` where they are another program's.
async fn inspect(link: &Link) -> Result<Option<i64>, Trouble> {
    let sql = "SELECT to_regclass('rushdesk') IS NOT NULL,
                      (SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema())";
    let rows = link.within(link.query(sql, &[])).await?;
    let (is_ours, tables): (bool, i64) = match rows.first() {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => (false, 0),
    };
    match (is_ours, tables) {
        (true, _) => number(link, "schema").await.map(Some),
        (false, 0) => Ok(Some(0)),
        (false, _) => Ok(None),
    }
}

/// How far a word goes in this database, its schema's number, 0 while it is empty, and what it was found to have lost.
/// Changes nothing.
pub(super) async fn look(
    address: &Address,
    options: &Options,
) -> Result<(Durability, i64, Option<(u64, Timestamp)>), OpenError> {
    let explain = |trouble: Trouble| OpenError::unreachable(address, &trouble);
    let link = Link::connect(address, options).await.map_err(explain)?;
    let durability = settings::check(&link).await.map_err(explain)?;
    let known = MIGRATIONS.len() as i64;
    match link.transact(inspect).await.map_err(explain)? {
        None => Err(OpenError::NotOurs { address: address.to_string() }),
        Some(found) if found > known => Err(OpenError::Newer { address: address.to_string(), found, known }),
        Some(0) => Ok((durability, 0, None)),
        Some(found) => Ok((durability, found, witness::recorded(&link).await.map_err(explain)?)),
    }
}

async fn number(link: &Link, name: &str) -> Result<i64, Trouble> {
    let sql = "SELECT number FROM rushdesk WHERE name = $1";
    let rows = link.within(link.query(sql, &[(&name, Type::TEXT)])).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?)
}

/// Takes the next epoch: higher than that of every start before it, of whichever node.
pub(super) async fn next_epoch(link: &Link) -> Result<i64, Trouble> {
    let sql = "INSERT INTO rushdesk (name, number) VALUES ('epoch', 1)
               ON CONFLICT (name) DO UPDATE SET number = rushdesk.number + 1 RETURNING number";
    let rows = link.transact(async |link| link.within(link.query(sql, &[])).await).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?)
}

/// Lets one writer of configuration at a time go on; the transaction's end lets go.
pub(crate) async fn take_turns(link: &Link) -> Result<(), Trouble> {
    link.within(link.query("SELECT pg_advisory_xact_lock($1)", &[(&(SCHEMA_LOCK + 1), Type::INT8)])).await?;
    Ok(())
}

/// The secret of this name; `candidate` becomes it where there is none yet.
pub(super) async fn secret(link: &Link, name: &str, candidate: &[u8]) -> Result<Vec<u8>, Trouble> {
    let sql = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    link.transact(async |link| {
        link.within(link.execute(sql, &[(&name, Type::TEXT), (&candidate, Type::BYTEA)])).await
    })
    .await?;
    Ok(kept_secret(link, name).await?.unwrap_or_default())
}

/// The secret of this name, where there is one.
pub(super) async fn kept_secret(link: &Link, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let rows = link.read("SELECT value FROM secret WHERE name = $1", &[(&name, Type::TEXT)]).await?;
    Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
}
