//! States and codes stand in frames by the names that their own rooms give them.

pub(super) mod phase {
    use crate::conversation::state::Phase;
    use crate::wire::text_form::Text;
    use serde::{Deserializer, Serializer, de::Error};

    pub(in crate::wire) fn serialize<S: Serializer>(phase: &Phase, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(phase.name())
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Phase, D::Error> {
        let name: Text<'de> = serde::Deserialize::deserialize(from)?;
        Phase::from_name(&name).ok_or_else(|| D::Error::custom(format_args!("unknown state `{name}`")))
    }
}

pub(super) mod code {
    use crate::refusal::Code;
    use crate::wire::text_form::Text;
    use serde::{Deserializer, Serializer, de::Error};

    pub(in crate::wire) fn serialize<S: Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(code.as_str())
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Code, D::Error> {
        let name: Text<'de> = serde::Deserialize::deserialize(from)?;
        Code::from_name(&name).ok_or_else(|| D::Error::custom(format_args!("unknown code `{name}`")))
    }
}
