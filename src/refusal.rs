//! Refusals: what the desk says when it will not do something, with a stable code and a sentence for a person.
//!
//! Pure. The codes are the protocol's table (page section 3.4); how they look on a socket or in HTTP is `wire`'s
//! business. A refusal is not a failure of the desk and never a bug.

use crate::ident::ConversationId;
use std::borrow::Cow;

/// The stable codes of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    BadFrame,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    TooLarge,
    Reassigned,
    Expired,
    RateLimited,
    Overloaded,
    Unavailable,
    Closed,
    Blocked,
    AtCapacity,
}

/// A command that was not carried out, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: Code,
    pub message: Cow<'static, str>,
    /// When the same command with the same id may be tried again.
    pub retry_after_ms: Option<u64>,
    pub conversation: Option<ConversationId>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None, conversation: None }
    }

    #[must_use]
    pub const fn retry_after_ms(mut self, millis: u64) -> Self {
        self.retry_after_ms = Some(millis);
        self
    }

    #[must_use]
    pub const fn about(mut self, conversation: ConversationId) -> Self {
        self.conversation = Some(conversation);
        self
    }
}
