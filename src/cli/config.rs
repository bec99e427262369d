//! `rushdesk config`: what is in force, and what there is to choose.

use super::{Context, Failure, answer, answer_json};
use crate::settings::{DEFAULT_FILE, DEFAULT_ORIGIN, Loaded, SettingsError};
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
            Err(error) => {
                Failure::from(error).tell();
                eprintln!("not fine: the desk does not start with these settings");
                Err(Failure::WrongUseTold)
            }
        },
    }
}

fn show(loaded: &Loaded) -> Result<(), Failure> {
    for notice in &loaded.notices {
        eprintln!("rushdesk: {notice}");
    }
    let mut lines: Vec<String> = loaded.effective.iter().map(ToString::to_string).collect();
    lines.push(verdict(loaded));
    answer(&lines.join("\n"))
}

/// A comment, so that what is printed stays a settings file.
fn verdict(loaded: &Loaded) -> String {
    let all = loaded.effective.len();
    let chosen = loaded.effective.iter().filter(|setting| setting.origin != DEFAULT_ORIGIN).count();
    let notices = match loaded.notices.len() {
        0 => String::new(),
        count => format!(", {count} worth a look (see above)"),
    };
    format!("# fine: {all} settings are in force, {chosen} of them chosen and the others default{notices}")
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
