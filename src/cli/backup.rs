//! `rushdesk backup`: copies the store while the desk runs.

use super::office::existing_file;
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
    let path = existing_file(&settings)?;
    sqlite::backup(path, &args.file).map_err(|error| Failure::Failed(error.to_string()))?;
    let file = args.file.display().to_string();
    if context.json() { answer_json(&json!({ "file": file })) } else { answer(&format!("wrote {file}")) }
}
