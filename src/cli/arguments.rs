//! What every command understands: where settings come from, and whether a program reads the answer.

use super::Failure;
use crate::settings::{self, Flag, Loaded, SettingsError, Sources};
use crate::telemetry::log;
use clap::{ArgMatches, Args, FromArgMatches};
use std::path::PathBuf;

/// The spellings of settings on the command line.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Settings and answers")]
pub struct SettingsArgs {
    /// Settings file (TOML); may be given several times, a later one wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// One setting, as server.listen=0.0.0.0:80; may be given several times
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Short for --set server.listen=ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Short for --set store.url=URL
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

impl SettingsArgs {
    /// Gives these arguments to `command` and to all commands below it, so that they may stand anywhere.
    /// (Clap's own global arguments would drop those of an upper level where a lower one repeats them.)
    pub(super) fn everywhere(command: clap::Command) -> clap::Command {
        let about = (command.get_about().cloned(), command.get_long_about().cloned());
        let mut command = Self::augment_args(command).mut_subcommands(Self::everywhere);
        if let Some(short) = about.0 {
            command = command.about(short);
        }
        if let Some(long) = about.1 {
            command = command.long_about(long);
        }
        command
    }

    /// What stands at any level; the lower levels come later and so win.
    pub(super) fn of_all_levels(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::from_arg_matches(matches)?;
        if let Some((_, below)) = matches.subcommand() {
            let below = Self::of_all_levels(below)?;
            given.config.extend(below.config);
            given.set.extend(below.set);
            given.listen = below.listen.or(given.listen);
            given.store = below.store.or(given.store);
            given.json |= below.json;
        }
        Ok(given)
    }
}

/// What a command needs beside its own arguments. Holds secrets that were given as flags, so it cannot be printed.
pub struct Context {
    arguments: SettingsArgs,
}

impl Context {
    pub(super) fn new(arguments: SettingsArgs) -> Self {
        Self { arguments }
    }

    /// Whether a program reads the answer.
    pub fn json(&self) -> bool {
        self.arguments.json
    }

    /// The settings in force.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self) -> Result<Loaded, SettingsError> {
        settings::load(&Sources {
            files: self.arguments.config.clone(),
            environment: settings::process_environment(),
            flags: self.flags(),
        })
    }

    /// The settings in force, with logging started as they say and their notices logged.
    ///
    /// # Errors
    /// `WrongUse` with everything that is wrong with the settings.
    pub fn load_and_log(&self) -> Result<Loaded, Failure> {
        let loaded = self.load()?;
        log::start(&loaded.settings.log.level, loaded.settings.log.format)
            .map_err(|error| Failure::Failed(format!("logging could not be started: {error}")))?;
        for notice in &loaded.notices {
            tracing::warn!("{notice}");
        }
        Ok(loaded)
    }

    fn flags(&self) -> Vec<Flag> {
        let set = self.arguments.set.iter().map(|(key, value)| Flag {
            key: key.clone(),
            value: value.clone(),
            spelling: format!("--set {key}"),
        });
        let short = [
            ("--listen", "server.listen", &self.arguments.listen),
            ("--store", "store.url", &self.arguments.store),
        ];
        let short = short.into_iter().filter_map(|(spelling, key, value)| {
            value.clone().map(|value| Flag { key: key.to_owned(), value, spelling: spelling.to_owned() })
        });
        set.chain(short).collect()
    }
}

/// Reads `name=value`.
pub(super) fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        Some(_) | None => Err("write name=value".to_owned()),
    }
}
