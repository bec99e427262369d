//! The configuration store: what managers and operators set up (agents' profiles, groups, rules, …), as versioned
//! documents, and the answers of requests that may be repeated.
//!
//! Beside the journal, never in its place: presence, capacity, load and everything said lives there. The port is
//! blocking and small; callers on an arbiter hand it to a blocking thread. Several processes may write the same SQLite
//! file or PostgreSQL database: `revision` tells a running server that something changed.
//!
//! The contract, beyond what the types say:
//! - A document's version rises by one with every change, and goes on rising when it is deleted and put again.
//! - Every change is kept, with its author and moment; revisions rise over all documents.
//! - A refused change changes nothing.
//! - The first answer remembered under a key stays; answers are forgotten past `REMEMBERED_FOR_MS` or, the oldest
//!   first, past `REMEMBERED_MAX`.
//!
//! Refuses to know what the documents mean: bodies are JSON texts that their owners check before they put them.

pub mod memory;
pub mod postgres;
pub mod sqlite;

#[cfg(test)]
mod contract;

use crate::clock::Timestamp;
use std::sync::Arc;

/// Longest kind, in bytes.
pub const KIND_MAX_BYTES: usize = 64;
/// Longest id, in bytes.
pub const ID_MAX_BYTES: usize = 200;
/// Longest body, in bytes.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// How long answers are remembered.
pub const REMEMBERED_FOR_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many answers are remembered.
pub const REMEMBERED_MAX: u64 = 100_000;

/// A document as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub kind: String,
    pub id: String,
    pub version: u64,
    /// JSON text.
    pub body: Arc<str>,
    pub updated_at: Timestamp,
}

/// A change of a document, as history keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Position in the history of all documents.
    pub revision: u64,
    pub kind: String,
    pub id: String,
    pub version: u64,
    /// `None` where the document was deleted.
    pub body: Option<Arc<str>>,
    pub author: String,
    pub at: Timestamp,
}

/// What the writer believed about the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    Version(u64),
}

impl Expect {
    /// Whether the document, standing at `found` (`None`: there is none), is as expected.
    pub fn holds(self, found: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found == Some(version),
        }
    }
}

/// Who changes a document, when, and on top of what.
#[derive(Debug, Clone, Copy)]
pub struct Edit<'a> {
    pub author: &'a str,
    pub at: Timestamp,
    pub expect: Expect,
}

/// An answer that was given to a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    pub key: String,
    /// Whose key it is: keys of different callers never meet.
    pub scope: String,
    /// Of the request: the same key with another digest is a conflict, which the caller reports.
    pub digest: u64,
    /// HTTP status of the answer.
    pub status: u16,
    pub body: Arc<str>,
    pub at: Timestamp,
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the document stands at version {found}, not at the expected one; read it again and repeat the change"
    )]
    Changed { found: u64 },
    #[error("there is no such document")]
    Missing,
    #[error("{what} is empty or longer than {max_bytes} bytes")]
    WrongSize { what: &'static str, max_bytes: usize },
    #[error("the store cannot be used now: {reason}; try again")]
    Unavailable { reason: String },
}

/// The port.
pub trait Store: Send + Sync {
    /// Puts a document in the place of what stands there.
    ///
    /// # Errors
    /// `Changed` or `Missing` where `edit.expect` does not hold, `WrongSize`, `Unavailable`.
    fn put(&self, kind: &str, id: &str, body: &str, edit: Edit<'_>) -> Result<Document, StoreError>;

    /// The document as it stands.
    ///
    /// # Errors
    /// `Unavailable`.
    fn get(&self, kind: &str, id: &str) -> Result<Option<Document>, StoreError>;

    /// Documents of a kind by id, after `after`, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    fn list(&self, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>, StoreError>;

    /// Removes the document; its history stays.
    ///
    /// # Errors
    /// `Missing`, `Changed` where `edit.expect` does not hold, `Unavailable`.
    fn delete(&self, kind: &str, id: &str, edit: Edit<'_>) -> Result<(), StoreError>;

    /// Changes with a higher revision, in order, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    fn changes_since(&self, revision: u64, limit: u32) -> Result<Vec<Change>, StoreError>;

    /// The last change's revision, whichever process made it; 0 before the first.
    ///
    /// # Errors
    /// `Unavailable`.
    fn revision(&self) -> Result<u64, StoreError>;

    /// Keeps an answer for repeats of its request. Where one is kept already, that one stays and comes back.
    ///
    /// # Errors
    /// `Unavailable`.
    fn remember(&self, answer: &Remembered) -> Result<Option<Remembered>, StoreError>;

    /// The answer kept under this key, unless it is too old at `now`.
    ///
    /// # Errors
    /// `Unavailable`.
    fn recall(&self, key: &str, scope: &str, now: Timestamp) -> Result<Option<Remembered>, StoreError>;
}

/// Judges a change against what stands there.
fn judge(expect: Expect, found: Option<u64>) -> Result<(), StoreError> {
    if expect.holds(found) {
        return Ok(());
    }
    Err(found.map_or(StoreError::Missing, |found| StoreError::Changed { found }))
}

fn check_sizes(kind: &str, id: &str, body: &str) -> Result<(), StoreError> {
    let sizes = [
        ("the kind", kind, KIND_MAX_BYTES),
        ("the id", id, ID_MAX_BYTES),
        ("the body", body, BODY_MAX_BYTES),
    ];
    for (what, text, max_bytes) in sizes {
        if text.is_empty() || text.len() > max_bytes {
            return Err(StoreError::WrongSize { what, max_bytes });
        }
    }
    Ok(())
}
