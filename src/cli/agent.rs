//! `rushdesk agent`: agents without the web.

use super::{Context, Failure};
use crate::ident::{GroupId, SkillId};
use crate::settings::Secret;
use crate::signin::Role;
use clap::{Args, Subcommand};

/// What `rushdesk agent` can be asked.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Add an agent
    Add(AgentAddArgs),
    /// List all agents
    List,
    /// Disable an agent: signed out at once, held conversations go back to the queue
    Disable {
        /// Name to log in with
        login: String,
    },
    /// Set an agent's password, which signs the agent out everywhere
    Password(AgentPasswordArgs),
}

#[derive(Debug, Args)]
pub struct AgentAddArgs {
    /// Name to log in with
    pub login: String,
    /// Name that visitors and colleagues see; the login if left out
    #[arg(long)]
    pub name: Option<String>,
    /// agent, supervisor or admin
    #[arg(long, default_value = "agent")]
    pub role: Role,
    /// Groups, with commas between them
    #[arg(long, value_delimiter = ',', value_name = "ID,…")]
    pub groups: Vec<GroupId>,
    /// Skills with their levels 1 to 5, as refund=3,english=5
    #[arg(long, value_delimiter = ',', value_name = "NAME=LEVEL,…", value_parser = skill)]
    pub skills: Vec<(SkillId, u8)>,
    /// Languages (BCP 47), with commas between them
    #[arg(long, value_delimiter = ',', value_name = "TAG,…")]
    pub languages: Vec<String>,
    /// Conversations held at once; routing.capacity if left out
    #[arg(long, value_name = "SEATS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub capacity: Option<u32>,
    #[command(flatten)]
    pub password: NewPassword,
}

#[derive(Debug, Args)]
pub struct AgentPasswordArgs {
    /// Name to log in with
    pub login: String,
    #[command(flatten)]
    pub password: NewPassword,
}

/// Where a new password comes from; a random one is made and printed once where nothing is said.
#[derive(Debug, Args)]
pub struct NewPassword {
    /// Password (others on this machine may see it; --password-stdin keeps it private)
    #[arg(long, conflicts_with = "password_stdin")]
    pub password: Option<Secret>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
}

fn skill(text: &str) -> Result<(SkillId, u8), String> {
    let (name, level) = text.split_once('=').ok_or("write NAME=LEVEL, as refund=3")?;
    let name = SkillId::new(name).map_err(|error| error.to_string())?;
    match level.parse::<u8>() {
        Ok(level @ 1..=5) => Ok((name, level)),
        Ok(_) | Err(_) => Err(format!("`{level}` is no level: write 1 to 5")),
    }
}

/// Does what `rushdesk agent` was asked.
///
/// # Errors
/// The settings are wrong, or the store refuses.
pub fn run(_command: &AgentCommand, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("agent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skill_is_a_name_with_a_level() {
        assert_eq!(skill("refund=3"), Ok((SkillId::new("refund").unwrap(), 3)));
        for text in ["refund", "refund=0", "refund=6", "refund=x", "=3", "two words=3"] {
            assert!(skill(text).is_err(), "{text}");
        }
    }
}
