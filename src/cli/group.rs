//! `rushdesk group`: groups without the web.

use super::office::Office;
use super::{Context, Failure, answer, answer_json};
use crate::ident::{DomainId, GroupId};
use crate::wire::rest::{AcceptMode, AgentPolicy, GroupBody, GroupResource, Line};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub queue_ceiling: Option<u64>,
    /// Routing domain: the groups that share agents; `default` if left out
    #[arg(long, value_name = "NAME")]
    pub domain: Option<DomainId>,
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
pub fn run(command: GroupCommand, context: &Context) -> Result<(), Failure> {
    let office = Office::open(context)?;
    match command {
        GroupCommand::Add(args) => add(args, &office, context),
        GroupCommand::List => list(&office, context),
        GroupCommand::Remove { id } => remove(&id, &office, context),
    }
}

fn add(args: GroupAddArgs, office: &Office, context: &Context) -> Result<(), Failure> {
    let name = args.name.unwrap_or_else(|| args.id.to_string());
    let body = GroupBody {
        name: Line::try_from(name).map_err(|reason| Failure::WrongUse(format!("--name: {reason}")))?,
        id: args.id,
        policy: Some(match args.policy {
            Policy::LongestIdle => AgentPolicy::LongestIdle,
            Policy::LeastLoaded => AgentPolicy::LeastLoaded,
            Policy::RoundRobin => AgentPolicy::RoundRobin,
            Policy::BestSkill => AgentPolicy::BestSkill,
        }),
        accept: Some(match args.accept {
            Accept::Auto => AcceptMode::Auto,
            Accept::Manual => AcceptMode::Manual,
        }),
        offer_s: args.offer_s,
        queue_ceiling: args.queue_ceiling.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        overflow: None,
        hours: None,
        service_level: None,
        bump: None,
        wrap_up_s: None,
        abandon_s: None,
        pick: None,
        public: None,
        domain: args.domain,
    };
    let added = office.administration.add::<GroupResource>(body, office.editor())?;
    if context.json() { answer_json(&json!(added)) } else { answer(&format!("added {}", added.id)) }
}

fn list(office: &Office, context: &Context) -> Result<(), Failure> {
    let groups = office.administration.all::<GroupResource>()?;
    if context.json() {
        return answer_json(&json!(groups));
    }
    let lines: Vec<String> = groups.iter().map(|group| format!("{}  {}", group.id, group.name)).collect();
    answer(&lines.join("\n"))
}

fn remove(id: &GroupId, office: &Office, context: &Context) -> Result<(), Failure> {
    let waiting = office.place.waiting_in(id)?;
    if waiting > 0 {
        return Err(Failure::Failed(format!(
            "conversations wait in group `{id}` ({waiting}): transfer or close them first"
        )));
    }
    office.administration.remove::<GroupResource>(id.as_str(), office.editor())?;
    office.administration.leave_group(id, office.editor())?;
    if context.json() {
        answer_json(&json!({ "id": id.to_string(), "removed": true }))
    } else {
        answer(&format!("removed {id}"))
    }
}
