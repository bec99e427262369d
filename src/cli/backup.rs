//! `rushdesk backup`: copies the store while the desk runs.

use super::{Context, Failure};
use clap::Args;
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
pub fn run(_args: &BackupArgs, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("backup"))
}
