//! The name of a message for ever: sender and client id, hashed, with a digest of the content (JR-1).

use crate::conversation::content::{Attachment, Content};
use crate::journal::ClientKey;
use sha2::{Digest, Sha256};

/// What a message is for beside its content: the same words said, and left with a way to call back, are two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    Said,
    Left { contact: Option<&'a str> },
}

/// The key of `sender`'s message `id` with this content and purpose.
pub fn client_key(sender: &str, id: &str, content: &Content, purpose: Purpose<'_>) -> ClientKey {
    let mut name = Sha256::new();
    name.update(sender.as_bytes());
    name.update([0]);
    name.update(id.as_bytes());
    let mut said = Sha256::new();
    add_content(&mut said, content);
    if let Purpose::Left { contact } = purpose {
        add(&mut said, b"left", &[contact.unwrap_or_default()]);
    }
    ClientKey {
        key: u128::from_be_bytes(first(&name.finalize())),
        digest: u64::from_be_bytes(first(&said.finalize())),
    }
}

fn add_content(hash: &mut Sha256, content: &Content) {
    match content {
        Content::Text(text) => add(hash, b"text", &[text]),
        Content::Note(text) => add(hash, b"note", &[text]),
        Content::Image(attachment) => add_attachment(hash, b"image", attachment),
        Content::File(attachment) => add_attachment(hash, b"file", attachment),
        Content::Voice(attachment) => add_attachment(hash, b"voice", attachment),
        Content::Card { card, data } => add(hash, b"card", &[&format!("{card:?}"), data]),
        Content::Redacted => add(hash, b"redacted", &[]),
    }
}

fn add_attachment(hash: &mut Sha256, kind: &[u8], attachment: &Attachment) {
    let size = attachment.size_bytes.map_or_else(String::new, |size| size.to_string());
    let name = attachment.name.as_deref().unwrap_or_default();
    let mime = attachment.mime.as_deref().unwrap_or_default();
    add(hash, kind, &[&attachment.url, name, &size, mime]);
}

/// Lengths stand before the parts, so that no two contents run together.
fn add(hash: &mut Sha256, kind: &[u8], parts: &[&str]) {
    hash.update(kind);
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
}

fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(hash) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_of_two_senders_is_two_messages_and_other_content_shows_in_the_digest() {
        let hello = Content::text("hello");
        let key = client_key("v:1", "m1", &hello, Purpose::Said);
        assert_eq!(key, client_key("v:1", "m1", &hello, Purpose::Said));
        assert_ne!(key.key, client_key("v:2", "m1", &hello, Purpose::Said).key);
        let other = client_key("v:1", "m1", &Content::Note("hello".into()), Purpose::Said);
        assert_eq!(other.key, key.key);
        assert_ne!(other.digest, key.digest);
        let left = |contact| client_key("v:1", "m1", &hello, Purpose::Left { contact }).digest;
        assert_ne!(left(None), key.digest);
        assert_ne!(left(Some("111")), left(Some("222")));
    }

    #[test]
    fn sender_and_id_never_run_together() {
        let hello = Content::text("hello");
        assert_ne!(
            client_key("v:1", "2m", &hello, Purpose::Said).key,
            client_key("v:12", "m", &hello, Purpose::Said).key
        );
    }
}
