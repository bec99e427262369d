//! Where the truth lives, as a typed address.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// A store that this version can open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreUrl {
    /// Nothing survives the process; for trials and tests.
    Memory,
    /// One file of the embedded store.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Reads `memory` or `sqlite://PATH`.
    ///
    /// # Errors
    /// A sentence that says what may stand here.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "write \"sqlite://PATH\" (as sqlite://./data/rushdesk.db) or \"memory\"";
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Err(format!(
                "PostgreSQL carries a cluster, and this version runs on a single machine only; {ALLOWED}"
            ));
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if path.is_empty() || path.ends_with('/') => Err(format!("names no file; {ALLOWED}")),
            Some(path) if path.contains('?') => Err(format!("takes no parameters after `?`; {ALLOWED}")),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None => Err(format!("is no store that the desk knows; {ALLOWED}")),
        }
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_store_is_read_and_written_back() {
        for (text, expected) in [
            ("memory", StoreUrl::Memory),
            ("sqlite://./data/desk.db", StoreUrl::Sqlite("./data/desk.db".into())),
            ("sqlite:///var/lib/desk.db", StoreUrl::Sqlite("/var/lib/desk.db".into())),
        ] {
            assert_eq!(StoreUrl::parse(text), Ok(expected.clone()));
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn what_names_none_is_refused_with_what_to_write() {
        for text in [
            "",
            "sqlite://",
            "sqlite:///data/",
            "sqlite://a.db?mode=ro",
            "mysql://x",
            "./a.db",
            "postgres://h/d",
        ] {
            let refusal = StoreUrl::parse(text).unwrap_err();
            assert!(refusal.contains("sqlite://PATH"), "{text}: {refusal}");
        }
        assert!(StoreUrl::parse("postgres://h/d").unwrap_err().contains("single machine"));
    }
}
