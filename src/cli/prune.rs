//! `rushdesk prune`: deletes what is old.

use super::{Context, Failure, span};
use clap::Args;

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Age from the close on, as 90d, in seconds once read
    #[arg(long = "older-than", value_name = "SPAN", value_parser = span::seconds)]
    pub older_than_s: u64,
}

/// Deletes what is old.
///
/// # Errors
/// The settings are wrong, or the store refuses.
pub fn run(_args: &PruneArgs, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("prune"))
}
