//! The stored form of what people say, beside plain text (which `event` stores as itself).

use super::RecordError;
use crate::conversation::content::{Attachment, CardKind, Content};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

stored_names!(card_name, card_from, CardKind {
    Order = "order", Product = "product", Logistics = "logistics", Coupon = "coupon", Form = "form",
});
#[derive(Serialize, Deserialize)]
#[serde(tag = "content", rename_all = "snake_case")]
pub(super) enum StoredContent<'a> {
    Text { text: Arc<str> },
    Note { text: Arc<str> },
    Redacted,
    Image(StoredAttachment),
    File(StoredAttachment),
    Voice(StoredAttachment),
    Card { card: Cow<'a, str>, data: Arc<str> },
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredAttachment {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<String>,
}

impl<'a> From<&'a Content> for StoredContent<'a> {
    fn from(content: &'a Content) -> Self {
        let stored = |file: &Attachment| StoredAttachment {
            url: file.url.clone(),
            name: file.name.clone(),
            size_bytes: file.size_bytes,
            mime: file.mime.clone(),
        };
        match content {
            Content::Text(text) => Self::Text { text: text.clone() },
            Content::Note(text) => Self::Note { text: text.clone() },
            Content::Redacted => Self::Redacted,
            Content::Image(file) => Self::Image(stored(file)),
            Content::File(file) => Self::File(stored(file)),
            Content::Voice(file) => Self::Voice(stored(file)),
            Content::Card { card, data } => Self::Card { card: card_name(*card).into(), data: data.clone() },
        }
    }
}

impl TryFrom<StoredContent<'_>> for Content {
    type Error = RecordError;

    fn try_from(stored: StoredContent<'_>) -> Result<Self, RecordError> {
        Ok(match stored {
            StoredContent::Text { text } => Self::Text(text),
            StoredContent::Note { text } => Self::Note(text),
            StoredContent::Redacted => Self::Redacted,
            StoredContent::Image(file) => Self::Image(file.into()),
            StoredContent::File(file) => Self::File(file.into()),
            StoredContent::Voice(file) => Self::Voice(file.into()),
            StoredContent::Card { card, data } => Self::Card { card: card_from(&card)?, data },
        })
    }
}

impl From<StoredAttachment> for Attachment {
    fn from(stored: StoredAttachment) -> Self {
        let StoredAttachment { url, name, size_bytes, mime } = stored;
        Self { url, name, size_bytes, mime }
    }
}
