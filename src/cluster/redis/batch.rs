//! The form of a batch on a channel: one line that says who sends and which of its batches this is, then one item per
//! line. Whoever can publish on our channels can send anything, so reading never trusts.
//!
//! Refuses to look into an item.

use crate::ident::NodeId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The version that this node writes, and the highest that it reads.
const VERSION: u32 = 1;
/// Longest first line that is read: a node's id in its longest spelling, and room for what later versions may add.
const HEADING_BYTES: usize = 4_096;

#[derive(Serialize, Deserialize)]
struct Heading<'a> {
    v: u32,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    incarnation: Cow<'a, str>,
    n: u64,
}

/// What every version's first line says.
#[derive(Deserialize)]
struct AnyHeading<'a> {
    v: u32,
    #[serde(borrow)]
    from: Cow<'a, str>,
}

/// Items of one node on one channel. One without items only shows that the channel carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) from: NodeId,
    /// Which start of the sender this is: numbers rise within one.
    pub(super) incarnation: String,
    /// Which batch of this sender on this channel; rises by one.
    pub(super) n: u64,
    pub(super) items: Vec<Bytes>,
}

/// What a payload is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Batch(Batch),
    /// Of a version that this node cannot read.
    Newer(NodeId),
    /// Nothing that a node sends.
    Garbage,
}

/// Writes a batch.
pub(super) fn written(from: &NodeId, incarnation: &str, n: u64, items: &[Bytes]) -> Vec<u8> {
    let heading = Heading { v: VERSION, from: from.as_str().into(), incarnation: incarnation.into(), n };
    // Texts and a number always have a form in JSON; an empty heading would be read as garbage.
    let mut payload = serde_json::to_vec(&heading).unwrap_or_default();
    payload.reserve(items.iter().map(|item| item.len().saturating_add(1)).sum());
    for item in items {
        payload.push(b'\n');
        payload.extend_from_slice(item);
    }
    payload
}

/// Reads a payload; its items share its bytes.
pub(super) fn read(payload: Vec<u8>) -> Payload {
    let payload = Bytes::from(payload);
    let mut lines = payload.split(|byte| *byte == b'\n');
    let Some(first) = lines.next().filter(|line| line.len() <= HEADING_BYTES) else {
        return Payload::Garbage;
    };
    let Ok(AnyHeading { v, from }) = serde_json::from_slice(first) else { return Payload::Garbage };
    let Ok(from) = NodeId::new(&from) else { return Payload::Garbage };
    if v > VERSION {
        return Payload::Newer(from);
    }
    let Ok(Heading { incarnation, n, .. }) = serde_json::from_slice(first) else { return Payload::Garbage };
    let items = lines.filter(|line| !line.is_empty()).map(|line| payload.slice_ref(line)).collect();
    Payload::Batch(Batch { from, incarnation: incarnation.into_owned(), n, items })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    #[test]
    fn the_form_is_the_one_that_other_versions_read() {
        let items = [Bytes::from_static(b"{\"a\":1}"), Bytes::from_static(b"{}")];
        let expected = "{\"v\":1,\"from\":\"n1\",\"incarnation\":\"i\",\"n\":7}\n{\"a\":1}\n{}";
        assert_eq!(written(&node("n1"), "i", 7, &items), expected.as_bytes());
        let later =
            b"{\"from\":\"n1\",\"n\":7,\"incarnation\":\"i\",\"v\":1,\"more\":[]}\n{\"a\":1}\n{}".to_vec();
        assert_eq!(read(later), read(expected.as_bytes().to_vec()));
    }

    #[test]
    fn what_is_no_batch_is_told_apart() {
        for garbage in [
            "",
            "\n",
            "hello",
            "{}",
            "[1]",
            "{\"v\":1,\"from\":\"n1\"}",
            "{\"v\":1,\"from\":\"two words\",\"incarnation\":\"i\",\"n\":1}",
            "{\"v\":1,\"from\":\"n1\",\"incarnation\":\"i\",\"n\":-1}",
            "{\"v\":-1,\"from\":\"n1\",\"incarnation\":\"i\",\"n\":1}",
        ] {
            assert_eq!(read(garbage.into()), Payload::Garbage, "{garbage}");
        }
        let long =
            format!("{{\"v\":1,\"from\":\"n1\",\"incarnation\":\"{}\",\"n\":1}}", "i".repeat(HEADING_BYTES));
        assert_eq!(read(long.into()), Payload::Garbage);
        assert_eq!(
            read(b"{\"v\":2,\"from\":\"n1\",\"way\":\"other\"}\nx".to_vec()),
            Payload::Newer(node("n1"))
        );
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            name in "[^\\s\\p{Cc}]{1,16}", n: u64, items in prop::collection::vec("[^\n]{1,40}", 0..20)
        ) {
            let items: Vec<Bytes> = items.into_iter().map(Bytes::from).collect();
            let payload = written(&node(&name), "start", n, &items);
            let expected = Batch { from: node(&name), incarnation: "start".to_owned(), n, items };
            prop_assert_eq!(read(payload), Payload::Batch(expected));
        }

        #[test]
        fn no_bytes_break_the_reading(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!matches!(read(payload), Payload::Batch(batch) if batch.items.len() > 200));
        }
    }
}
