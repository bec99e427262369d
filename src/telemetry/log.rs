//! Logs: one line each on standard error, as text for people or as JSON for machines.
//!
//! Standard output is kept for what a command answers.

use std::io::IsTerminal;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("is no format of logs; write \"text\" or \"json\"".to_owned()),
        }
    }
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Whether `level` is a level, or a filter as `info,rushdesk::routing=debug`.
///
/// # Errors
/// A sentence that says what may stand here.
pub fn check_level(level: &str) -> Result<(), String> {
    // A bare word that is no level would be taken for the name of a module and silence everything else.
    let plain = level.split(',').filter(|part| !part.contains('='));
    let unknown = plain.map(str::trim).find(|part| !LEVELS.contains(part) && *part != "off");
    let allowed = "write error, warn, info, debug or trace, or a filter as info,rushdesk::routing=debug";
    match unknown {
        Some(_) => Err(format!("is no level; {allowed}")),
        None => EnvFilter::builder()
            .parse(level)
            .map(drop)
            .map_err(|error| format!("is no filter ({error}); {allowed}")),
    }
}

/// Writes an error line for each malformed request head: any stranger could fill the disk with them.
const LOUD: &str = "actix_http::h1::dispatcher";

/// The filter of `level`, without what strangers can make the server write; `debug` and `trace` show that too.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let plain = |part: &str| part.trim() == "debug" || part.trim() == "trace";
    let all_shown = level.split(',').any(plain) || level.contains("actix_http");
    let directives = if all_shown { level.to_owned() } else { format!("{level},{LOUD}=off") };
    EnvFilter::builder().parse(directives).map_err(|error| error.to_string())
}

/// Starts logging to standard error for the rest of the process.
///
/// # Errors
/// `level` is none (see `check_level`), or logging was started before.
pub fn start(level: &str, format: Format) -> Result<(), String> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        Format::Text => lines.finish().try_init(),
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_known_and_misspelt_levels_are_not_taken_for_modules() {
        for (level, known) in [
            ("info", true),
            ("off", true),
            ("warn,rushdesk::routing=debug", true),
            ("rushdesk=trace", true),
            ("", false),
            ("infoo", false),
            ("rushdesk", false),
            ("rushdesk=loud", false),
        ] {
            assert_eq!(check_level(level).is_ok(), known, "{level}");
        }
    }
}
