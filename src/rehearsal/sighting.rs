//! How frames of the desk look to the history checker.
//!
//! Pure translation from `wire` to `history`; logs read back over REST carry the same entries as the sockets.

use super::history::{LogEntry, Party, Said, digest};
use crate::ident::ConversationId;
use crate::wire::content::{Content, EntryContent};
use crate::wire::event::EventContent;
use crate::wire::server::{EntryFrame, Sender, SenderKind};

/// Who speaks; an agent whose id is no identifier of ours becomes `None`.
pub fn party(from: &Sender<'_>) -> Option<Party> {
    match from.kind {
        SenderKind::Visitor => Some(Party::Visitor(from.id.as_str().into())),
        SenderKind::Agent => from.id.parse().ok().map(Party::Agent),
        SenderKind::Bot => Some(Party::Bot),
        SenderKind::System => Some(Party::System),
    }
}

/// The digest of what people say: of the words alone where there are words.
pub fn content_digest(content: &Content<'_>) -> u64 {
    match content {
        Content::Text { text } | Content::Note { text } => digest(text.as_bytes()),
        Content::Image(_) | Content::File(_) | Content::Voice(_) | Content::Card { .. } => {
            digest(&serde_json::to_vec(content).unwrap_or_default())
        }
    }
}

/// What an entry says, as far as the invariants care.
pub fn said(content: &EntryContent<'_>) -> Said {
    match content {
        EntryContent::Message(content) => {
            Said::Message { digest: content_digest(content), note: matches!(content, Content::Note { .. }) }
        }
        EntryContent::Redacted => Said::Redacted,
        EntryContent::Event(event) => event_said(event),
    }
}

fn event_said(event: &EventContent<'_>) -> Said {
    let named = |name: &str, hidden| Said::Event { name_digest: digest(name.as_bytes()), hidden };
    match event {
        EventContent::Assigned { agent, assign_seq, .. } => {
            Said::Assigned { agent: *agent, assign_seq: *assign_seq }
        }
        EventContent::Transferred { assign_seq, .. } => Said::Transferred { assign_seq: *assign_seq },
        EventContent::Requeued { assign_seq, .. } => Said::Requeued { assign_seq: Some(*assign_seq) },
        EventContent::Closed { .. } => Said::Closed,
        EventContent::Reopened {} => Said::Reopened,
        EventContent::Opened { .. } => named("opened", false),
        EventContent::Queued { .. } => named("queued", false),
        EventContent::MessageLeft { .. } => named("message_left", false),
        EventContent::BotJoined {} => named("bot_joined", false),
        EventContent::BotLeft {} => named("bot_left", false),
        EventContent::IdleReminder { .. } => named("idle_reminder", false),
        EventContent::Rated { .. } => named("rated", false),
        EventContent::Recalled { .. } => named("recalled", false),
        EventContent::Offered { .. } => named("offered", true),
        EventContent::Escalated { .. } => named("escalated", true),
        EventContent::WrapUp { .. } => named("wrap_up", true),
    }
}

/// An entry that is not what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {conversation} cannot be read: {why}")]
pub struct UnreadableEntry {
    pub conversation: ConversationId,
    pub why: String,
}

/// One item of `GET /api/v1/conversations/{id}/entries`.
///
/// # Errors
/// The item is no entry of the contract, or of another conversation.
pub fn log_entry(conversation: ConversationId, json: &str) -> Result<LogEntry, UnreadableEntry> {
    let unreadable = |why: String| UnreadableEntry { conversation, why };
    let frame: EntryFrame<'_> = serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))?;
    if frame.conversation != conversation {
        return Err(unreadable(format!("it belongs to {}", frame.conversation)));
    }
    let author = party(&frame.from).ok_or_else(|| unreadable(format!("author `{}`", frame.from.id)))?;
    Ok(LogEntry { seq: frame.seq, at_ms: frame.at.millis(), author, said: said(&frame.content) })
}
