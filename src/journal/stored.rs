//! The stored forms for whoever must send a conversation or an entry to another node: one form on disk and on the way.

use super::record::{event, state};
use crate::conversation::content::Content;
use crate::conversation::event::{Event, Opening};
use crate::conversation::state::State;
use crate::ident::ConversationId;

/// A conversation's state as JSON text, without its id.
///
/// # Errors
/// A sentence; no state that was ever committed has this.
pub fn state_text(state: &State) -> Result<String, String> {
    state::encode(state).map_err(|error| error.to_string())
}

/// Reads back what `state_text` wrote.
///
/// # Errors
/// A sentence: damaged, or written by a newer version.
pub fn state_from(id: ConversationId, text: &str) -> Result<State, String> {
    state::decode(id, text).map_err(|error| error.to_string())
}

/// A message's content in its stored kind and body.
///
/// # Errors
/// A sentence; no content that a client can send has this.
pub fn content_text(content: &Content) -> Result<(i64, String), String> {
    event_text(&Event::Message(content.clone()))
}

/// Reads back what `content_text` wrote.
///
/// # Errors
/// A sentence: damaged, or written by a newer version.
pub fn content_from(kind: i64, body: &str) -> Result<Content, String> {
    match event_from(kind, body)? {
        Event::Message(content) => Ok(content),
        _ => Err("this is no message's content".to_owned()),
    }
}

/// An opening in its stored kind and body.
///
/// # Errors
/// A sentence; no opening that a client can send has this.
pub fn opening_text(opening: &Opening) -> Result<(i64, String), String> {
    event_text(&Event::Opened(Box::new(opening.clone())))
}

/// Reads back what `opening_text` wrote.
///
/// # Errors
/// A sentence: damaged, or written by a newer version.
pub fn opening_from(kind: i64, body: &str) -> Result<Box<Opening>, String> {
    match event_from(kind, body)? {
        Event::Opened(opening) => Ok(opening),
        _ => Err("this is no opening".to_owned()),
    }
}

fn event_text(event: &Event) -> Result<(i64, String), String> {
    let (kind, body) = event::encode(event).map_err(|error| error.to_string())?;
    Ok((kind, body.into_owned()))
}

fn event_from(kind: i64, body: &str) -> Result<Event, String> {
    event::decode(kind, body).map_err(|error| error.to_string())
}
