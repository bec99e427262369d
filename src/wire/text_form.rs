//! How the house's names and moments stand in JSON: identifiers and times as text, free text borrowed where it can be.
//!
//! The identifiers of `ident` stay free of serde; their text forms are given here, once for the whole crate.

use crate::clock::Timestamp;
use crate::ident::{
    AgentId, ChannelId, ConversationId, DomainId, GroupId, NodeId, OfferId, RuleId, SessionId, ShopId,
    SkillId, VisitorId,
};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

struct FromText<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

fn text_schema(format: Option<&str>, description: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .format(format.map(|name| SchemaFormat::Custom(name.to_owned())))
        .description(Some(description))
        .into()
}

macro_rules! text_form {
    ($($name:ident, $what:literal, $format:expr;)*) => {
        $(
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    to.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    from.deserialize_str(FromText($what, PhantomData))
                }
            }

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text_schema($format, $what)
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

text_form! {
    ConversationId, "a conversation's UUID", Some("uuid");
    AgentId, "an agent's UUID", Some("uuid");
    OfferId, "an offer's UUID", Some("uuid");
    SessionId, "a session's UUID", Some("uuid");
    VisitorId, "a visitor's id", None;
    GroupId, "a group's id", None;
    DomainId, "a routing domain's name", None;
    ShopId, "a shop's id", None;
    ChannelId, "a channel's id", None;
    SkillId, "a skill's name", None;
    RuleId, "a routing rule's id", None;
    NodeId, "a node's id", None;
    Timestamp, "an RFC 3339 time in UTC", Some("date-time");
}

/// Text of a frame: points into the received bytes where JSON needed no unescaping.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, holding on to no received bytes.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }

    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(text)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        from.deserialize_str(Borrowing)
    }
}

impl PartialSchema for Text<'_> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).into()
    }
}

impl ToSchema for Text<'_> {}

/// A JSON value in text form, carried as it is and never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText<'a>(Cow<'a, str>);

impl<'a> JsonText<'a> {
    /// Takes over text that is known to be one JSON value; anything else fails when it is serialised.
    pub fn trusted(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for JsonText<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(to)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(from).map(|raw| Self(Cow::Borrowed(raw.get())))
    }
}

impl PartialSchema for JsonText<'_> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().description(Some("carried as it is")).into()
    }
}

impl ToSchema for JsonText<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_times_stand_as_text() {
        let group = GroupId::new("售后").expect("a valid group");
        assert_eq!(serde_json::to_string(&group).expect("json"), r#""售后""#);
        let id: ConversationId =
            serde_json::from_str(r#""01900000-0000-7000-8000-000000000001""#).expect("a uuid");
        assert_eq!(id.as_u128(), 0x0190_0000_0000_7000_8000_0000_0000_0001);
        let at: Timestamp = serde_json::from_str(r#""2025-11-19T16:00:00.007Z""#).expect("a time");
        assert_eq!(serde_json::to_string(&at).expect("json"), r#""2025-11-19T16:00:00.007Z""#);
        assert!(serde_json::from_str::<AgentId>("7").is_err());
    }

    #[test]
    fn text_is_borrowed_unless_it_was_escaped() {
        let plain: Text<'_> = serde_json::from_str(r#""你好""#).expect("text");
        assert!(matches!(plain.0, Cow::Borrowed("你好")));
        let escaped: Text<'_> = serde_json::from_str(r#""a\nb""#).expect("text");
        assert!(matches!(escaped.0, Cow::Owned(_)));
        assert_eq!(escaped, "a\nb");
    }
}
