//! What other processes may read from a desk's file while the desk serves it: the command line's questions.

use super::meta;
use super::schema::{OpenError, open_readable};
use crate::conversation::state::Phase;
use crate::ident::GroupId;
use rusqlite::params;
use std::path::Path;

/// The secret of this name that the desk keeps in its file; `None` where it has none yet.
///
/// # Errors
/// The file cannot be read.
pub fn kept_secret(path: &Path, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let conn = open_readable(path)?;
    meta::kept_secret(&conn, name).map_err(|error| OpenError::from_sqlite(path, &error))
}

/// How many conversations wait in a group, for an agent or to be called back.
///
/// # Errors
/// The file cannot be read.
pub fn waiting_in(path: &Path, group: &GroupId) -> Result<u64, OpenError> {
    let conn = open_readable(path)?;
    let phases = [Phase::Queued, Phase::Offered, Phase::MessageLeft].map(Phase::name);
    let [queued, offered, message_left] = phases;
    let counted = conn.query_row(
        "SELECT count(*) FROM conversation
         WHERE live = 1 AND json_extract(state, '$.group') = ?1
           AND json_extract(state, '$.phase') IN (?2, ?3, ?4)",
        params![group.as_str(), queued, offered, message_left],
        |row| row.get(0),
    );
    counted.map_err(|error| OpenError::from_sqlite(path, &error))
}
