//! Where the truth lives, as a typed address.

use super::secret::{Secret, mask_url};
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
    /// A database on a PostgreSQL server: the whole URL, which may hold a password.
    Postgres(Secret),
}

impl StoreUrl {
    /// Reads `memory`, `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// A sentence that says what may stand here.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "write \"sqlite://PATH\" (as sqlite://./data/rushdesk.db), \
                               \"postgres://USER:PASSWORD@HOST:PORT/DATABASE\" or \"memory\"";
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            return match names_a_server(rest) {
                true => Ok(Self::Postgres(Secret::new(text))),
                false => Err(format!("names no server; {ALLOWED}")),
            };
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if path.is_empty() || path.ends_with('/') => Err(format!("names no file; {ALLOWED}")),
            Some(path) if path.contains('?') => Err(format!("takes no parameters after `?`; {ALLOWED}")),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None => Err(format!("is no store that the desk knows; {ALLOWED}")),
        }
    }
}

/// Whether a host stands where it belongs, or among the parameters; the adapter reads the rest.
fn names_a_server(rest: &str) -> bool {
    let place = rest.rsplit_once('@').map_or(rest, |(_user, place)| place);
    let (place, parameters) = place.split_once('?').unwrap_or((place, ""));
    !(place.is_empty() || place.starts_with('/'))
        || parameters.split('&').any(|one| one.starts_with("host=") || one.starts_with("hostaddr="))
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
            Self::Postgres(url) => f.write_str(&mask_url(url.expose())),
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
            "postgres://",
            "postgres:///d",
            "postgres://desk:secret@/d",
        ] {
            let refusal = StoreUrl::parse(text).unwrap_err();
            assert!(refusal.contains("sqlite://PATH"), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_database_is_kept_whole_and_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://desk:geheim@db:5432/shop", "postgres://desk:********@db:5432/shop"),
            ("postgresql://db/shop?sslmode=disable", "postgresql://db/shop?sslmode=disable"),
            ("postgres:///shop?host=/run/postgresql", "postgres:///shop?host=/run/postgresql"),
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(url, StoreUrl::Postgres(text.into()));
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("geheim"));
        }
    }
}
