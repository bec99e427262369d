//! A refusal as HTTP says it: RFC 9457 problem details with the protocol's `code` and a fitting status.

use crate::ident::ConversationId;
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:rushdesk:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the client shall do; the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time; for people.
    pub detail: String,
    /// Stable; see the protocol's table of codes.
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        Self {
            kind: format!("urn:rushdesk:problem:{}", refusal.code),
            title: refusal.code.advice().to_owned(),
            status: http_status(refusal.code),
            detail: refusal.message.clone().into_owned(),
            code: refusal.code.as_str().to_owned(),
            retry_after_ms: refusal.retry_after_ms,
            conversation: refusal.conversation,
        }
    }
}

/// The HTTP status that goes with a code.
pub const fn http_status(code: Code) -> u16 {
    match code {
        Code::BadFrame => 400,
        Code::Unauthenticated => 401,
        Code::Forbidden => 403,
        Code::NotFound => 404,
        Code::Conflict | Code::Reassigned | Code::Closed | Code::AtCapacity => 409,
        Code::Expired => 410,
        Code::TooLarge => 413,
        Code::Blocked => 422,
        Code::RateLimited => 429,
        Code::Overloaded | Code::Unavailable => 503,
    }
}

/// `Retry-After` in whole seconds, rounded up: HTTP knows no milliseconds.
pub const fn retry_after_s(retry_after_ms: u64) -> u64 {
    retry_after_ms.div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Retry;

    #[test]
    fn a_refusal_becomes_problem_details() {
        let problem = Problem::from(&Refusal::rate_limited("20 frames a second are taken", 1_200));
        assert_eq!(
            serde_json::to_value(&problem).expect("json"),
            serde_json::json!({
                "type": "urn:rushdesk:problem:rate_limited",
                "title": Code::RateLimited.advice(),
                "status": 429,
                "detail": "20 frames a second are taken",
                "code": "rate_limited",
                "retry_after_ms": 1_200,
            })
        );
        assert_eq!([0, 1, 1_000, 1_001].map(retry_after_s), [0, 1, 1, 2]);
    }

    #[test]
    fn what_may_be_repeated_has_a_status_that_clients_repeat() {
        for code in Code::ALL {
            assert_eq!(code.retry() == Retry::Later, matches!(http_status(code), 429 | 503), "{code}");
        }
    }
}
