//! The judge: reads the players' notes while they play, and afterwards every conversation's log, and gives the verdict.
//!
//! Logs are read over REST with an account that may see everything, so the judge too knows the desk from outside only.

use super::history::{Checker, Limits, LogEntry, Verdict};
use super::http::{Http, HttpError};
use super::sighting::{self, UnreadableEntry};
use super::stage::{Note, Record};
use super::target::Target;
use crate::ident::ConversationId;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

const PAGE: usize = 500;
/// Entries of one conversation; a play of ours never comes near.
const LOG_ENTRIES: usize = 1_000_000;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum NoVerdict {
    #[error("the log of {conversation} cannot be read: {why}")]
    Http { conversation: ConversationId, why: HttpError },
    #[error(transparent)]
    Entry(#[from] UnreadableEntry),
    #[error("the page of entries of {0} is not {{items, next}}")]
    Page(ConversationId),
    #[error("the judge stopped reading: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// A judge at work.
#[derive(Debug)]
pub struct Judge {
    reading: JoinHandle<Checker>,
    over: oneshot::Sender<()>,
}

impl Judge {
    /// A judge who reads what is written into the returned record.
    pub fn start(limits: Limits) -> (Self, Record) {
        let (record, notes) = Record::kept();
        let (over, ended) = oneshot::channel();
        let reading = tokio::spawn(read_notes(Checker::new(limits), notes, ended));
        (Self { reading, over }, record)
    }

    /// Reads all logs and judges, once everybody has written down what there was.
    ///
    /// # Errors
    /// A log cannot be read back.
    pub async fn verdict(self, target: Target, token: &str) -> Result<Verdict, NoVerdict> {
        // Dropping it is the word: the reader ends by it, or has ended with the last record.
        drop(self.over);
        let mut checker = self.reading.await?;
        let conversations: Vec<ConversationId> = checker.unsettled().collect();
        let mut http = Http::new(target);
        for conversation in conversations {
            let log = match read_log(&mut http, token, conversation).await {
                // Clients saw it and the desk does not know it: what they were told of it is lost.
                Err(NoVerdict::Http { why: HttpError::Refused { status: 404, .. }, .. }) => Vec::new(),
                log => log?,
            };
            checker.settle(conversation, &log);
        }
        Ok(checker.finish())
    }
}

async fn read_notes(
    mut checker: Checker,
    mut notes: mpsc::Receiver<Note>,
    mut ended: oneshot::Receiver<()>,
) -> Checker {
    loop {
        // What was written before the end counts: the end is looked at last.
        let note = tokio::select! {
            biased;
            note = notes.recv() => note,
            _ = &mut ended => return checker,
        };
        match note {
            Some(Note::Saw(observed)) => checker.observe(observed),
            Some(Note::Capacity { agent, since_ms, seats }) => checker.capacity(agent, since_ms, seats),
            None => return checker,
        }
    }
}

/// The whole log of a conversation, as the desk sees it.
///
/// # Errors
/// The desk refuses or answers what is no log.
pub async fn read_log(
    http: &mut Http,
    token: &str,
    conversation: ConversationId,
) -> Result<Vec<LogEntry>, NoVerdict> {
    let mut log: Vec<LogEntry> = Vec::new();
    while log.len() < LOG_ENTRIES {
        let after = log.last().map_or(0, |entry| entry.seq);
        let path = format!("/api/v1/conversations/{conversation}/entries?after={after}&limit={PAGE}");
        let page = http.get(&path, Some(token)).await.map_err(|why| NoVerdict::Http { conversation, why })?;
        let items = page.get("items").and_then(Value::as_array).ok_or(NoVerdict::Page(conversation))?;
        for item in items {
            log.push(sighting::log_entry(conversation, &item.to_string())?);
        }
        if items.is_empty() || page.get("next").is_none_or(Value::is_null) {
            break;
        }
    }
    Ok(log)
}
