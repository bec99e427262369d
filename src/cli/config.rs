//! `rushdesk config`: what is in force, and what there is to choose.

use super::{Context, Failure, answer, answer_json};
use crate::settings::{DEFAULT_FILE, Loaded, SettingsError};
use clap::Subcommand;
use serde_json::json;

/// What `rushdesk config` can be asked.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Load and cross-check the settings, and print each with its origin, secrets masked
    Check,
    /// Print the documented default file
    Default,
}

/// Does what `rushdesk config` was asked.
///
/// # Errors
/// The settings are wrong, or the answer cannot be written.
pub fn run(command: &ConfigCommand, context: &Context) -> Result<(), Failure> {
    match command {
        ConfigCommand::Default => answer(DEFAULT_FILE.trim_end()),
        ConfigCommand::Check => match context.load() {
            Ok(loaded) if context.json() => answer_json(&fine(&loaded)),
            Ok(loaded) => show(&loaded),
            Err(error) if context.json() => {
                answer_json(&wrong(&error))?;
                Err(Failure::WrongUseTold)
            }
            Err(error) => Err(error.into()),
        },
    }
}

fn show(loaded: &Loaded) -> Result<(), Failure> {
    let lines: Vec<String> = loaded.effective.iter().map(ToString::to_string).collect();
    answer(&lines.join("\n"))?;
    for notice in &loaded.notices {
        eprintln!("rushdesk: {notice}");
    }
    Ok(())
}

fn fine(loaded: &Loaded) -> serde_json::Value {
    let settings: Vec<_> = loaded
        .effective
        .iter()
        .map(|setting| json!({ "key": setting.key, "value": setting.value, "origin": setting.origin }))
        .collect();
    json!({ "ok": true, "settings": settings, "notices": loaded.notices })
}

fn wrong(error: &SettingsError) -> serde_json::Value {
    let problems: Vec<_> = error
        .0
        .iter()
        .map(|problem| json!({ "key": problem.key, "origin": problem.origin, "message": problem.message }))
        .collect();
    json!({ "ok": false, "problems": problems })
}
