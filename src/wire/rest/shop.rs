//! What a shop sets up beside people and rules: channels, canned answers, tags, webhooks, attachments.

use super::words::{Line, Lines, Word};
use crate::clock::Timestamp;
use crate::ident::{ChannelId, GroupId, ShopId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /channels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelBody {
    pub id: ChannelId,
    /// `web`, `webhook`, …
    pub kind: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<ShopId>,
    /// An IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Word>,
    /// BCP 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<Word>,
    /// Seats that one of its conversations takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
}

/// `PATCH /channels/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelResource {
    pub id: ChannelId,
    pub kind: String,
    pub shop: ShopId,
    pub zone: String,
    pub locale: Option<String>,
    pub seats: u32,
}

/// `POST /canned`: an answer that agents have at hand. The desk makes an id where none is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Word>,
    pub title: Line,
    pub text: Lines,
    /// For this group only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
}

/// `PATCH /canned/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Lines>,
    #[serde(default, deserialize_with = "super::body::given", skip_serializing_if = "Option::is_none")]
    pub group: Option<Option<GroupId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CannedResource {
    pub id: String,
    pub title: String,
    pub text: String,
    pub group: Option<GroupId>,
}

/// `POST /tags`, `PATCH /tags/{id}` (with `name` only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Word>,
    pub name: Line,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TagResource {
    pub id: String,
    pub name: String,
}

// No `Debug`: the secret does not belong in logs.
/// `POST /webhooks`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Word>,
    /// http(s).
    pub url: Line,
    /// Events of the log by name; all where none is named.
    #[serde(default)]
    pub events: Vec<Word>,
    /// Signs what is sent; never shown again. The desk makes one where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

// No `Debug`: the secret does not belong in logs.
/// `PATCH /webhooks/{id}`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Word>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookResource {
    pub id: String,
    pub url: String,
    pub events: Vec<String>,
    pub enabled: bool,
}

/// The answer to `POST /attachments`; `url` is what a message's content refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachmentResource {
    pub id: String,
    pub url: String,
    pub name: Option<String>,
    /// In bytes.
    pub size: u64,
    pub mime: String,
    pub created_at: Timestamp,
}
