//! The stored form of why an agent got a conversation, beside its words: records of before the parts were kept have none.

use super::RecordError;
use crate::conversation::event::{HeadStartPart, Why};
use crate::ident::RuleId;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn stored_parts(why: &Why) -> Vec<(Cow<'_, str>, u64)> {
    why.head_start_parts.iter().map(|part| (part.rule.as_str().into(), part.head_start_s)).collect()
}

pub(super) fn why(words: Arc<str>, parts: &[(Cow<'_, str>, u64)]) -> Result<Why, RecordError> {
    let part = |(rule, head_start_s): &(Cow<'_, str>, u64)| {
        Ok::<_, RecordError>(HeadStartPart { rule: RuleId::new(rule)?, head_start_s: *head_start_s })
    };
    Ok(Why { words, head_start_parts: parts.iter().map(part).collect::<Result<_, _>>()? })
}
