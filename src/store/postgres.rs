//! The configuration store in the journal's PostgreSQL database, on a connection of its own.
//!
//! Changes of documents take turns by an advisory lock, whichever node makes them: so revisions become visible in their
//! order, and whoever asks for changes since one misses none. Opening brings the schema up to date.

use super::{
    Change, Document, Edit, Expect, REMEMBERED_FOR_MS, REMEMBERED_MAX, Remembered, Store, StoreError,
    check_sizes, judge,
};
use crate::clock::Timestamp;
use crate::journal::postgres::clerk::Clerk;
use crate::journal::postgres::link::{Link, Param};
use crate::journal::postgres::schema::take_turns;
use crate::journal::postgres::trouble::Trouble;
use crate::journal::postgres::{Address, OpenError, Options};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Answers forgotten at most with each one remembered: two, so that the store shrinks back below its bound.
const FORGET_STEP: i64 = 2;
/// How many answers are remembered between two counts of all of them.
const COUNT_EVERY: u64 = 256;

const GET: &str = "SELECT kind, id, version, body, updated_at FROM document WHERE kind = $1 AND id = $2";
const LIST: &str = "SELECT kind, id, version, body, updated_at FROM document
    WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3";
const PUT: &str = "INSERT INTO document (kind, id, version, body, updated_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, body = excluded.body,
                                         updated_at = excluded.updated_at";
const DELETE: &str = "DELETE FROM document WHERE kind = $1 AND id = $2";
const RECORD: &str = "INSERT INTO document_change (revision, kind, id, version, body, author, at)
    VALUES (1 + coalesce((SELECT max(revision) FROM document_change), 0), $1, $2,
            1 + coalesce((SELECT max(version) FROM document_change WHERE kind = $1 AND id = $2), 0), $3, $4, $5)
    RETURNING version";
const CHANGES: &str = "SELECT revision, kind, id, version, body, author, at FROM document_change
    WHERE revision > $1 ORDER BY revision LIMIT $2";
const REVISION: &str = "SELECT coalesce(max(revision), 0) FROM document_change";
const KEPT: &str = "SELECT digest, status, body, at FROM remembered_answer WHERE scope = $1 AND key = $2";
const REMEMBER: &str = "INSERT INTO remembered_answer (scope, key, digest, status, body, at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, key) DO NOTHING";
const FORGET_OLD: &str = "DELETE FROM remembered_answer WHERE (scope, key) IN
    (SELECT scope, key FROM remembered_answer WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";
const FORGET_MANY: &str = "DELETE FROM remembered_answer WHERE (scope, key) IN
    (SELECT scope, key FROM remembered_answer ORDER BY at DESC OFFSET $1)";

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    clerk: Clerk,
    remembered: AtomicU64,
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable { reason: trouble.to_string() }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Trouble::from(error).into()
    }
}

impl PostgresStore {
    /// Connects and brings the schema up to date. Blocks; may be called from anywhere, as everything here.
    ///
    /// # Errors
    /// The database cannot serve; the error says what to do.
    pub fn open(address: &Address) -> Result<Self, OpenError> {
        Ok(Self { clerk: Clerk::open(address, &Options::default())?, remembered: AtomicU64::new(0) })
    }

    /// Changes a document in a transaction of its own, after every change before it.
    fn change(&self, intent: Intent) -> Result<u64, StoreError> {
        let changed = self.clerk.run(async move |link| {
            link.transact(async |link| {
                take_turns(link).await?;
                intent.carry_out(link).await
            })
            .await
        });
        changed?
    }

    fn rows(&self, sql: &'static str, texts: Vec<String>, numbers: Vec<i64>) -> Result<Vec<Row>, StoreError> {
        Ok(self.clerk.run(async move |link| {
            let texts = texts.iter().map(|text| (text as _, Type::TEXT));
            let params: Vec<Param<'_>> =
                texts.chain(numbers.iter().map(|number| (number as _, Type::INT8))).collect();
            link.read(sql, &params).await
        })?)
    }

    fn forget_old_answers(&self, now: Timestamp) -> Result<(), StoreError> {
        let oldest_ms = signed(now.millis().saturating_sub(REMEMBERED_FOR_MS));
        let counts = self.remembered.fetch_add(1, Ordering::Relaxed) % COUNT_EVERY == COUNT_EVERY - 1;
        Ok(self.clerk.run(async move |link| {
            link.transact(async |link| {
                let old = [(&oldest_ms as _, Type::INT8), (&FORGET_STEP as _, Type::INT8)];
                link.within(link.execute(FORGET_OLD, &old)).await?;
                if counts {
                    let most = signed(REMEMBERED_MAX);
                    link.within(link.execute(FORGET_MANY, &[(&most, Type::INT8)])).await?;
                }
                Ok(())
            })
            .await
        })?)
    }
}

/// A change of a document, with everything it needs on another thread.
struct Intent {
    kind: String,
    id: String,
    /// `None` deletes.
    body: Option<String>,
    author: String,
    at: Timestamp,
    expect: Expect,
}

impl Intent {
    fn new(kind: &str, id: &str, body: Option<&str>, edit: Edit<'_>) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            body: body.map(ToOwned::to_owned),
            author: edit.author.to_owned(),
            at: edit.at,
            expect: edit.expect,
        }
    }

    /// The new version, or the refusal that leaves everything as it is.
    async fn carry_out(self, link: &Link) -> Result<Result<u64, StoreError>, Trouble> {
        let name: [Param<'_>; 2] = [(&self.kind, Type::TEXT), (&self.id, Type::TEXT)];
        let rows = link.within(link.query(GET, &name)).await?;
        let found = rows.first().map(|row| row.try_get::<_, i64>(2)).transpose()?.map(i64::unsigned_abs);
        let judged = match (&self.body, found) {
            (None, None) => Err(StoreError::Missing),
            _ => judge(self.expect, found),
        };
        if let Err(refusal) = judged {
            return Ok(Err(refusal));
        }
        let at_ms = signed(self.at.millis());
        let mut change: Vec<Param<'_>> = name.to_vec();
        change.extend([
            (&self.body as _, Type::TEXT),
            (&self.author as _, Type::TEXT),
            (&at_ms as _, Type::INT8),
        ]);
        let recorded = link.within(link.query(RECORD, &change)).await?;
        let version: i64 = recorded.first().map_or(Ok(0), |row| row.try_get(0))?;
        if self.body.is_some() {
            let mut document: Vec<Param<'_>> = name.to_vec();
            document.extend([
                (&version as _, Type::INT8),
                (&self.body as _, Type::TEXT),
                (&at_ms as _, Type::INT8),
            ]);
            link.within(link.execute(PUT, &document)).await?;
        } else {
            link.within(link.execute(DELETE, &name)).await?;
        }
        Ok(Ok(version.unsigned_abs()))
    }
}

impl Store for PostgresStore {
    fn put(&self, kind: &str, id: &str, body: &str, edit: Edit<'_>) -> Result<Document, StoreError> {
        check_sizes(kind, id, body)?;
        let version = self.change(Intent::new(kind, id, Some(body), edit))?;
        let (kind, id) = (kind.to_owned(), id.to_owned());
        Ok(Document { kind, id, version, body: body.into(), updated_at: edit.at })
    }

    fn get(&self, kind: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let rows = self.rows(GET, vec![kind.to_owned(), id.to_owned()], Vec::new())?;
        rows.first().map(document).transpose()
    }

    fn list(&self, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>, StoreError> {
        let texts = vec![kind.to_owned(), after.unwrap_or_default().to_owned()];
        self.rows(LIST, texts, vec![limit.into()])?.iter().map(document).collect()
    }

    fn delete(&self, kind: &str, id: &str, edit: Edit<'_>) -> Result<(), StoreError> {
        self.change(Intent::new(kind, id, None, edit)).map(|_version| ())
    }

    fn changes_since(&self, revision: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.rows(CHANGES, Vec::new(), vec![signed(revision), limit.into()])?.iter().map(change).collect()
    }

    fn revision(&self) -> Result<u64, StoreError> {
        let rows = self.rows(REVISION, Vec::new(), Vec::new())?;
        rows.first().map_or(Ok(0), |row| count(row, 0))
    }

    fn remember(&self, answer: &Remembered) -> Result<Option<Remembered>, StoreError> {
        self.forget_old_answers(answer.at)?;
        let answer = answer.clone();
        let (key, scope) = (answer.key.clone(), answer.scope.clone());
        let taken = self.clerk.run(async move |link| {
            let (digest, status) = (answer.digest.cast_signed(), i32::from(answer.status));
            let at_ms = signed(answer.at.millis());
            let params: [Param<'_>; 6] = [
                (&answer.scope, Type::TEXT),
                (&answer.key, Type::TEXT),
                (&digest, Type::INT8),
                (&status, Type::INT4),
                (&&*answer.body, Type::TEXT),
                (&at_ms, Type::INT8),
            ];
            link.transact(async |link| link.within(link.execute(REMEMBER, &params)).await).await
        })?;
        if taken > 0 { Ok(None) } else { self.kept(&key, &scope) }
    }

    fn recall(&self, key: &str, scope: &str, now: Timestamp) -> Result<Option<Remembered>, StoreError> {
        Ok(self.kept(key, scope)?.filter(|kept| now.since_millis(kept.at) <= REMEMBERED_FOR_MS))
    }
}

impl PostgresStore {
    fn kept(&self, key: &str, scope: &str) -> Result<Option<Remembered>, StoreError> {
        let rows = self.rows(KEPT, vec![scope.to_owned(), key.to_owned()], Vec::new())?;
        let read = |row: &Row| {
            let status: i32 = row.try_get(1)?;
            Ok(Remembered {
                key: key.to_owned(),
                scope: scope.to_owned(),
                digest: row.try_get::<_, i64>(0)?.cast_unsigned(),
                status: u16::try_from(status).map_err(|error| StoreError::Unavailable {
                    reason: format!("a remembered answer has status {status}: {error}"),
                })?,
                body: row.try_get::<_, &str>(2)?.into(),
                at: Timestamp::from_millis(count(row, 3)?),
            })
        };
        rows.first().map(read).transpose()
    }
}

fn document(row: &Row) -> Result<Document, StoreError> {
    Ok(Document {
        kind: row.try_get(0)?,
        id: row.try_get(1)?,
        version: count(row, 2)?,
        body: row.try_get::<_, &str>(3)?.into(),
        updated_at: Timestamp::from_millis(count(row, 4)?),
    })
}

fn change(row: &Row) -> Result<Change, StoreError> {
    Ok(Change {
        revision: count(row, 0)?,
        kind: row.try_get(1)?,
        id: row.try_get(2)?,
        version: count(row, 3)?,
        body: row.try_get::<_, Option<&str>>(4)?.map(Arc::from),
        author: row.try_get(5)?,
        at: Timestamp::from_millis(count(row, 6)?),
    })
}

fn count(row: &Row, column: usize) -> Result<u64, StoreError> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
