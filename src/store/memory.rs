//! The configuration store in memory: the reference, and what a desk without a file runs on.

use super::{
    Change, Document, Edit, REMEMBERED_FOR_MS, REMEMBERED_MAX, Remembered, Store, StoreError, check_sizes,
    judge,
};
use crate::clock::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The store in memory; nothing survives the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    shelves: Mutex<Shelves>,
}

type Name = (String, String);

#[derive(Debug, Default)]
struct Shelves {
    documents: BTreeMap<Name, Document>,
    versions: BTreeMap<Name, u64>,
    history: Vec<Change>,
    answers: BTreeMap<Name, Remembered>,
    answers_by_age: BTreeSet<(Timestamp, Name)>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Shelves {
    fn record(&mut self, name: &Name, body: Option<Arc<str>>, edit: Edit<'_>) -> u64 {
        let version = self.versions.entry(name.clone()).or_default();
        *version += 1;
        self.history.push(Change {
            revision: self.history.len() as u64 + 1,
            kind: name.0.clone(),
            id: name.1.clone(),
            version: *version,
            body,
            author: edit.author.to_owned(),
            at: edit.at,
        });
        *version
    }

    fn forget_old_answers(&mut self, now: Timestamp) {
        while let Some((at, name)) = self.answers_by_age.first().cloned() {
            let is_old = now.since_millis(at) > REMEMBERED_FOR_MS;
            if !is_old && self.answers.len() as u64 <= REMEMBERED_MAX {
                return;
            }
            self.answers_by_age.pop_first();
            self.answers.remove(&name);
        }
    }
}

impl Store for MemoryStore {
    fn put(&self, kind: &str, id: &str, body: &str, edit: Edit<'_>) -> Result<Document, StoreError> {
        check_sizes(kind, id, body)?;
        let mut shelves = self.shelves.lock();
        let name = (kind.to_owned(), id.to_owned());
        judge(edit.expect, shelves.documents.get(&name).map(|document| document.version))?;
        let body: Arc<str> = body.into();
        let version = shelves.record(&name, Some(Arc::clone(&body)), edit);
        let document =
            Document { kind: kind.to_owned(), id: id.to_owned(), version, body, updated_at: edit.at };
        shelves.documents.insert(name, document.clone());
        Ok(document)
    }

    fn get(&self, kind: &str, id: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.shelves.lock().documents.get(&(kind.to_owned(), id.to_owned())).cloned())
    }

    fn list(&self, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>, StoreError> {
        let shelves = self.shelves.lock();
        let from = (kind.to_owned(), after.unwrap_or_default().to_owned());
        Ok(shelves
            .documents
            .range(from..)
            .map(|(_, document)| document)
            .take_while(|document| document.kind == kind)
            .filter(|document| after != Some(&*document.id))
            .take(limit as usize)
            .cloned()
            .collect())
    }

    fn delete(&self, kind: &str, id: &str, edit: Edit<'_>) -> Result<(), StoreError> {
        let mut shelves = self.shelves.lock();
        let name = (kind.to_owned(), id.to_owned());
        let found = shelves.documents.get(&name).ok_or(StoreError::Missing)?.version;
        judge(edit.expect, Some(found))?;
        shelves.documents.remove(&name);
        shelves.record(&name, None, edit);
        Ok(())
    }

    fn changes_since(&self, revision: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let seen = usize::try_from(revision).unwrap_or(usize::MAX);
        Ok(self.shelves.lock().history.iter().skip(seen).take(limit as usize).cloned().collect())
    }

    fn revision(&self) -> Result<u64, StoreError> {
        Ok(self.shelves.lock().history.len() as u64)
    }

    fn remember(&self, answer: &Remembered) -> Result<Option<Remembered>, StoreError> {
        let mut shelves = self.shelves.lock();
        shelves.forget_old_answers(answer.at);
        let name = (answer.scope.clone(), answer.key.clone());
        if let Some(kept) = shelves.answers.get(&name) {
            return Ok(Some(kept.clone()));
        }
        shelves.answers_by_age.insert((answer.at, name.clone()));
        shelves.answers.insert(name, answer.clone());
        shelves.forget_old_answers(answer.at);
        Ok(None)
    }

    fn recall(&self, key: &str, scope: &str, now: Timestamp) -> Result<Option<Remembered>, StoreError> {
        let shelves = self.shelves.lock();
        let kept = shelves.answers.get(&(scope.to_owned(), key.to_owned()));
        Ok(kept.filter(|kept| now.since_millis(kept.at) <= REMEMBERED_FOR_MS).cloned())
    }
}
