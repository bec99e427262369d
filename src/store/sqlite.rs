//! The configuration store in the journal's SQLite file, on a connection of its own.
//!
//! Writers take turns by SQLite's lock: a change waits for the journal's running commit and the other way round, each
//! at most the busy time-out. Opening brings the schema up to date, so the command line works on a new file too.

use super::{
    Change, Document, Edit, REMEMBERED_FOR_MS, REMEMBERED_MAX, Remembered, Store, StoreError, check_sizes,
    judge,
};
use crate::clock::Timestamp;
use crate::journal::sqlite::{OpenError, schema};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::Arc;

/// Answers forgotten at most with each one remembered: two, so that the store shrinks back below its bound.
const FORGET_STEP: u32 = 2;

/// The store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    conn: Mutex<Connection>,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}

impl SqliteStore {
    /// Opens the file, creates it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot serve; the error says what to do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { conn: Mutex::new(schema::open_writable(path)?) })
    }

    fn change<T>(&self, change: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let conn = self.conn.lock();
        let transaction = Transaction::new_unchecked(&conn, TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }
}

/// Appends to the history; returns the new version.
fn record(
    conn: &Connection,
    (kind, id): (&str, &str),
    body: Option<&str>,
    edit: Edit<'_>,
) -> Result<u64, StoreError> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO document_change (kind, id, version, body, author, at)
             VALUES (?1, ?2,
                     1 + coalesce((SELECT max(version) FROM document_change WHERE kind = ?1 AND id = ?2), 0),
                     ?3, ?4, ?5)
             RETURNING version",
        )?
        .query_row(params![kind, id, body, edit.author, edit.at.millis()], |row| row.get(0))?)
}

fn found(conn: &Connection, kind: &str, id: &str) -> Result<Option<u64>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT version FROM document WHERE kind = ?1 AND id = ?2")?
        .query_row([kind, id], |row| row.get(0))
        .optional()?)
}

fn document(row: &Row<'_>) -> Result<Document, rusqlite::Error> {
    Ok(Document {
        kind: row.get(0)?,
        id: row.get(1)?,
        version: row.get(2)?,
        body: row.get::<_, String>(3)?.into(),
        updated_at: Timestamp::from_millis(row.get(4)?),
    })
}

fn kept(conn: &Connection, key: &str, scope: &str) -> Result<Option<Remembered>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT digest, status, body, at FROM remembered_answer WHERE scope = ?1 AND key = ?2",
        )?
        .query_row([scope, key], |row| {
            Ok(Remembered {
                key: key.to_owned(),
                scope: scope.to_owned(),
                digest: row.get::<_, i64>(0)?.cast_unsigned(),
                status: row.get(1)?,
                body: row.get::<_, String>(2)?.into(),
                at: Timestamp::from_millis(row.get(3)?),
            })
        })
        .optional()?)
}

fn forget_old_answers(conn: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let oldest_ms = now.millis().saturating_sub(REMEMBERED_FOR_MS);
    conn.prepare_cached(
        "DELETE FROM remembered_answer WHERE (scope, key) IN
         (SELECT scope, key FROM remembered_answer
          WHERE at < ?1 OR (SELECT count(*) FROM remembered_answer) > ?2 ORDER BY at LIMIT ?3)",
    )?
    .execute(params![oldest_ms, REMEMBERED_MAX, FORGET_STEP])?;
    Ok(())
}

impl Store for SqliteStore {
    fn put(&self, kind: &str, id: &str, body: &str, edit: Edit<'_>) -> Result<Document, StoreError> {
        check_sizes(kind, id, body)?;
        self.change(|conn| {
            judge(edit.expect, found(conn, kind, id)?)?;
            let version = record(conn, (kind, id), Some(body), edit)?;
            conn.prepare_cached(
                "INSERT OR REPLACE INTO document (kind, id, version, body, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![kind, id, version, body, edit.at.millis()])?;
            let (kind, id) = (kind.to_owned(), id.to_owned());
            Ok(Document { kind, id, version, body: body.into(), updated_at: edit.at })
        })
    }

    fn get(&self, kind: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let conn = self.conn.lock();
        let mut read = conn.prepare_cached(
            "SELECT kind, id, version, body, updated_at FROM document WHERE kind = ?1 AND id = ?2",
        )?;
        Ok(read.query_row([kind, id], document).optional()?)
    }

    fn list(&self, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>, StoreError> {
        let conn = self.conn.lock();
        let mut read = conn.prepare_cached(
            "SELECT kind, id, version, body, updated_at FROM document
             WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?;
        let rows = read.query_map(params![kind, after.unwrap_or_default(), limit], document)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn delete(&self, kind: &str, id: &str, edit: Edit<'_>) -> Result<(), StoreError> {
        self.change(|conn| {
            let version = found(conn, kind, id)?.ok_or(StoreError::Missing)?;
            judge(edit.expect, Some(version))?;
            record(conn, (kind, id), None, edit)?;
            conn.prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?.execute([kind, id])?;
            Ok(())
        })
    }

    fn changes_since(&self, revision: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let conn = self.conn.lock();
        let mut read = conn.prepare_cached(
            "SELECT revision, kind, id, version, body, author, at FROM document_change
             WHERE revision > ?1 ORDER BY revision LIMIT ?2",
        )?;
        let rows = read.query_map(params![revision, limit], |row| {
            Ok(Change {
                revision: row.get(0)?,
                kind: row.get(1)?,
                id: row.get(2)?,
                version: row.get(3)?,
                body: row.get::<_, Option<String>>(4)?.map(Arc::from),
                author: row.get(5)?,
                at: Timestamp::from_millis(row.get(6)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn revision(&self) -> Result<u64, StoreError> {
        let conn = self.conn.lock();
        let mut read = conn.prepare_cached("SELECT coalesce(max(revision), 0) FROM document_change")?;
        Ok(read.query_row([], |row| row.get(0))?)
    }

    fn remember(&self, answer: &Remembered) -> Result<Option<Remembered>, StoreError> {
        self.change(|conn| {
            forget_old_answers(conn, answer.at)?;
            if let Some(kept) = kept(conn, &answer.key, &answer.scope)? {
                return Ok(Some(kept));
            }
            conn.prepare_cached(
                "INSERT INTO remembered_answer (scope, key, digest, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                answer.scope,
                answer.key,
                answer.digest.cast_signed(),
                answer.status,
                &*answer.body,
                answer.at.millis(),
            ])?;
            Ok(None)
        })
    }

    fn recall(&self, key: &str, scope: &str, now: Timestamp) -> Result<Option<Remembered>, StoreError> {
        let kept = kept(&self.conn.lock(), key, scope)?;
        Ok(kept.filter(|kept| now.since_millis(kept.at) <= REMEMBERED_FOR_MS))
    }
}
