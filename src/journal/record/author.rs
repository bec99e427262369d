//! The stored form of an entry's author.
//!
//! The conversation's own visitor is stored as a mark without id and name: the conversation's row has them.

use super::RecordError;
use crate::conversation::event::Author;
use crate::conversation::state::State;
use crate::ident::{AgentId, VisitorId};
use std::borrow::Cow;
use std::sync::Arc;

/// Who wrote it; the numbers are on disk for ever.
mod kind {
    pub(super) const SYSTEM: i64 = 0;
    pub(super) const BOT: i64 = 1;
    pub(super) const THE_VISITOR: i64 = 2;
    pub(super) const ANOTHER_VISITOR: i64 = 3;
    pub(super) const AGENT: i64 = 4;
}

/// An author in columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journal) struct StoredAuthor<'a> {
    pub(in crate::journal) kind: i64,
    pub(in crate::journal) id: Option<Cow<'a, [u8]>>,
    pub(in crate::journal) name: Option<Cow<'a, str>>,
}

/// The author's columns in a conversation that stands at `state`.
pub(in crate::journal) fn encode<'a>(state: &State, author: &'a Author) -> StoredAuthor<'a> {
    let (kind, id, name) = match author {
        Author::System => (kind::SYSTEM, None, None),
        Author::Bot => (kind::BOT, None, None),
        Author::Visitor { id, name } if state.visitor.as_ref() == Some(id) && state.visitor_name == *name => {
            (kind::THE_VISITOR, None, None)
        }
        Author::Visitor { id, name } => {
            (kind::ANOTHER_VISITOR, Some(id.as_str().as_bytes().into()), name.as_deref().map(Cow::from))
        }
        Author::Agent { id, name } => {
            (kind::AGENT, Some(id.uuid().as_bytes().to_vec().into()), Some(Cow::from(&**name)))
        }
    };
    StoredAuthor { kind, id, name }
}

/// Reads back what `encode` wrote; `state` is any state of the same conversation after its opening.
pub(in crate::journal) fn decode(state: &State, stored: &StoredAuthor<'_>) -> Result<Author, RecordError> {
    let damaged = || RecordError(format!("author {} lacks its id or name", stored.kind));
    Ok(match stored.kind {
        kind::SYSTEM => Author::System,
        kind::BOT => Author::Bot,
        kind::THE_VISITOR => Author::Visitor {
            id: state.visitor.clone().ok_or_else(damaged)?,
            name: state.visitor_name.clone(),
        },
        kind::ANOTHER_VISITOR => {
            let id = std::str::from_utf8(stored.id.as_deref().ok_or_else(damaged)?)
                .map_err(|error| RecordError(error.to_string()))?;
            Author::Visitor { id: VisitorId::new(id)?, name: stored.name.as_deref().map(Arc::from) }
        }
        kind::AGENT => {
            let id = stored.id.as_deref().and_then(|id| <[u8; 16]>::try_from(id).ok()).ok_or_else(damaged)?;
            Author::Agent {
                id: AgentId::from_u128(u128::from_be_bytes(id)),
                name: stored.name.as_deref().ok_or_else(damaged)?.into(),
            }
        }
        unknown => return Err(RecordError(format!("author kind {unknown} is not known here"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::ConversationId;

    #[test]
    fn every_author_comes_back_and_the_own_visitor_costs_nothing() {
        let mut state = State::new(ConversationId::from_u128(1));
        state.visitor = VisitorId::new("v").ok();
        let own = Author::Visitor { id: VisitorId::new("v").unwrap(), name: None };
        let other = Author::Visitor { id: VisitorId::new("w").unwrap(), name: Some("W".into()) };
        let agent = Author::Agent { id: AgentId::from_u128(5), name: "Li".into() };
        assert_eq!(encode(&state, &own).id, None);
        for author in [own, other, agent, Author::Bot, Author::System] {
            assert_eq!(decode(&state, &encode(&state, &author)), Ok(author.clone()));
        }
    }
}
