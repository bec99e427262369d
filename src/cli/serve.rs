//! `rushdesk serve`: runs a node.

use super::{Context, Failure};
use clap::Args;

#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Bring the schema of a PostgreSQL store up to date at the start (SQLite always is)
    #[arg(long)]
    pub migrate: bool,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// The settings are wrong, or the node cannot run.
pub fn run(_args: &ServeArgs, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("serve"))
}
