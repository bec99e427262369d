//! Entries on their way out: encoded once per view, then shared by every recipient of that view.
//!
//! The only thing that differs between recipients is `re`, which the sending connection alone gets; it is put in front
//! of the closing brace instead of encoding again.

use super::convert::entry_frame;
use super::server::ServerFrame;
use crate::conversation::event::{Entry, View};
use crate::ident::ConversationId;
use bytes::Bytes;

/// The `entry` frame that every recipient with `view` gets; `None` where `view` may not see the entry.
pub fn encode_entry(entry: &Entry, conversation: ConversationId, view: View) -> Option<Bytes> {
    entry_frame(entry, conversation, view).map(|frame| ServerFrame::Entry(frame).encode())
}

/// An encoded frame without `re`, for the connection that sent it under the id `re`.
pub fn with_re(frame: &Bytes, re: &str) -> Bytes {
    let Some(open) = frame.strip_suffix(b"}") else { return frame.clone() };
    let mut json = Vec::with_capacity(frame.len() + re.len() + 16);
    json.extend_from_slice(open);
    json.extend_from_slice(br#","re":"#);
    if serde_json::to_writer(&mut json, re).is_err() {
        return frame.clone();
    }
    json.push(b'}');
    Bytes::from(json)
}
