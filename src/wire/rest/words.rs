//! Texts of request bodies, checked for length and control characters while they are read.

use crate::wire::limits::{LINE_BYTES, WORD_BYTES};
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use utoipa::ToSchema;

/// Longest text of several lines (canned answers, comments, notes) in a request body.
const LINES_BYTES: usize = 8 * 1024;

fn checked(text: String, most_bytes: usize, may_break: bool) -> Result<String, String> {
    if text.is_empty() || text.len() > most_bytes {
        return Err(format!("text of 1 to {most_bytes} bytes is taken, not of {}", text.len()));
    }
    let refused = |c: &char| c.is_ascii_control() && !(may_break && matches!(c, '\n' | '\r' | '\t'));
    match text.chars().find(refused) {
        Some(c) => Err(format!("the control character U+{:04X} is not taken", u32::from(c))),
        None => Ok(text),
    }
}

macro_rules! checked_text {
    ($($(#[$doc:meta])* $name:ident, $most_bytes:expr, $may_break:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
            #[serde(try_from = "String", into = "String")]
            pub struct $name(String);

            impl TryFrom<String> for $name {
                type Error = String;
                fn try_from(text: String) -> Result<Self, String> {
                    checked(text, $most_bytes, $may_break).map(Self)
                }
            }

            impl From<$name> for String {
                fn from(text: $name) -> Self {
                    text.0
                }
            }

            impl Deref for $name {
                type Target = str;
                fn deref(&self) -> &str {
                    &self.0
                }
            }
        )*
    };
}

checked_text! {
    /// A short text that is matched, not read: 1 to 128 bytes on one line.
    Word, WORD_BYTES, false;
    /// 1 to 500 bytes on one line.
    Line, LINE_BYTES, false;
    /// 1 to 8192 bytes, with line breaks.
    Lines, LINES_BYTES, true;
}
