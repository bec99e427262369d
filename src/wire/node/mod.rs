//! What the nodes of one desk say to each other: one line of JSON an item, carried by `cluster::bus`.
//!
//! Nodes of two neighbouring versions understand each other: unknown fields are ignored, and an item of an unknown kind
//! is an error that names it, for the receiver to count and skip. Whoever loses an item finds out from the store.
//!
//! Refuses to act on what it reads.

mod fan;
mod people;

pub use fan::{Fan, ForDesk, ForVisitor, Frame, News, Origin};
pub use people::{Names, People};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// For sockets of the other node.
    Fan(Fan),
    /// Who is connected where.
    People(People),
}

/// An item that cannot be read here: of a later version, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("an item of another node cannot be read: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

/// The item as a line without its end.
pub fn encode(item: &Item) -> Bytes {
    match serde_json::to_vec(item) {
        Ok(line) => Bytes::from(line),
        Err(error) => {
            tracing::error!(%error, "an item for other nodes could not be written; they find out from the store");
            Bytes::from_static(b"{}")
        }
    }
}

/// Reads one line.
///
/// # Errors
/// It is of a kind that this version does not know, or no item at all.
pub fn decode(line: &[u8]) -> Result<Item, Unreadable> {
    Ok(serde_json::from_slice(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::{AgentId, ConversationId, SessionId, VisitorId};

    fn fan() -> Item {
        Item::Fan(Fan::Entry {
            conversation: ConversationId::from_u128(1),
            seq: 7,
            visitor_prev: 5,
            visitor: Some(ForVisitor {
                id: VisitorId::new("v:小明").unwrap(),
                frame: Frame(Bytes::from_static(br#"{"type":"entry","seq":7}"#)),
            }),
            desk: Some(ForDesk {
                agents: [AgentId::from_u128(2)].into_iter().collect(),
                frame: Frame(Bytes::from_static(br#"{"type":"entry","seq":7,"note":"a\nb"}"#)),
            }),
            origin: Some(Origin { session: SessionId::from_u128(3), re: "r1".into() }),
        })
    }

    #[test]
    fn an_item_is_one_line_and_its_frames_go_through_as_they_are() {
        let line = encode(&fan());
        assert!(!line.contains(&b'\n'));
        let frame = br#""frame":{"type":"entry","seq":7,"note":"a\nb"}"#;
        assert!(line.windows(frame.len()).any(|part| part == frame));
        assert_eq!(decode(&line).unwrap(), fan());
    }

    #[test]
    fn unknown_fields_are_ignored_and_an_unknown_kind_is_named() {
        let later = br#"{"people":{"tell":{"since":7}}}"#;
        assert_eq!(decode(later).unwrap(), Item::People(People::Tell {}));
        let named = |line: &[u8]| decode(line).unwrap_err().to_string();
        assert!(named(br#"{"hats":{}}"#).contains("`hats`"));
        assert!(named(br#"{"fan":{"hats":{}}}"#).contains("`hats`"));
        assert!(decode(b"{}").is_err());
    }
}
