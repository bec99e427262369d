//! The one vocabulary of "no": why something asked for was not done, and whether asking again helps.
//!
//! Pure, so that every room can refuse in the same words: a socket says it as an `error` frame (`wire::server`), HTTP
//! as problem details (`wire::problem`). A refusal is an answer, not a failure: bugs and broken disks are other types.

use crate::ident::ConversationId;
use std::borrow::Cow;
use std::fmt;

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Never: the answer will be the same.
    Never,
    /// Only after the request itself has been mended.
    Mended,
    /// The same request with the same `id`, once `retry_after_ms` has passed.
    Later,
}

/// Why something was refused (protocol 8). The names are a contract with every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl Code {
    pub const ALL: [Self; 14] = [
        Self::BadFrame,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::Reassigned,
        Self::Expired,
        Self::RateLimited,
        Self::Overloaded,
        Self::Unavailable,
        Self::Closed,
        Self::Blocked,
        Self::AtCapacity,
    ];

    /// The protocol's name of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Reassigned => "reassigned",
            Self::Expired => "expired",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Closed => "closed",
            Self::Blocked => "blocked",
            Self::AtCapacity => "at_capacity",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    pub const fn retry(self) -> Retry {
        match self {
            Self::BadFrame | Self::TooLarge | Self::Blocked => Retry::Mended,
            Self::RateLimited | Self::Overloaded | Self::Unavailable => Retry::Later,
            Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::Reassigned
            | Self::Expired
            | Self::Closed
            | Self::AtCapacity => Retry::Never,
        }
    }

    /// What the client shall do, in one sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::BadFrame => "Mend the request: the message names the field and what it takes.",
            Self::Unauthenticated => "Sign in: with a login and its password, or with a fresh token.",
            Self::Forbidden => "Ask somebody with the right role; repeating changes nothing.",
            Self::NotFound => "Check the identifier; it does not exist or is not yours to see.",
            Self::Conflict => "Take another id or name, or first mend what the detail names.",
            Self::TooLarge => "Send less: the message names the limit.",
            Self::Reassigned => "Look at the conversation's present assignee before acting again.",
            Self::Expired => "Let the offer go; wait for the next one.",
            Self::RateLimited => "Slow down and repeat with the same id after retry_after_ms.",
            Self::Overloaded => "Repeat with the same id after retry_after_ms.",
            Self::Unavailable => "Repeat with the same id after retry_after_ms, on any connection.",
            Self::Closed => "Reopen the conversation within its time, or open a new one.",
            Self::Blocked => "Change the wording and send it under a new id.",
            Self::AtCapacity => "Finish or release a conversation first.",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A "no" with its reason, ready to be said by socket or HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub code: Code,
    /// Says what was wrong and what to do; for people, never parsed.
    pub message: Cow<'static, str>,
    /// Set exactly for codes whose [`Retry`] is `Later`.
    pub retry_after_ms: Option<u64>,
    /// The conversation that it is about, where there is one.
    pub conversation: Option<ConversationId>,
}

macro_rules! final_refusals {
    ($($(#[$doc:meta])* $name:ident => $code:ident),* $(,)?) => {
        $($(#[$doc])*
        pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
            Self { code: Code::$code, message: message.into(), retry_after_ms: None, conversation: None }
        })*
    };
}

macro_rules! passing_refusals {
    ($($(#[$doc:meta])* $name:ident => $code:ident),* $(,)?) => {
        $($(#[$doc])*
        pub fn $name(message: impl Into<Cow<'static, str>>, retry_after_ms: u64) -> Self {
            Self {
                code: Code::$code,
                message: message.into(),
                retry_after_ms: Some(retry_after_ms),
                conversation: None,
            }
        })*
    };
}

impl Refusal {
    final_refusals! {
        /// The request has the wrong form.
        bad_frame => BadFrame,
        /// Nobody is signed in, or the token does not hold.
        unauthenticated => Unauthenticated,
        /// Signed in, but not allowed.
        forbidden => Forbidden,
        /// It does not exist, or this asker may not know that it does.
        not_found => NotFound,
        /// The same id was used for something else, or the name is taken.
        conflict => Conflict,
        /// Beyond a size limit.
        too_large => TooLarge,
        /// The conversation has another assignee by now.
        reassigned => Reassigned,
        /// The offer is gone.
        expired => Expired,
        /// The conversation has ended.
        closed => Closed,
        /// Compliance does not let it pass.
        blocked => Blocked,
        /// No free seat.
        at_capacity => AtCapacity,
    }

    passing_refusals! {
        /// Too many requests of this asker.
        rate_limited => RateLimited,
        /// The desk has more to do than it can hold.
        overloaded => Overloaded,
        /// The store or the conversation's owner is away.
        unavailable => Unavailable,
    }

    /// The same refusal, naming the conversation that it is about.
    #[must_use]
    pub fn about(mut self, conversation: ConversationId) -> Self {
        self.conversation = Some(conversation);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name_and_gives_advice() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.as_str()), Some(code));
            assert!(code.advice().ends_with('.'), "{code}");
        }
        assert_eq!(Code::from_name("no_such_code"), None);
    }

    #[test]
    fn only_passing_refusals_carry_a_time_to_come_back() {
        for refusal in [
            Refusal::rate_limited("slow", 5),
            Refusal::overloaded("full", 5),
            Refusal::unavailable("away", 5),
        ] {
            assert_eq!((refusal.code.retry(), refusal.retry_after_ms), (Retry::Later, Some(5)));
        }
        for refusal in [Refusal::closed("over"), Refusal::bad_frame("no"), Refusal::at_capacity("full")] {
            assert_ne!(refusal.code.retry(), Retry::Later);
            assert_eq!(refusal.retry_after_ms, None);
        }
    }
}
