//! `rushdesk prune`: deletes what is old.

use super::office::existing_file;
use super::{Context, Failure, answer, answer_json, span};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::journal::sqlite::{Options, Sqlite};
use clap::Args;
use serde_json::json;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Age from the close on, as 90d, in seconds once read
    #[arg(long = "older-than", value_name = "SPAN", value_parser = span::seconds)]
    pub older_than_s: u64,
}

/// Deletes what is old. The desk must not run meanwhile: what it holds in memory would come back.
///
/// # Errors
/// The settings are wrong, a desk serves the store, or the store refuses.
pub fn run(args: &PruneArgs, context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    let path = existing_file(&settings)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let age_ms = args.older_than_s.saturating_mul(1_000);
    let closed_before = Timestamp::from_millis(clock.now().millis().saturating_sub(age_ms));
    let journal =
        Sqlite::open(path, Options::default(), clock).map_err(|error| Failure::Failed(error.to_string()))?;
    let removed = journal.prune(closed_before).map_err(Failure::Failed)?;
    journal.stop();
    if context.json() {
        answer_json(&json!({ "conversations": removed }))
    } else {
        answer(&format!("deleted {removed} conversations"))
    }
}
