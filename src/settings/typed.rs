//! Texts of the settings as typed values: identifiers, and texts that may be left empty.

use crate::ident::IdentError;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Reads an identifier.
pub(super) fn ident<'de, D: Deserializer<'de>, T: FromStr<Err = IdentError>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// Reads an identifier that a rule may leave out.
pub(super) fn some_ident<'de, D: Deserializer<'de>, T: FromStr<Err = IdentError>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    ident(deserializer).map(Some)
}

/// Reads an identifier of which the empty text means "not set".
pub(super) fn ident_or_empty<'de, D: Deserializer<'de>, T: FromStr<Err = IdentError>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    text_or_empty(deserializer)?.map(|text| text.parse().map_err(de::Error::custom)).transpose()
}

/// Reads a text of which the empty one means "not set".
pub(super) fn text_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then_some(text))
}

/// Reads a list of identifiers.
pub(super) fn idents<'de, D: Deserializer<'de>, T: FromStr<Err = IdentError>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

/// Reads numbers by identifier.
pub(super) fn ident_keys<'de, D: Deserializer<'de>, T: FromStr<Err = IdentError> + Ord>(
    deserializer: D,
) -> Result<BTreeMap<T, u8>, D::Error> {
    let texts = BTreeMap::<String, u8>::deserialize(deserializer)?;
    texts.into_iter().map(|(text, number)| Ok((text.parse().map_err(de::Error::custom)?, number))).collect()
}
