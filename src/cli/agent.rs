//! `rushdesk agent`: agents without the web.

use super::office::Office;
use super::{Context, Failure, answer, answer_json};
use crate::desk::directory::record::AgentRecord;
use crate::ident::{GroupId, SkillId};
use crate::settings::Secret;
use crate::signin::{Role, chance};
use crate::wire::rest::{AgentBody, AgentPatch, SkillLevel};
use clap::{Args, Subcommand};
use serde_json::json;

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
    /// Conversations held at once, 1 to 200; routing.capacity if left out
    #[arg(long, value_name = "SEATS", value_parser = clap::value_parser!(u32).range(1..=200))]
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
    /// Password, better of 8 characters or more (others on this machine may see it; --password-stdin keeps it private)
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
pub fn run(command: AgentCommand, context: &Context) -> Result<(), Failure> {
    let office = Office::open(context)?;
    match command {
        AgentCommand::Add(args) => add(args, &office, context),
        AgentCommand::List => list(&office, context),
        AgentCommand::Disable { login } => {
            let agent = known(&office, &login)?;
            let patch = AgentPatch { disabled: Some(true), ..AgentPatch::default() };
            office.administration.change_agent(agent.id, patch, None, office.editor())?;
            tell(context, &json!({ "login": login, "disabled": true }), &format!("disabled {login}"))
        }
        AgentCommand::Password(args) => {
            let agent = known(&office, &args.login)?;
            let password = chosen(&args.password)?;
            let hash = office.administration.hash(&password.text)?;
            let patch = AgentPatch { password: Some(password.text), ..AgentPatch::default() };
            let set = json!({ "login": args.login, "password": password.made });
            office.administration.change_agent(agent.id, patch, Some(hash), office.editor())?;
            let told = password.made.map_or_else(String::new, |made| format!("; the password is {made}"));
            tell(context, &set, &format!("set the password of {}{told}", args.login))
        }
    }
}

fn add(args: AgentAddArgs, office: &Office, context: &Context) -> Result<(), Failure> {
    let password = chosen(&args.password)?;
    let level =
        |level: u8| SkillLevel::try_from(level).map_err(|reason| Failure::WrongUse(reason.to_owned()));
    let skills = args.skills.into_iter().map(|(skill, given)| Ok((skill, level(given)?)));
    let languages = args.languages.into_iter().map(|language| fit("--languages", language));
    let hash = office.administration.hash(&password.text)?;
    let body = AgentBody {
        name: fit("--name", args.name.unwrap_or_else(|| args.login.clone()))?,
        login: fit("the login", args.login)?,
        password: password.text,
        role: args.role.into(),
        groups: args.groups,
        skills: skills.collect::<Result<_, Failure>>()?,
        languages: languages.collect::<Result<_, Failure>>()?,
        capacity: args.capacity,
    };
    let added = office.administration.add_agent(body, hash, office.editor())?;
    let answer = json!({ "id": added.id.to_string(), "login": added.login, "password": password.made });
    let told = password.made.map_or_else(String::new, |made| format!("; the password is {made}"));
    tell(context, &answer, &format!("added {} ({}){told}", added.login, added.id))
}

fn list(office: &Office, context: &Context) -> Result<(), Failure> {
    let agents = office.administration.agents()?;
    if context.json() {
        let shown = agents.iter().map(|agent| {
            json!({
                "id": agent.id.to_string(),
                "login": agent.login,
                "name": agent.name,
                "role": Role::from(agent.role).as_str(),
                "groups": agent.groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "capacity": agent.capacity,
                "disabled": agent.disabled,
            })
        });
        return answer_json(&shown.collect());
    }
    let lines = agents.iter().map(|agent| {
        let groups: Vec<String> = agent.groups.iter().map(ToString::to_string).collect();
        let disabled = if agent.disabled { "  disabled" } else { "" };
        let role = Role::from(agent.role);
        format!("{}  {role}  {} seats  {}{disabled}", agent.login, agent.capacity, groups.join(","))
    });
    answer(&lines.collect::<Vec<_>>().join("\n"))
}

fn known(office: &Office, login: &str) -> Result<AgentRecord, Failure> {
    let found = office.administration.agents()?.into_iter().find(|agent| agent.login == login);
    found.ok_or_else(|| Failure::Failed(format!("there is no agent with the login `{login}`")))
}

fn tell(context: &Context, json: &serde_json::Value, text: &str) -> Result<(), Failure> {
    if context.json() { answer_json(json) } else { answer(text) }
}

fn fit<T: TryFrom<String, Error = String>>(what: &str, text: String) -> Result<T, Failure> {
    T::try_from(text).map_err(|reason| Failure::WrongUse(format!("{what}: {reason}")))
}

struct ChosenPassword {
    text: String,
    /// The same, where it was made here and is to be shown.
    made: Option<String>,
}

fn chosen(wish: &NewPassword) -> Result<ChosenPassword, Failure> {
    if let Some(given) = &wish.password {
        return Ok(ChosenPassword { text: given.expose().to_owned(), made: None });
    }
    if wish.password_stdin {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .map_err(|error| Failure::Failed(format!("standard input cannot be read: {error}")))?;
        let text = line.trim_end_matches(['\r', '\n']).to_owned();
        return Ok(ChosenPassword { text, made: None });
    }
    let made = chance::fresh_password().map_err(Failure::Failed)?;
    Ok(ChosenPassword { text: made.clone(), made: Some(made) })
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
