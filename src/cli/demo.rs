//! `rushdesk demo`: a node with a sample shop, simulated shoppers and agents.

use super::{Context, Failure};
use clap::Args;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Shoppers who arrive in a minute
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub arrivals_per_min: u32,
    /// Simulated agents
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub agents: u32,
    /// Seconds between two bursts; 0 means none
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub burst_every_s: u32,
}

/// Runs the sample shop until it is told to stop.
///
/// # Errors
/// The settings are wrong, or the node cannot run.
pub fn run(_args: &DemoArgs, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("demo"))
}
