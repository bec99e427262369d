//! What is in force, key by key, as `config check` shows it.

use std::fmt;

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// `section.key`.
    pub key: &'static str,
    /// In TOML, secrets masked.
    pub value: String,
    /// `default`, `file PATH`, `environment NAME` or `flag --NAME`.
    pub origin: String,
}

impl fmt::Display for Effective {
    /// One line of TOML, with the origin as its comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.origin)
    }
}
