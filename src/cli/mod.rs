//! The command line: what a person or a script types, and the exit code that answers.
//!
//! One file per command group: its arguments and a thin function. What a command answers goes to standard output
//! (`answer`), everything else to standard error. Exit codes: 0 fine, 1 failed, 2 wrong use or wrong settings
//! (`failure`). Without a command the desk serves.
//!
//! Never here: what a command does beyond reading its arguments and writing its answer.

pub mod agent;
mod answer;
mod arguments;
pub mod audit;
pub mod backup;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod document;
mod failure;
pub mod group;
mod healthcheck;
pub mod ladder;
pub mod migrate;
pub mod node;
mod office;
mod place;
pub mod prune;
pub mod serve;
mod span;
pub mod token;

pub use answer::{answer, answer_json};
pub use arguments::{Context, SettingsArgs};
pub use failure::Failure;

use crate::clock::{Clock, SystemClock};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// An online customer-service desk: shoppers and agents talk over WebSocket, assigned by priority.
#[derive(Debug, Parser)]
#[command(name = "rushdesk", version, about, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node (the same as no command at all)
    Serve(serve::ServeArgs),
    /// Run a node with a sample shop and simulated shoppers and agents
    ///
    /// Its store is ./data/demo.db, beside the shop's own: it is kept, and the next demo goes on with it. Delete it (and
    /// demo.db-* beside it) to begin afresh, or give --store memory to keep nothing. A --store of yours is used as it is.
    Demo(demo::DemoArgs),
    /// Check the settings, or print the documented default file
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Bring the store's schema up to date
    Migrate,
    /// Add, list and disable agents, and set their passwords
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Add, list and remove groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// List the nodes of a cluster, and ask one to leave
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Show the burst ladder, hold it at a level, or let it move by itself
    #[command(subcommand)]
    Ladder(ladder::LadderCommand),
    /// Sign tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Copy the store to FILE while the desk runs
    Backup(backup::BackupArgs),
    /// Delete closed conversations older than a given age, also while the desk runs
    Prune(prune::PruneArgs),
    /// Ask the desk at server.listen whether it is ready: exit 0 if it is, 1 if not
    Healthcheck,
    /// Print the OpenAPI document of the HTTP interface
    Openapi,
    /// Print the AsyncAPI document of the WebSocket interface
    Asyncapi,
    /// Check the environment and say what to mend
    Doctor,
    /// Check what the store holds against the desk's invariants
    Audit(audit::AuditArgs),
}

/// Reads the process's arguments, does what they say, and answers with the exit code.
pub fn main() -> ExitCode {
    let matches = SettingsArgs::everywhere(Cli::command()).get_matches();
    let read = SettingsArgs::of_all_levels(&matches)
        .and_then(|settings| Ok((settings, Cli::from_arg_matches(&matches)?)));
    let (settings, cli) = read.unwrap_or_else(|error| error.exit());
    let command = cli.command.unwrap_or_else(|| Command::Serve(serve::ServeArgs::default()));
    match run(command, &Context::new(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(&args, context),
        Command::Demo(args) => demo::run(&args, context),
        Command::Config(command) => config::run(&command, context),
        Command::Migrate => migrate::run(context),
        Command::Agent(command) => agent::run(command, context),
        Command::Group(command) => group::run(command, context),
        Command::Node(command) => node::run(command, context),
        Command::Ladder(command) => ladder::run(command, context),
        Command::Token(token::TokenCommand::Visitor(args)) => {
            token::visitor(&args, context, SystemClock::default().now())
        }
        Command::Backup(args) => backup::run(&args, context),
        Command::Prune(args) => prune::run(&args, context),
        Command::Healthcheck => healthcheck::run(context),
        Command::Openapi => document::openapi(),
        Command::Asyncapi => document::asyncapi(),
        Command::Doctor => doctor::run(context),
        Command::Audit(args) => audit::run(&args, context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        SettingsArgs::everywhere(Cli::command()).debug_assert();
    }
}
