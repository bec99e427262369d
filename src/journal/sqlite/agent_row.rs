//! Agents' rows in the file: presence, capacity and load, and the journal of their changes.

use super::super::record::RecordError;
use super::super::{AgentChange, AgentSeats, Presence};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::ident::AgentId;
use hashbrown::HashMap;
use rusqlite::{Connection, params};

pub(super) fn all(conn: &Connection) -> Result<HashMap<AgentId, AgentSeats>, Trouble> {
    Ok(list(conn)?.into_iter().map(|row| (row.agent, row)).collect())
}

/// Every agent, by id.
pub(super) fn list(conn: &Connection) -> Result<Vec<AgentSeats>, Trouble> {
    let mut read =
        conn.prepare_cached("SELECT id, presence, capacity, load, version FROM agent ORDER BY id")?;
    let mut rows = read.query([])?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next()? {
        agents.push(AgentSeats {
            agent: AgentId::from_u128(u128::from_be_bytes(row.get(0)?)),
            presence: presence(row.get(1)?)?,
            capacity: row.get(2)?,
            load: row.get(3)?,
            version: row.get(4)?,
        });
    }
    Ok(agents)
}

/// Writes the row after a journaled change, and the change itself.
pub(super) fn change(
    conn: &Connection,
    row: &AgentSeats,
    change: &AgentChange,
    at: Timestamp,
) -> Result<(), Trouble> {
    let id = row.agent.as_u128().to_be_bytes();
    let presence = presence_number(row.presence);
    conn.prepare_cached(
        "INSERT INTO agent (id, presence, capacity, load, version) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET presence = ?2, capacity = ?3, version = ?5",
    )?
    .execute(params![id, presence, row.capacity, row.load, row.version])?;
    let reason = match change {
        AgentChange::Presence { reason, .. } => Some(&**reason),
        AgentChange::Capacity(_) => None,
    };
    conn.prepare_cached(
        "INSERT INTO agent_change (agent, version, at, presence, capacity, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![id, row.version, at.millis(), presence, row.capacity, reason])?;
    Ok(())
}

pub(super) fn set_load(conn: &Connection, agent: AgentId, load: u32) -> Result<(), Trouble> {
    conn.prepare_cached("UPDATE agent SET load = ?2 WHERE id = ?1")?
        .execute(params![agent.as_u128().to_be_bytes(), load])?;
    Ok(())
}

const fn presence_number(presence: Presence) -> i64 {
    match presence {
        Presence::Offline => 0,
        Presence::Online => 1,
        Presence::Away => 2,
    }
}

fn presence(number: i64) -> Result<Presence, RecordError> {
    match number {
        0 => Ok(Presence::Offline),
        1 => Ok(Presence::Online),
        2 => Ok(Presence::Away),
        unknown => Err(RecordError(format!("presence {unknown} is not known here"))),
    }
}
