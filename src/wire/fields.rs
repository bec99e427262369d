//! One JSON object taken apart into its fields, each read on demand with an error that names it.
//!
//! A derive would stop at the first surprise and lose the frame's `id`; here the names and raw values are gathered
//! first, doubled names are refused whatever they are, unknown ones cost nothing, and what was gathered before broken
//! JSON is still there to be asked for `id`.

use super::limits::FIELDS;
use super::text_form::Text;
use crate::ident::IdentError;
use crate::refusal::{Code, Refusal};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::fmt;
use std::str::FromStr;

/// What is wrong with a frame, before it is known which frame it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { code: Code::BadFrame, message: message.into() }
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self { code: Code::TooLarge, message: message.into() }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, message: fault.message.into(), retry_after_ms: None, conversation: None }
    }
}

/// How much text a field may hold, and whether it may break lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextRule {
    pub(super) max_bytes: usize,
    pub(super) lines: bool,
}

impl TextRule {
    pub(super) const fn line(max_bytes: usize) -> Self {
        Self { max_bytes, lines: false }
    }

    pub(super) const fn lines(max_bytes: usize) -> Self {
        Self { max_bytes, lines: true }
    }

    /// Control characters end up in logs, terminals and other people's parsers; NUL does not survive every store.
    const fn refuses(self, c: char) -> bool {
        c.is_ascii_control() && !(self.lines && matches!(c, '\n' | '\r' | '\t'))
    }
}

/// The fields of one object, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    list: SmallVec<[(Text<'a>, &'a str); 8]>,
}

struct Gather<'l, 'a>(&'l mut Fields<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Gather<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Gather<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let raw = map.next_value::<&'de RawValue>()?.get();
            if self.0.list.iter().any(|(seen, _)| *seen == name) {
                return Err(M::Error::custom(format_args!("`{}` stands twice; say it once", shown(&name))));
            }
            if self.0.list.len() == FIELDS {
                return Err(M::Error::custom(format_args!(
                    "more than {FIELDS} fields; leave out the unknown ones"
                )));
            }
            self.0.list.push((name, raw));
        }
        Ok(())
    }
}

/// Names and values come from strangers: an error repeats only their beginning.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl<'a> Fields<'a> {
    /// Takes `text` apart. What was gathered before an error stays with it.
    pub(super) fn gather(text: &'a str) -> (Self, Result<(), serde_json::Error>) {
        let mut fields = Self::default();
        let mut from = serde_json::Deserializer::from_str(text);
        let outcome = Gather(&mut fields).deserialize(&mut from).and_then(|()| from.end());
        (fields, outcome)
    }

    /// The object in the field `name`, which an error calls by that name.
    pub(super) fn object(raw: &'a str, name: &str) -> Result<Self, Fault> {
        let (fields, outcome) = Self::gather(raw);
        match outcome {
            Ok(()) => Ok(fields),
            Err(error) => Err(Fault::bad(format!("`{name}` must be an object: {}", plain(&error)))),
        }
    }

    /// The JSON text of a field; absent and `null` are the same.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.list.iter().find(|(seen, _)| seen == name).map(|(_, raw)| *raw).filter(|raw| *raw != "null")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Text<'a>, &'a str)> {
        self.list.iter().map(|(name, raw)| (name, *raw))
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn required_raw(&self, name: &str) -> Result<&'a str, Fault> {
        self.raw(name).ok_or_else(|| Fault::bad(format!("`{name}` is missing")))
    }

    pub(super) fn optional_text(&self, name: &str, rule: TextRule) -> Result<Option<Text<'a>>, Fault> {
        self.raw(name).map(|raw| read_text(raw, name, rule)).transpose()
    }

    pub(super) fn required_text(&self, name: &str, rule: TextRule) -> Result<Text<'a>, Fault> {
        let text = read_text(self.required_raw(name)?, name, rule)?;
        if text.is_empty() {
            return Err(Fault::bad(format!("`{name}` must not be empty")));
        }
        Ok(text)
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        match serde_json::from_str(raw) {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                Err(Fault::bad(format!("`{name}` must be a whole number from 0 up, not {}", shown(raw))))
            }
        }
    }

    pub(super) fn required_number(&self, name: &str) -> Result<u64, Fault> {
        self.optional_number(name)?.ok_or_else(|| Fault::bad(format!("`{name}` is missing")))
    }

    pub(super) fn optional_bool(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.raw(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(raw) => Err(Fault::bad(format!("`{name}` must be true or false, not {}", shown(raw)))),
        }
    }

    pub(super) fn optional_ident<T: FromStr<Err = IdentError>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Fault> {
        self.raw(name).map(|raw| read_ident(raw, name)).transpose()
    }

    pub(super) fn required_ident<T: FromStr<Err = IdentError>>(&self, name: &str) -> Result<T, Fault> {
        read_ident(self.required_raw(name)?, name)
    }
}

fn read_ident<T: FromStr<Err = IdentError>>(raw: &str, name: &str) -> Result<T, Fault> {
    let Ok(text) = serde_json::from_str::<Text<'_>>(raw) else { return Err(not_text(raw, name)) };
    text.parse().map_err(|error: IdentError| {
        Fault::bad(format!("`{name}`: `{}` is no {}: {}", shown(&error.text), error.what, error.rule))
    })
}

fn not_text(raw: &str, name: &str) -> Fault {
    Fault::bad(format!("`{name}` must be text, not {}", shown(raw)))
}

/// Reads one JSON string under `rule`.
pub(super) fn read_text<'a>(raw: &'a str, name: &str, rule: TextRule) -> Result<Text<'a>, Fault> {
    let Ok(text) = serde_json::from_str::<Text<'a>>(raw) else { return Err(not_text(raw, name)) };
    if text.len() > rule.max_bytes {
        return Err(Fault::too_large(format!(
            "`{name}` has {} bytes; at most {} are taken",
            text.len(),
            rule.max_bytes
        )));
    }
    if let Some(c) = text.chars().find(|c| rule.refuses(*c)) {
        let taken = if rule.lines { " except line breaks and tabs" } else { "" };
        return Err(Fault::bad(format!(
            "`{name}` holds the control character U+{:04X}; leave out all{taken}",
            u32::from(c)
        )));
    }
    Ok(text)
}

/// serde_json's words without its line and column, which mean little for a frame on one line.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
