//! What one message carries, as it stands in a `send` and in an `entry`.
//!
//! `Content` is what people say; `EntryContent` adds what only the log says (events, and what stands in for a content
//! that was taken back). Form is checked while a client's frame is read (`decode`); here are the shapes.

use super::event::EventContent;
use super::text_form::{JsonText, Text};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A file by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize, ToSchema)]
pub struct Attachment<'a> {
    /// http(s), or a path under `/api/v1/attachments/`.
    #[serde(borrow)]
    pub url: Text<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// In bytes, as the sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub mime: Option<Text<'a>>,
}

/// What a card shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, DeriveDeserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    Order,
    Product,
    Logistics,
    Coupon,
    Form,
}

/// What people say (protocol 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content<'a> {
    Text {
        text: Text<'a>,
    },
    Image(Attachment<'a>),
    File(Attachment<'a>),
    Voice(Attachment<'a>),
    Card {
        card: CardKind,
        data: JsonText<'a>,
    },
    /// Among the desk only.
    Note {
        text: Text<'a>,
    },
}

impl<'a> Content<'a> {
    /// The kinds by name, in the order of `docs/PROTOCOL.md`.
    pub const KINDS: [&'static str; 6] = ["text", "image", "file", "voice", "card", "note"];

    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What an entry of the log carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntryContent<'a> {
    Event(EventContent<'a>),
    /// Taken back or erased; the entry stays.
    Redacted,
    #[serde(untagged)]
    Message(Content<'a>),
}

impl PartialSchema for EntryContent<'_> {
    /// By hand: the derive takes the untagged kinds for one kind more.
    fn schema() -> RefOr<Schema> {
        use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
        let kind = |name: &str| {
            let kind =
                ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some([name]));
            ObjectBuilder::new().property("kind", kind).required("kind")
        };
        let event = AllOfBuilder::new().item(Ref::from_schema_name(EventContent::name())).item(kind("event"));
        let message = Ref::from_schema_name(Content::name());
        OneOfBuilder::new().item(event).item(kind("redacted")).item(message).into()
    }
}

impl ToSchema for EntryContent<'_> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((EventContent::name().into_owned(), EventContent::schema()));
        schemas.push((Content::name().into_owned(), Content::schema()));
        EventContent::schemas(schemas);
        Content::schemas(schemas);
    }
}

#[derive(DeriveDeserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
}

#[derive(DeriveDeserialize)]
struct Words<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(DeriveDeserialize)]
struct Card<'a> {
    card: CardKind,
    #[serde(borrow)]
    data: JsonText<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for EntryContent<'a> {
    /// Reads from JSON text only: a card's `data` keeps its bytes.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(from)?.get();
        entry_content(raw).map_err(D::Error::custom)
    }
}

fn entry_content(raw: &str) -> Result<EntryContent<'_>, serde_json::Error> {
    let kind: Kind<'_> = serde_json::from_str(raw)?;
    let message = match kind.kind.as_str() {
        "event" => return serde_json::from_str(raw).map(EntryContent::Event),
        "redacted" => return Ok(EntryContent::Redacted),
        "text" => Content::Text { text: serde_json::from_str::<Words<'_>>(raw)?.text },
        "note" => Content::Note { text: serde_json::from_str::<Words<'_>>(raw)?.text },
        "image" => Content::Image(serde_json::from_str(raw)?),
        "file" => Content::File(serde_json::from_str(raw)?),
        "voice" => Content::Voice(serde_json::from_str(raw)?),
        "card" => {
            let Card { card, data } = serde_json::from_str(raw)?;
            Content::Card { card, data }
        }
        unknown => return Err(serde_json::Error::custom(format!("unknown content kind `{unknown}`"))),
    };
    Ok(EntryContent::Message(message))
}
