//! The stored forms: what a store keeps of a conversation and of its entries, as versioned JSON text.
//!
//! They are types of their own (`serde` stays out of the domain), so that the domain can change without breaking what
//! lies on disk; a new version reads all older ones. Refuses to judge: what is read is a fact or a damaged record.

/// Turns a plain enum into stored names and back.
macro_rules! stored_names {
    ($to:ident, $from:ident, $domain:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        const fn $to(value: $domain) -> &'static str {
            match value { $($domain::$variant => $name),* }
        }
        fn $from(name: &str) -> Result<$domain, RecordError> {
            match name {
                $($name => Ok($domain::$variant),)*
                unknown => Err(RecordError(format!("`{unknown}` is not known here"))),
            }
        }
    };
}

pub(super) mod author;
mod closing;
mod content;
pub(super) mod event;
pub(super) mod state;
mod why;

use crate::ident::IdentError;

/// A stored record that cannot be read: the store is damaged or was written by a newer program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged record: {0}")]
pub(super) struct RecordError(pub(super) String);

impl From<IdentError> for RecordError {
    fn from(error: IdentError) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for RecordError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}
