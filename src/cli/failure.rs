//! How a command ends when it does not end well.

use crate::settings::SettingsError;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was asked rightly and could not: exit code 1.
    Failed(String),
    /// It was asked wrongly, or the settings are wrong: exit code 2.
    WrongUse(String),
    /// As `WrongUse`, and what is wrong already stands in the answer.
    WrongUseTold,
}

impl Failure {
    /// Says on standard error what is wrong, and gives the exit code.
    pub(super) fn tell(&self) -> ExitCode {
        match self {
            Self::Failed(message) => {
                eprintln!("rushdesk: {message}");
                ExitCode::from(1)
            }
            Self::WrongUse(message) => {
                eprintln!("rushdesk: {message}");
                ExitCode::from(2)
            }
            Self::WrongUseTold => ExitCode::from(2),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error.0.as_slice() {
            [one] => Self::WrongUse(format!("wrong setting: {one}")),
            several => {
                let lines: String = several.iter().map(|problem| format!("\n  {problem}")).collect();
                Self::WrongUse(format!("{} wrong settings:{lines}", several.len()))
            }
        }
    }
}
