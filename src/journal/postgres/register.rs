//! The rows of nodes and slots, and the statements that read and move them.
//!
//! A slot moves by compare-and-swap alone, with a higher epoch each time (CL-1). The epoch begins with the number of the
//! database's timeline: a standby that was promoted without the last commits cannot hand an epoch out a second time.
//! Silence is told by the database's clock. Rows of slots are locked by number, so that nodes never wait in a ring.
//!
//! Refuses to know who should have a slot (`cluster::reconcile` does) and when a row is looked at (`keeper` does).

use super::columns::{count, signed};
use super::link::{Link, Param};
use super::options::Options;
use super::schema;
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::cluster::reconcile::{Member, MemberState, SlotRow};
use crate::cluster::slots::{SLOTS, Slot};
use crate::ident::{Epoch, NodeId};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

const SERVING: &str = "serving";

/// Fences of before there were slots are epochs of starts: no slot's epoch is lower.
const MAKE_SLOTS: &str = "INSERT INTO slot (slot, epoch, owner, released)
    SELECT number, coalesce((SELECT number FROM rushdesk WHERE name = 'epoch'), 0), NULL, true
    FROM generate_series(0, $1 - 1) AS number ON CONFLICT (slot) DO NOTHING";
const HOLDER: &str = "SELECT incarnation, address, extract(epoch FROM clock_timestamp() - beat_at)::float8
    FROM node WHERE id = $1";
/// A node that serves without slots, while nobody who lives has any: it is of the version before them, which takes itself
/// for the only one. One that has just entered looks the same for a moment.
const WITHOUT_SLOTS: &str =
    "SELECT id, address, extract(epoch FROM clock_timestamp() - beat_at)::float8 FROM node
    WHERE id <> $1 AND state = 'serving' AND beat_at > clock_timestamp() - make_interval(secs => $2)
        AND NOT EXISTS (SELECT FROM slot AS s JOIN node AS n ON n.id = s.owner
            WHERE NOT s.released AND n.beat_at > clock_timestamp() - make_interval(secs => $2))
    ORDER BY beat_at DESC LIMIT 1";
const ENTER: &str = "INSERT INTO node (id, incarnation, address, beat_at, version, state)
    VALUES ($1, $2, $3, clock_timestamp(), $4, 'serving')
    ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, address = excluded.address,
        beat_at = excluded.beat_at, version = excluded.version, state = excluded.state, is_heard = true";
const BEAT: &str =
    "UPDATE node SET beat_at = clock_timestamp(), is_heard = $3 WHERE id = $1 AND incarnation = $2
    RETURNING (extract(epoch FROM beat_at) * 1000)::bigint";
const SET_LEAVING: &str = "UPDATE node SET state = 'leaving' WHERE id = $1 AND incarnation = $2";
const SET_ADDRESS: &str = "UPDATE node SET address = $3 WHERE id = $1 AND incarnation = $2";
const DRAIN: &str = "UPDATE node SET state = 'leaving' WHERE id = $1";
const REMOVE: &str = "DELETE FROM node WHERE id = $1 AND incarnation = $2";
const SWEEP: &str = "DELETE FROM node WHERE beat_at < clock_timestamp() - make_interval(secs => $1)";
const NODES: &str =
    "SELECT id, incarnation, state, extract(epoch FROM clock_timestamp() - beat_at)::float8, address, is_heard
    FROM node ORDER BY id";
const SLOT_ROWS: &str = "SELECT slot, epoch, owner, released FROM slot ORDER BY slot";
/// A node whose row is gone takes nothing.
const CLAIM: &str = "WITH seen AS (
        SELECT s.slot, s.epoch FROM unnest($1::integer[], $2::bigint[]) AS k (slot, epoch)
        JOIN slot AS s ON s.slot = k.slot AND s.epoch = k.epoch
        WHERE EXISTS (SELECT FROM node WHERE id = $3 AND incarnation = $4)
        ORDER BY s.slot FOR UPDATE OF s)
    UPDATE slot AS s SET owner = $3, released = false, epoch = greatest(s.epoch + 1,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint << 40)
    FROM seen WHERE s.slot = seen.slot AND s.epoch = seen.epoch RETURNING s.slot, s.epoch";
const RELEASE: &str = "WITH seen AS (
        SELECT s.slot, s.epoch FROM unnest($1::integer[], $2::bigint[]) AS k (slot, epoch)
        JOIN slot AS s ON s.slot = k.slot AND s.epoch = k.epoch AND s.owner = $3 ORDER BY s.slot FOR UPDATE OF s)
    UPDATE slot AS s SET released = true FROM seen WHERE s.slot = seen.slot AND s.epoch = seen.epoch";
const LISTED: &str =
    "SELECT n.id, n.address, n.version, n.state, extract(epoch FROM clock_timestamp() - n.beat_at)::float8,
        (SELECT count(*) FROM slot AS s WHERE s.owner = n.id AND NOT s.released)
    FROM node AS n ORDER BY n.id";

/// A start of a node: its id, and what differs from start to start.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) id: NodeId,
    pub(super) incarnation: Uuid,
}

impl Own {
    /// For statements that begin with these two parameters.
    async fn execute(&self, link: &Link, sql: &str) -> Result<u64, Trouble> {
        let id = self.id.as_str();
        let params: [Param<'_>; 2] = [(&id, Type::TEXT), (&self.incarnation, Type::UUID)];
        link.transact(async |link| link.within(link.execute(sql, &params)).await).await
    }
}

/// Whom a start would disturb, as the row tells.
pub(super) struct Other {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) silent: Duration,
    /// Another start under the same id; else a node of the version before slots.
    pub(super) is_namesake: bool,
}

/// A node's row with what only its namesakes want to know, and whether it is heard.
pub(super) struct NodeRow {
    pub(super) member: Member,
    pub(super) incarnation: Uuid,
    pub(super) address: String,
    /// Whether others hear it by the bus, as it says.
    pub(super) is_heard: bool,
}

/// A node as the command line lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedNode {
    pub id: String,
    /// Where it listens.
    pub address: String,
    /// The program's.
    pub version: String,
    /// `serving` or `leaving`.
    pub state: String,
    /// Since its last beat, by the database's clock, in seconds. Beyond the lease of 10 s the node counts as dead.
    pub silent_s: f64,
    /// Slots that it owns.
    pub slots: u64,
}

/// Enters the node's row and makes the rows of slots where there are none; or tells who must be gone first. A namesake may
/// still live where it was silent for less than `options.silence`.
pub(super) async fn enter(
    link: &Link,
    own: &Own,
    address: &str,
    options: &Options,
) -> Result<Option<Other>, Trouble> {
    schema::take_turns(link).await?;
    let id = own.id.as_str();
    let rows = link.within(link.query(HOLDER, &[(&id, Type::TEXT)])).await?;
    if let Some(row) = rows.first()
        && row.try_get::<_, Uuid>(0)? != own.incarnation
    {
        let (address, silent) = (row.try_get(1)?, silence(row, 2)?);
        if silent < options.silence {
            return Ok(Some(Other { id: id.to_owned(), address, silent, is_namesake: true }));
        }
    }
    let living: [Param<'_>; 2] = [(&id, Type::TEXT), (&options.lease.as_secs_f64(), Type::FLOAT8)];
    if let Some(row) = link.within(link.query(WITHOUT_SLOTS, &living)).await?.first() {
        let (id, address, silent) = (row.try_get(0)?, row.try_get(1)?, silence(row, 2)?);
        return Ok(Some(Other { id, address, silent, is_namesake: false }));
    }
    link.within(link.execute(MAKE_SLOTS, &[(&i32::from(SLOTS), Type::INT4)])).await?;
    let row: [Param<'_>; 4] = [
        (&id, Type::TEXT),
        (&own.incarnation, Type::UUID),
        (&address, Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
    ];
    link.within(link.execute(ENTER, &row)).await?;
    Ok(None)
}

/// Renews the node's row, and tells what the database's clock showed; `None` where the row was not there any more.
pub(super) async fn beat(link: &Link, own: &Own, is_heard: bool) -> Result<Option<Timestamp>, Trouble> {
    let id = own.id.as_str();
    let params: [Param<'_>; 3] = [(&id, Type::TEXT), (&own.incarnation, Type::UUID), (&is_heard, Type::BOOL)];
    let rows = link.transact(async |link| link.within(link.query(BEAT, &params)).await).await?;
    rows.first().map(|row| Ok(Timestamp::from_millis(count(row, 0)?))).transpose()
}

pub(super) async fn set_leaving(link: &Link, own: &Own) -> Result<(), Trouble> {
    own.execute(link, SET_LEAVING).await.map(drop)
}

pub(super) async fn set_address(link: &Link, own: &Own, address: &str) -> Result<(), Trouble> {
    let id = own.id.as_str();
    let params: [Param<'_>; 3] = [(&id, Type::TEXT), (&own.incarnation, Type::UUID), (&address, Type::TEXT)];
    link.transact(async |link| link.within(link.execute(SET_ADDRESS, &params)).await).await.map(drop)
}

pub(super) async fn remove(link: &Link, own: &Own) -> Result<(), Trouble> {
    own.execute(link, REMOVE).await.map(drop)
}

/// Removes rows of nodes that were silent for so long, and tells how many.
pub(super) async fn sweep(link: &Link, silent: Duration) -> Result<u64, Trouble> {
    let params: [Param<'_>; 1] = [(&silent.as_secs_f64(), Type::FLOAT8)];
    link.transact(async |link| link.within(link.execute(SWEEP, &params)).await).await
}

/// All nodes and slots, in one snapshot.
pub(super) async fn look(link: &Link) -> Result<(Vec<NodeRow>, Vec<SlotRow>), Trouble> {
    let trip = async {
        let (begun, nodes, slots, ended) = tokio::join!(
            biased;
            link.begin_reading(),
            link.query(NODES, &[]),
            link.query(SLOT_ROWS, &[]),
            link.commit(),
        );
        begun?;
        let rows = (nodes?, slots?);
        ended?;
        Ok(rows)
    };
    let (nodes, slots) = link.within(trip).await?;
    let nodes = nodes.iter().map(node).collect::<Result<_, _>>()?;
    let slots = slots.iter().map(slot).collect::<Result<_, _>>()?;
    Ok((nodes, slots))
}

/// Takes the slots whose epochs are as they were seen, and tells which, with their new epochs.
pub(super) async fn claim(
    link: &Link,
    own: &Own,
    seen: &[(Slot, Epoch)],
) -> Result<Vec<(Slot, Epoch)>, Trouble> {
    let (slots, epochs) = columns(seen);
    let id = own.id.as_str();
    let params: [Param<'_>; 4] = [
        (&slots, Type::INT4_ARRAY),
        (&epochs, Type::INT8_ARRAY),
        (&id, Type::TEXT),
        (&own.incarnation, Type::UUID),
    ];
    let rows = link.transact(async |link| link.within(link.query(CLAIM, &params)).await).await?;
    rows.iter().map(|row| Ok((number(row)?, count(row, 1)?))).collect()
}

/// Gives slots up; what is not the node's under this epoch stays as it is.
pub(super) async fn release(link: &Link, own: &Own, held: &[(Slot, Epoch)]) -> Result<(), Trouble> {
    let (slots, epochs) = columns(held);
    let id = own.id.as_str();
    let params: [Param<'_>; 3] = [(&slots, Type::INT4_ARRAY), (&epochs, Type::INT8_ARRAY), (&id, Type::TEXT)];
    link.transact(async |link| link.within(link.execute(RELEASE, &params)).await).await.map(drop)
}

/// All nodes, for the command line.
pub(super) async fn list(link: &Link) -> Result<Vec<ListedNode>, Trouble> {
    let rows = link.read(LISTED, &[]).await?;
    let listed = |row: &Row| {
        let (id, address, version) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (state, silent_s) = (row.try_get(3)?, silence(row, 4)?.as_secs_f64());
        Ok(ListedNode { id, address, version, state, silent_s, slots: count(row, 5)? })
    };
    rows.iter().map(listed).collect()
}

/// Asks a node to leave; false where there is no such node.
pub(super) async fn drain(link: &Link, id: &NodeId) -> Result<bool, Trouble> {
    let id = id.as_str();
    let params: [Param<'_>; 1] = [(&id, Type::TEXT)];
    let asked = link.transact(async |link| link.within(link.execute(DRAIN, &params)).await).await?;
    Ok(asked > 0)
}

fn columns(slots: &[(Slot, Epoch)]) -> (Vec<i32>, Vec<i64>) {
    slots.iter().map(|(slot, epoch)| (i32::from(slot.number()), signed(*epoch))).unzip()
}

fn node(row: &Row) -> Result<NodeRow, Trouble> {
    let state: &str = row.try_get(2)?;
    // What a newer version calls otherwise wants no slots as far as this one knows.
    let state = if state == SERVING { MemberState::Serving } else { MemberState::Leaving };
    let member = Member { id: id(row.try_get(0)?)?, state, silent: silence(row, 3)? };
    Ok(NodeRow { member, incarnation: row.try_get(1)?, address: row.try_get(4)?, is_heard: row.try_get(5)? })
}

fn slot(row: &Row) -> Result<SlotRow, Trouble> {
    let owner: Option<&str> = row.try_get(2)?;
    Ok(SlotRow {
        slot: number(row)?,
        epoch: count(row, 1)?,
        owner: owner.map(id).transpose()?,
        released: row.try_get(3)?,
    })
}

fn number(row: &Row) -> Result<Slot, Trouble> {
    let number: i32 = row.try_get(0)?;
    let slot = u16::try_from(number).ok().and_then(Slot::new);
    slot.ok_or_else(|| Trouble::Record(format!("there is no slot {number}")))
}

fn id(text: &str) -> Result<NodeId, Trouble> {
    NodeId::new(text).map_err(|error| Trouble::Record(error.to_string()))
}

fn silence(row: &Row, column: usize) -> Result<Duration, Trouble> {
    let silent_s: f64 = row.try_get(column)?;
    Ok(Duration::try_from_secs_f64(silent_s.max(0.0)).unwrap_or(Duration::MAX))
}
