//! What people say: the content of a message, already checked for form.
//!
//! Pure. Sizes and kinds are checked by `wire` before a content reaches this room; this room refuses nothing.

use std::sync::Arc;

/// A file, picture or voice message by reference; the bytes live behind the blob port or at an http(s) URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub url: String,
    pub name: Option<String>,
    pub size_bytes: Option<u64>,
    pub mime: Option<String>,
}

/// The kinds of structured card that a message can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardKind {
    Order,
    Product,
    Logistics,
    Coupon,
    Form,
}

/// One message's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(Arc<str>),
    Image(Attachment),
    File(Attachment),
    Voice(Attachment),
    /// `data` is a JSON object in text form, carried and never interpreted here.
    Card {
        card: CardKind,
        data: Arc<str>,
    },
    /// Agents only; the visitor never sees it (protocol 5).
    Note(Arc<str>),
    /// What stands where a content was taken back or erased; the entry itself stays (CV-1).
    Redacted,
}

impl Content {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub const fn is_note(&self) -> bool {
        matches!(self, Self::Note(_))
    }
}
