//! `rushdesk backup`: copies the store while the desk runs.

use super::place::{Place, failed};
use super::{Context, Failure, answer, answer_json};
use crate::journal::sqlite;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// File to write; must not exist
    pub file: PathBuf,
}

/// Copies the store.
///
/// # Errors
/// The settings are wrong, or the copy cannot be made.
pub fn run(args: &BackupArgs, context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    match Place::existing(&settings)? {
        Place::File(path) => sqlite::backup(&path, &args.file).map_err(failed)?,
        Place::Database(address) => {
            return Err(Failure::WrongUse(format!(
                "`{address}` is copied by PostgreSQL's own tools: use pg_dump"
            )));
        }
    }
    let file = args.file.display().to_string();
    if context.json() { answer_json(&json!({ "file": file })) } else { answer(&format!("wrote {file}")) }
}
