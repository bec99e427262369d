//! Why a token was refused, in a sentence that may be shown to its bearer.

use crate::clock::Timestamp;

/// A token that is not honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token expired at {at}: sign in again")]
    Expired { at: Timestamp },
    #[error("the token holds from {at} on, not yet: check the clock of who signed it")]
    NotYetValid { at: Timestamp },
    #[error("the token was not signed with the key that this desk knows")]
    Forged,
    #[error("the token is signed with another algorithm than this desk's key is for")]
    WrongAlgorithm,
    #[error("the token is not meant for this: its `aud` must be `{expected}`")]
    WrongAudience { expected: &'static str },
    #[error("the token cannot be read: {reason}")]
    Malformed { reason: String },
    #[error("no token could be signed: {reason}")]
    Unsigned { reason: String },
}

impl TokenError {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }
}
