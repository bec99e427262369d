//! The file itself: is it ours, how new is its schema, and bringing it up to date.
//!
//! Used by the journal and by the configuration store, which share one file. Refuses what it does not know: another
//! program's database, a newer schema, a damaged file; each with a sentence that says what to do.

use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "RDK1": marks a database as a desk's.
const APPLICATION_ID: i64 = 0x5244_4b31;
/// How long a connection waits for another one's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Numbered from 1, forward only; a number once released never changes its text.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../../migrations/sqlite/0001_journal.sql"),
    include_str!("../../../migrations/sqlite/0002_store.sql"),
];

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "`{path}` is in use by another desk (process {holder}); stop it, or give this one a file of its own"
    )]
    InUse { path: PathBuf, holder: String },
    #[error(
        "`{path}` has a second name (a hard link), under which another desk could write it unseen; copy the file, or \
         remove the other name"
    )]
    ManyNames { path: PathBuf },
    #[error("`{path}` is not a desk's database; choose another file with `store.url`")]
    NotOurs { path: PathBuf },
    #[error(
        "`{path}` has schema {found}, this program knows {known}: it was written by a newer version; use that one"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("`{path}` is damaged ({reason}); restore a backup, and keep the file for examination")]
    Damaged { path: PathBuf, reason: String },
    #[error("the disk of `{path}` is full; free some space and try again")]
    DiskFull { path: PathBuf },
    #[error("`{path}` cannot be opened: {reason}")]
    Unreachable { path: PathBuf, reason: String },
}

impl OpenError {
    /// Tells a damaged file and a foreign one from one that cannot be reached.
    pub(in crate::journal) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::NotOurs { path },
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason: error.to_string() },
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull { path },
            _ => Self::Unreachable { path, reason: error.to_string() },
        }
    }

    /// What failed beside the database, `during` what.
    pub(super) fn from_io(path: &Path, error: &std::io::Error, during: &str) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Unreachable { path, reason: format!("{during}{error}") },
        }
    }
}

/// Opens the file for writing, creates it where it is missing, and brings the schema up to date.
///
/// # Errors
/// Says why the file cannot serve.
pub(crate) fn open_writable(path: &Path) -> Result<Connection, OpenError> {
    make_folder(path)?;
    let attempt = || -> Result<Connection, rusqlite::Error> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        Ok(conn)
    };
    let conn = attempt().map_err(|error| OpenError::from_sqlite(path, &error))?;
    inspect(&conn, path)?;
    let prepared = conn
        .pragma_update(None, "journal_mode", "WAL")
        .and_then(|()| conn.pragma_update(None, "synchronous", "FULL"))
        .and_then(|()| migrate(&conn));
    prepared.map_err(|error| OpenError::from_sqlite(path, &error))?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Makes the folder in which the file shall lie.
///
/// # Errors
/// It cannot be made.
pub(in crate::journal) fn make_folder(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .map_err(|error| OpenError::from_io(path, &error, "its folder cannot be made: "))
}

/// Opens an existing desk's file for reading.
///
/// # Errors
/// Says why the file cannot be read.
pub(crate) fn open_readable(path: &Path) -> Result<Connection, OpenError> {
    let attempt = || -> Result<Connection, rusqlite::Error> {
        let conn = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(conn)
    };
    let conn = attempt().map_err(|error| OpenError::from_sqlite(path, &error))?;
    match inspect(&conn, path)? {
        0 => Err(OpenError::NotOurs { path: path.to_path_buf() }),
        _ => Ok(conn),
    }
}

/// The schema's number; 0 for an empty file.
fn inspect(conn: &Connection, path: &Path) -> Result<i64, OpenError> {
    let read = || -> Result<(i64, i64, i64), rusqlite::Error> {
        let pragma = |name| conn.pragma_query_value(None, name, |row| row.get(0));
        let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    let (application, found, tables) = read().map_err(|error| OpenError::from_sqlite(path, &error))?;
    let known = MIGRATIONS.len() as i64;
    match application {
        APPLICATION_ID if found > known => Err(OpenError::Newer { path: path.to_path_buf(), found, known }),
        APPLICATION_ID => Ok(found),
        0 if tables == 0 => Ok(0),
        _ => Err(OpenError::NotOurs { path: path.to_path_buf() }),
    }
}

/// Applies what is missing; two processes that start at once take turns.
fn migrate(conn: &Connection) -> Result<(), rusqlite::Error> {
    let transaction = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX));
    for (number, migration) in (found + 1..).zip(missing) {
        conn.execute_batch(migration)?;
        conn.pragma_update(None, "user_version", number)?;
    }
    if found == 0 {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()
}
