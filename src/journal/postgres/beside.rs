//! What other processes may read from a desk's database, and forget in it, while nodes serve it: the command line's
//! questions.

use super::super::Durability;
use super::address::Address;
use super::clerk::{self, Clerk};
use super::columns::count;
use super::options::Options;
use super::register::{self, ListedNode};
use super::schema::{self, OpenError};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::conversation::state::Phase;
use crate::ident::{GroupId, NodeId};
use tokio_postgres::types::Type;

const WAITING_IN: &str =
    "SELECT count(*) FROM conversation WHERE live AND group_id = $1 AND phase = ANY ($2)";

/// What a look at a database tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// By the settings of the server.
    pub durability: Durability,
    /// There is no desk's table yet.
    pub is_empty: bool,
    /// Acknowledged entries that the database has come back without, in all, and when nodes last found some.
    pub lost: Option<(u64, Timestamp)>,
}

/// Whether the database can serve, without changing anything in it. Not to be called inside an asynchronous runtime.
///
/// # Errors
/// It cannot; the error says what to do.
pub fn look(address: &Address) -> Result<Found, OpenError> {
    let runtime = clerk::runtime().map_err(|trouble| OpenError::unreachable(address, &trouble))?;
    let (durability, schema, lost) = runtime.block_on(schema::look(address, &Options::default()))?;
    Ok(Found { durability, is_empty: schema == 0, lost })
}

/// The secret of this name that the desk keeps in its database; `None` where it has none yet.
///
/// # Errors
/// The database cannot be read.
pub fn kept_secret(address: &Address, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let name = name.to_owned();
    run(address, async move |link| schema::kept_secret(link, &name).await)
}

/// How many conversations wait in a group, for an agent or to be called back.
///
/// # Errors
/// The database cannot be read.
pub fn waiting_in(address: &Address, group: &GroupId) -> Result<u64, OpenError> {
    let group = group.as_str().to_owned();
    run(address, async move |link| {
        let phases = vec![Phase::Queued.name(), Phase::Offered.name(), Phase::MessageLeft.name()];
        let params = [(&group as _, Type::TEXT), (&phases as _, Type::TEXT_ARRAY)];
        let rows = link.read(WAITING_IN, &params).await?;
        rows.first().map_or(Ok(0), |row| count(row, 0))
    })
}

/// Forgets conversations that were closed before the moment, and returns how many. Nodes may go on meanwhile.
///
/// # Errors
/// The database cannot be reached; what was removed until then stays removed.
pub fn prune(address: &Address, closed_before: Timestamp) -> Result<u64, OpenError> {
    run(address, async move |link| super::prune::prune(link, closed_before).await)
}

/// The nodes of the desk, by id: those that live, and those that fell silent not long ago.
///
/// # Errors
/// The database cannot be read.
pub fn nodes(address: &Address) -> Result<Vec<ListedNode>, OpenError> {
    run(address, async |link| register::list(link).await)
}

/// Asks a node to leave: it hands its slots over and ends. False where there is no such node.
///
/// # Errors
/// The database cannot be written.
pub fn drain(address: &Address, node: &NodeId) -> Result<bool, OpenError> {
    let node = node.clone();
    run(address, async move |link| register::drain(link, &node).await)
}

fn run<T: Send + 'static>(
    address: &Address,
    work: impl AsyncFnOnce(&super::link::Link) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, OpenError> {
    let clerk = Clerk::open(address, &Options::default())?;
    clerk.run(work).map_err(|trouble| OpenError::unreachable(address, &trouble))
}
