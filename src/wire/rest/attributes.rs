//! Attributes of a visitor or an errand, in the same form that the `open` frame takes.

use crate::wire::decode::attributes;
use crate::wire::text_form::Text;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Names and values; numbers and booleans have become text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Attributes(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Attributes {
    /// Reads from JSON text only.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        let read = attributes(raw.get()).map_err(|fault| D::Error::custom(fault.message))?;
        let owned = read.into_iter().map(|(name, value)| (name.into_string(), Text::into_string(value)));
        Ok(Self(owned.collect()))
    }
}
