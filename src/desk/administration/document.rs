//! Documents of the configuration by their type: how each kind is made of a request, changed, checked and removed.
//!
//! One set of rules for HTTP and the command line: both make, change and remove through `Administration`'s `add`,
//! `change` and `remove`. What is particular to a kind stands in its `Kept`. Agents have secrets and so a way of their
//! own (`agents`).

use super::Administration;
use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::store::{Document, Edit, Expect, Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Documents read at once.
const PAGE: u32 = 500;
/// When a store that failed should be tried again.
const TRY_AGAIN_MS: u64 = 500;

/// Who changes something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Editor<'a> {
    pub name: &'a str,
    pub at: Timestamp,
}

impl<'a> Editor<'a> {
    pub(super) fn expecting(self, expect: Expect) -> Edit<'a> {
        Edit { author: self.name, at: self.at, expect }
    }
}

/// A kind of document that is stored in the form in which it is shown.
pub trait Kept: Serialize + DeserializeOwned + Send + 'static {
    /// The store's name for it.
    const KIND: &'static str;
    /// What people call it.
    const NOUN: &'static str;
    /// What makes one.
    type Body: DeserializeOwned + Send + 'static;
    /// What changes one.
    type Patch: DeserializeOwned + Send + 'static;

    fn id(&self) -> String;

    /// A new one, with the desk's defaults.
    ///
    /// # Errors
    /// What is wrong with the request.
    fn made(body: Self::Body, desk: &Administration) -> Result<Self, Refusal>;

    /// Takes over what the patch gives.
    fn changed(&mut self, patch: Self::Patch);

    /// Whether it may stand as it is now.
    ///
    /// # Errors
    /// What is wrong with it, naming the field.
    fn check(&self, _desk: &Administration) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether it may be removed.
    ///
    /// # Errors
    /// What still needs it.
    fn removable(&self, _desk: &Administration) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Administration {
    /// Adds a document.
    ///
    /// # Errors
    /// `conflict` where the id is taken, what `Kept::made` and `Kept::check` refuse, `unavailable`.
    pub fn add<K: Kept>(&self, body: K::Body, editor: Editor<'_>) -> Result<K, Refusal> {
        let made = K::made(body, self)?;
        if self.find::<K>(&made.id())?.is_some() {
            return Err(taken::<K>(&made.id()));
        }
        made.check(self)?;
        self.put(&made, Expect::Absent, editor)?;
        Ok(made)
    }

    /// Changes a document.
    ///
    /// # Errors
    /// `not_found`, what `Kept::check` refuses, `conflict` where somebody else changed it meanwhile, `unavailable`.
    pub fn change<K: Kept>(&self, id: &str, patch: K::Patch, editor: Editor<'_>) -> Result<K, Refusal> {
        let (mut document, version) = self.find::<K>(id)?.ok_or_else(|| unknown(K::NOUN, id))?;
        document.changed(patch);
        document.check(self)?;
        self.put(&document, Expect::Version(version), editor)?;
        Ok(document)
    }

    /// Removes a document.
    ///
    /// # Errors
    /// `not_found`, what `Kept::removable` refuses, `unavailable`.
    pub fn remove<K: Kept>(&self, id: &str, editor: Editor<'_>) -> Result<(), Refusal> {
        let (document, version) = self.find::<K>(id)?.ok_or_else(|| unknown(K::NOUN, id))?;
        document.removable(self)?;
        self.store.delete(K::KIND, id, editor.expecting(Expect::Version(version))).map_err(refused)
    }

    /// The document, and the version at which it stands.
    ///
    /// # Errors
    /// `unavailable`, also where what is stored cannot be read.
    pub fn find<K: Kept>(&self, id: &str) -> Result<Option<(K, u64)>, Refusal> {
        let found = self.store.get(K::KIND, id).map_err(refused)?;
        found.map(|document| Ok((parsed(&document)?, document.version))).transpose()
    }

    /// Documents by id, after `after`.
    ///
    /// # Errors
    /// As `find`.
    pub fn page<K: Kept>(&self, after: Option<&str>, limit: u32) -> Result<Vec<K>, Refusal> {
        self.store.list(K::KIND, after, limit).map_err(refused)?.iter().map(parsed).collect()
    }

    /// All documents of a kind by id.
    ///
    /// # Errors
    /// As `find`.
    pub fn all<K: Kept>(&self) -> Result<Vec<K>, Refusal> {
        every(&*self.store, K::KIND).map_err(refused)?.iter().map(parsed).collect()
    }

    pub(super) fn put<K: Kept>(&self, it: &K, expect: Expect, editor: Editor<'_>) -> Result<(), Refusal> {
        write(&*self.store, (K::KIND, K::NOUN), &it.id(), it, editor.expecting(expect))
    }
}

/// All documents of a kind by id.
pub(super) fn every(store: &dyn Store, kind: &str) -> Result<Vec<Document>, StoreError> {
    let mut documents: Vec<Document> = Vec::new();
    loop {
        let page = store.list(kind, documents.last().map(|last| last.id.as_str()), PAGE)?;
        let whole = page.len() >= PAGE as usize;
        documents.extend(page);
        if !whole {
            return Ok(documents);
        }
    }
}

/// Writes a document; `(kind, noun)` names it to the store and to people.
pub(super) fn write(
    store: &dyn Store,
    (kind, noun): (&str, &str),
    id: &str,
    it: &impl Serialize,
    edit: Edit<'_>,
) -> Result<(), Refusal> {
    let body = serde_json::to_string(it)
        .map_err(|error| Refusal::bad_frame(format!("the {noun} cannot be written: {error}")))?;
    store.put(kind, id, &body, edit).map(drop).map_err(refused)
}

pub(super) fn parsed<T: DeserializeOwned>(document: &Document) -> Result<T, Refusal> {
    serde_json::from_str(&document.body).map_err(|error| {
        tracing::error!(kind = document.kind, id = document.id, %error, "a document cannot be read");
        Refusal::unavailable("a document of the configuration cannot be read; the log names it", TRY_AGAIN_MS)
    })
}

pub(super) fn taken<K: Kept>(id: &str) -> Refusal {
    let noun = K::NOUN;
    Refusal::conflict(format!("there is a {noun} `{id}` already; choose another id, or change that {noun}"))
}

pub(super) fn unknown(noun: &str, id: &str) -> Refusal {
    Refusal::not_found(format!("there is no {noun} `{id}`"))
}

/// The store's "no" in the words of the protocol.
pub fn refused(error: StoreError) -> Refusal {
    match &error {
        StoreError::Changed { .. } => Refusal::conflict(error.to_string()),
        StoreError::Missing => Refusal::not_found(error.to_string()),
        StoreError::WrongSize { .. } => Refusal::bad_frame(error.to_string()),
        StoreError::Unavailable { reason } => {
            tracing::warn!(%reason, "the configuration store does not answer");
            Refusal::unavailable("the store cannot be used now; repeat it", TRY_AGAIN_MS)
        }
    }
}
