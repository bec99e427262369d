//! `rushdesk group`: groups without the web.

use super::{Context, Failure};
use crate::ident::GroupId;
use clap::{Args, Subcommand, ValueEnum};

/// What `rushdesk group` can be asked.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Add a group
    Add(GroupAddArgs),
    /// List all groups
    List,
    /// Remove a group in which nobody waits
    Remove { id: GroupId },
}

#[derive(Debug, Args)]
pub struct GroupAddArgs {
    /// Short name that rules and requests use
    pub id: GroupId,
    /// Name that people see; the id if left out
    #[arg(long)]
    pub name: Option<String>,
    /// Which of the free agents is next
    #[arg(long, value_enum, default_value_t = Policy::LongestIdle)]
    pub policy: Policy,
    /// Whether agents accept each offer by hand
    #[arg(long, value_enum, default_value_t = Accept::Auto)]
    pub accept: Accept,
    /// Seconds to accept an offer; routing.offer_s if left out
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub offer_s: Option<u64>,
    /// Conversations that may wait; routing.queue_ceiling if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub queue_ceiling: Option<u64>,
}

/// Which of several free agents gets a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Policy {
    LongestIdle,
    LeastLoaded,
    RoundRobin,
    BestSkill,
}

/// Whether an offer is accepted by the agent or by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Accept {
    Auto,
    Manual,
}

/// Does what `rushdesk group` was asked.
///
/// # Errors
/// The settings are wrong, or the store refuses.
pub fn run(_command: &GroupCommand, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("group"))
}
