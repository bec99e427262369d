//! A file on its way in: of a type that is taken and what its bytes say it is, no larger than the settings let it be,
//! counted for who sends it, and written as it comes.

use super::call::Call;
use crate::gateway::blob::Incoming;
use crate::refusal::Refusal;
use crate::wire::limits::LINE_BYTES;
use crate::wire::rest::Line;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::fmt::Display;

/// Bytes that are gathered before they are written.
const PIECE_BYTES: usize = 64 * 1024;
/// How files of a type begin: type, place in bytes, and what stands there (PNG 5.2, JFIF, GIF89a 17, the WebP container,
/// ISO 32000 7.5.2, APPNOTE 4.3.7).
const BEGINNINGS: [(&str, usize, &[u8]); 7] = [
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 0, b"RIFF"),
    ("image/webp", 8, b"WEBP"),
    ("application/pdf", 0, b"%PDF-"),
    ("application/zip", 0, b"PK\x03\x04"),
];

/// What every file of one request has in common.
pub(super) struct Receiving<'a> {
    pub(super) call: &'a Call,
    /// Who sends it.
    pub(super) whose: &'a str,
    /// Under which it will be kept.
    pub(super) id: &'a str,
}

/// A file that has come whole and is not kept yet.
pub(super) struct Arrived {
    pub(super) incoming: Box<dyn Incoming>,
    /// As the part of a form called it.
    pub(super) name: Option<Line>,
    pub(super) mime: String,
    /// Whether its bytes were seen to be of this type.
    pub(super) as_said: bool,
    pub(super) size_bytes: u64,
}

/// The media type without its parameters, in small letters.
pub(super) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// One `type/subtype` of tokens (RFC 9110, 8.3.1): browsers read a list of types by its last.
fn is_media_type(mime: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    mime.split_once('/')
        .is_some_and(|(family, kind)| is_token(family) && is_token(kind) && family != "*" && kind != "*")
}

/// Whether files of this type can be told by their first bytes.
fn is_told_by_its_bytes(mime: &str) -> bool {
    BEGINNINGS.iter().any(|(known, _, _)| *known == mime)
}

fn begins_as(mime: &str, first_bytes: &[u8]) -> bool {
    let mut own = BEGINNINGS.iter().filter(|(known, _, _)| *known == mime);
    own.all(|(_, at, bytes)| first_bytes.get(*at..).is_some_and(|rest| rest.starts_with(bytes)))
}

/// What the bytes are, where they can be told and are not what the sender says.
fn recognised(first_bytes: &[u8]) -> Option<&'static str> {
    if first_bytes.trim_ascii_start().starts_with(b"<") {
        return Some("markup");
    }
    BEGINNINGS.iter().map(|(known, _, _)| *known).find(|known| begins_as(known, first_bytes))
}

/// Whether the bytes are seen to be of this type. Bytes that nobody recognises are taken, and only ever saved.
///
/// # Errors
/// `bad_frame` where the file is seen to be something else than its sender says.
fn is_as_said(mime: &str, first_bytes: &[u8]) -> Result<bool, Refusal> {
    if !is_told_by_its_bytes(mime) {
        return Ok(false);
    }
    if begins_as(mime, first_bytes) {
        return Ok(true);
    }
    match recognised(first_bytes) {
        None => Ok(false),
        Some(other) => Err(Refusal::bad_frame(format!(
            "`Content-Type`: the bytes are no {mime} but {other}; name the type that the file has"
        ))),
    }
}

impl Receiving<'_> {
    /// Takes the file `bytes` of the type `mime`.
    ///
    /// # Errors
    /// `bad_frame` for a type that is not taken or not the file's, `too_large`, `rate_limited`, `unavailable`.
    pub(super) async fn file<E: Display>(
        &self,
        mime: &str,
        name: Option<Line>,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Arrived, Refusal> {
        self.must_be_taken(mime)?;
        let (gate, id) = (&self.call.gate, self.id.to_owned());
        let mut incoming =
            self.call.block(move |gate| gate.office.blobs.begin(&id).map_err(|error| broken(&error))).await?;
        let most_bytes = gate.settings.attachments.max_bytes;
        let (mut size_bytes, mut gathered) = (0_u64, Vec::with_capacity(PIECE_BYTES));
        let mut as_said = None;
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| Refusal::bad_frame(format!("the file broke off: {error}")))?;
            size_bytes += piece.len() as u64;
            if size_bytes > most_bytes {
                return Err(Refusal::too_large(format!("a file of at most {most_bytes} bytes is taken")));
            }
            gate.office.uploaded.more(self.whose, piece.len() as u64, gate.desk.clock.now())?;
            gathered.extend_from_slice(&piece);
            if gathered.len() >= PIECE_BYTES {
                if as_said.is_none() {
                    as_said = Some(is_as_said(mime, &gathered)?);
                }
                incoming = self.written(incoming, std::mem::take(&mut gathered)).await?;
            }
        }
        if size_bytes == 0 {
            return Err(Refusal::bad_frame(
                "the file is empty; its bytes are the body, or the part `file` of a form",
            ));
        }
        let as_said = as_said.map_or_else(|| is_as_said(mime, &gathered), Ok)?;
        incoming = self.written(incoming, gathered).await?;
        Ok(Arrived { incoming, name, mime: mime.to_owned(), as_said, size_bytes })
    }

    fn must_be_taken(&self, mime: &str) -> Result<(), Refusal> {
        let attachments = &self.call.gate.settings.attachments;
        if mime.len() <= LINE_BYTES && is_media_type(mime) && attachments.accepts(mime) {
            return Ok(());
        }
        let (given, taken) = (mime.chars().take(80).collect::<String>(), attachments.types.join(", "));
        Err(Refusal::bad_frame(format!(
            "`Content-Type`: files of `{given}` are not taken; these are: {taken}"
        )))
    }

    async fn written(
        &self,
        mut incoming: Box<dyn Incoming>,
        piece: Vec<u8>,
    ) -> Result<Box<dyn Incoming>, Refusal> {
        let writing = self.call.block(move |_| match incoming.write(&piece) {
            Ok(()) => Ok(incoming),
            Err(error) => Err(broken(&error)),
        });
        writing.await
    }
}

pub(super) fn broken(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "the folder of attachments cannot be used");
    Refusal::unavailable("files cannot be stored or read now; repeat it", 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_said_or_unknown_but_never_seen_to_be_another() {
        for (mime, bytes, expected) in [
            ("image/png", &b"\x89PNG\r\n\x1a\n..."[..], Some(true)),
            ("image/png", b" <script>alert(1)</script>", None),
            ("image/png", b"GIF89a", None),
            ("image/png", b"\x89", Some(false)),
            ("image/jpeg", b"\xff\xd8\xff\xe0", Some(true)),
            ("image/gif", b"GIF89a", Some(true)),
            ("image/webp", b"RIFF\0\0\0\0WEBPVP8 ", Some(true)),
            ("image/webp", b"RIFF\0\0\0\0WAVEfmt ", Some(false)),
            ("application/pdf", b"%PDF-1.7", Some(true)),
            ("application/pdf", b"PK\x03\x04", None),
            ("text/plain", b"<anything>", Some(false)),
        ] {
            assert_eq!(is_as_said(mime, bytes).ok(), expected, "{mime} {bytes:?}");
        }
    }

    #[test]
    fn a_media_type_is_one_type_and_one_subtype() {
        for good in ["image/png", "audio/mpeg", "application/vnd.ms-excel", "image/svg+xml"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in [
            "audio/html,text/html",
            "audio/ mpeg",
            "audio/*",
            "audio",
            "/png",
            "image/",
            "a/b/c",
            "audio/x, text/html",
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
