//! A refusal on its way between nodes.

use crate::ident::ConversationId;
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// A "no" of another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalForm {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationId>,
}

impl From<&Refusal> for RefusalForm {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code.as_str().to_owned(),
            message: refusal.message.to_string(),
            retry_after_ms: refusal.retry_after_ms,
            conversation: refusal.conversation,
        }
    }
}

impl From<RefusalForm> for Refusal {
    fn from(form: RefusalForm) -> Self {
        let RefusalForm { code, message, retry_after_ms, conversation } = form;
        match Code::from_name(&code) {
            Some(code) => Self { code, message: message.into(), retry_after_ms, conversation },
            // A code that a later version has added: the client may try again.
            None => Self { conversation, ..Self::unavailable(message, 1_000) },
        }
    }
}
