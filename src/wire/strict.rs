//! JSON that is carried on as it came must be JSON to every reader: no name twice in one object, no half of a surrogate
//! pair, no number that overflows (RFC 7493, I-JSON). Whoever reads strictly would otherwise trip over somebody else's
//! words at each resume. Refuses to keep what it reads.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// Reads `json` whole.
///
/// # Errors
/// What a strict reader would say of it.
pub(super) fn check(json: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<Sound>(json).map(drop)
}

/// A value that was read and is sound.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Sound, E> {
        Ok(Sound)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sound, A::Error> {
        while items.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Sound, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            fields.next_value::<Sound>()?;
            if let Some(twice) = names.replace(name) {
                return Err(A::Error::custom(format_args!("the name `{twice}` stands twice in one object")));
            }
        }
        Ok(Sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_strict_reader_would_trip_over_is_refused() {
        for sound in [r#"{}"#, r#"{"a":[1,-2.5e3,null,true,"\ud83d\ude00"],"b":{"a":{}}}"#] {
            assert!(check(sound).is_ok(), "{sound}");
        }
        for unsound in
            [r#"{"a":1,"a":2}"#, r#"{"b":[{"a":1,"\u0061":2}]}"#, r#"{"s":"\ud800"}"#, r#"{"n":1e999}"#]
        {
            assert!(check(unsound).is_err(), "{unsound}");
        }
    }
}
