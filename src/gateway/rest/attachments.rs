//! Attachments: taken as they come within the settings' sizes and types, given back as nothing a browser would run.

use super::call::Call;
use super::pace::Whose;
use super::route::{Repeat, Route};
use super::serve::Reply;
use crate::clock::Timestamp;
use crate::gateway::blob::{About, Found, Incoming};
use crate::refusal::Refusal;
use crate::signin::chance;
use crate::wire::limits::LINE_BYTES;
use crate::wire::rest::{AttachmentResource, Line};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use std::io::Read;
use std::time::Duration;
use utoipa::IntoParams;

/// Files that one person may upload: in a second, and at once.
pub(super) const PER_S: u32 = 2;
pub(super) const BURST: u32 = 30;
/// Time for a whole file on a slow line.
const RECEIVED_WITHIN: Duration = Duration::from_secs(300);
/// Bytes that are gathered before they are written, and read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How files of a type begin: type, place in bytes, and what stands there (PNG 5.2, JFIF, GIF89a 17, the WebP container,
/// ISO 32000 7.5.2).
const BEGINNINGS: [(&str, usize, &[u8]); 6] = [
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 0, b"RIFF"),
    ("image/webp", 8, b"WEBP"),
    ("application/pdf", 0, b"%PDF-"),
];

/// `POST /attachments?name=`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// As the uploader calls the file.
    #[param(value_type = Option<String>)]
    name: Option<Line>,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/attachments", |call| Box::pin(upload(call)))
            .about("Takes a file: its bytes are the body, its type is `Content-Type`. `url` goes into a message.")
            .created()
            .streams()
            .repeat(Repeat::Ignored)
            .query::<UploadQuery>()
            .answers::<AttachmentResource>(),
        Route::get("/v1/attachments/{id}", |call| Box::pin(download(call)))
            .about("Gives a file to whoever knows its id, which cannot be guessed.")
            .open()
            .answers_other("the file's bytes"),
    ]
}

async fn upload(mut call: Call) -> Result<Reply, Refusal> {
    let query: UploadQuery = call.query()?;
    let mime = media_type(&call)?;
    let whose = call.person()?.sender_key();
    let office = &call.gate.office;
    office.uploads.pass(&Whose::Person(whose.clone()), "too many files come from you at once")?;
    office.uploaded.begin(&whose, declared_bytes(&call), call.desk().clock.now())?;
    let id = chance::fresh_secret().map_err(|reason| Refusal::unavailable(reason, 1_000))?;
    let own = id.clone();
    let incoming = call.block(move |gate| gate.office.blobs.begin(&own).map_err(|e| broken(&e))).await?;
    let payload = call.payload.take().ok_or_else(|| Refusal::bad_frame("the body is missing"))?;
    let file = Receiving { mime: &mime, whose: &whose, incoming };
    let received = tokio::time::timeout(RECEIVED_WITHIN, receive(&call, payload, file)).await;
    let (incoming, size_bytes) = received.map_err(|_late| {
        Refusal::bad_frame(format!("the file did not come within {} s", RECEIVED_WITHIN.as_secs()))
    })??;
    let created_at = call.desk().clock.now();
    let about = About { name: query.name.map(Into::into), mime, size_bytes, created_at };
    let about =
        call.block(move |_| incoming.keep(&about).map(|()| about).map_err(|error| broken(&error))).await?;
    Reply::ok(&resource(id, about, created_at))
}

/// What the request says of its length; 0 where it says nothing.
fn declared_bytes(call: &Call) -> u64 {
    let header = call.request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    header.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A file on its way in.
struct Receiving<'a> {
    mime: &'a str,
    /// Who sends it.
    whose: &'a str,
    incoming: Box<dyn Incoming>,
}

/// Writes the file as it comes; gives back its size in bytes.
async fn receive(
    call: &Call,
    mut payload: web::Payload,
    file: Receiving<'_>,
) -> Result<(Box<dyn Incoming>, u64), Refusal> {
    let Receiving { mime, whose, mut incoming } = file;
    let most_bytes = call.gate.settings.attachments.max_bytes;
    let (mut size_bytes, mut gathered) = (0_u64, Vec::with_capacity(PIECE_BYTES));
    let mut looked_at = false;
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| Refusal::bad_frame(format!("the file broke off: {error}")))?;
        size_bytes += piece.len() as u64;
        if size_bytes > most_bytes {
            return Err(Refusal::too_large(format!("a file of at most {most_bytes} bytes is taken")));
        }
        call.gate.office.uploaded.more(whose, piece.len() as u64, call.desk().clock.now())?;
        gathered.extend_from_slice(&piece);
        if gathered.len() >= PIECE_BYTES {
            if !looked_at {
                must_begin_as(mime, &gathered)?;
                looked_at = true;
            }
            incoming = written(call, incoming, std::mem::take(&mut gathered)).await?;
        }
    }
    if size_bytes == 0 {
        return Err(Refusal::bad_frame("the file is empty; its bytes are the body of the request"));
    }
    if !looked_at {
        must_begin_as(mime, &gathered)?;
    }
    Ok((written(call, incoming, gathered).await?, size_bytes))
}

/// Whether files of this type can be told by their first bytes.
fn is_told_by_its_bytes(mime: &str) -> bool {
    BEGINNINGS.iter().any(|(known, _, _)| *known == mime)
}

/// # Errors
/// `bad_frame` where the file is not of the type that its sender says.
fn must_begin_as(mime: &str, first_bytes: &[u8]) -> Result<(), Refusal> {
    let mut own = BEGINNINGS.iter().filter(|(known, _, _)| *known == mime);
    if own.all(|(_, at, bytes)| first_bytes.get(*at..).is_some_and(|rest| rest.starts_with(bytes))) {
        return Ok(());
    }
    Err(Refusal::bad_frame(format!(
        "`Content-Type`: the bytes are no {mime}; name the type that the file has"
    )))
}

fn resource(id: String, about: About, created_at: Timestamp) -> AttachmentResource {
    AttachmentResource {
        url: format!("/api/v1/attachments/{id}"),
        id,
        name: about.name,
        size: about.size_bytes,
        mime: about.mime,
        created_at,
    }
}

/// The media type without its parameters, where files of it are taken.
fn media_type(call: &Call) -> Result<String, Refusal> {
    let header = call.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = header.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let attachments = &call.gate.settings.attachments;
    if given.len() <= LINE_BYTES && attachments.accepts(&given) {
        return Ok(given);
    }
    let (given, taken) = (given.chars().take(80).collect::<String>(), attachments.types.join(", "));
    Err(Refusal::bad_frame(format!("`Content-Type`: files of `{given}` are not taken; these are: {taken}")))
}

async fn written(
    call: &Call,
    mut incoming: Box<dyn Incoming>,
    piece: Vec<u8>,
) -> Result<Box<dyn Incoming>, Refusal> {
    call.block(move |_| match incoming.write(&piece) {
        Ok(()) => Ok(incoming),
        Err(error) => Err(broken(&error)),
    })
    .await
}

fn broken(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "the folder of attachments cannot be used");
    Refusal::unavailable("files cannot be stored or read now; repeat it", 1_000)
}

async fn download(call: Call) -> Result<Reply, Refusal> {
    let id = call.id.clone();
    let found = call.block(move |gate| gate.office.blobs.find(&id).map_err(|error| broken(&error))).await?;
    let Some(Found { about, content }) = found else {
        return Err(Refusal::not_found("there is no such attachment"));
    };
    let response = HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, about.mime.clone()))
        .insert_header((CONTENT_DISPOSITION, disposition(&about)))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .body(actix_web::body::SizedStream::new(about.size_bytes, pieces(content)));
    Ok(Reply::Whole(response))
}

/// Pictures that were looked at, sound and films are shown in the page; everything else is saved, SVG and HTML above all.
fn disposition(about: &About) -> String {
    let picture = about.mime.starts_with("image/") && is_told_by_its_bytes(&about.mime);
    let shown = picture || about.mime.starts_with("audio/") || about.mime.starts_with("video/");
    let kind = if shown { "inline" } else { "attachment" };
    match &about.name {
        None => kind.to_owned(),
        Some(name) => format!("{kind}; filename*=UTF-8''{}", percent_encoded(name)),
    }
}

/// As RFC 8187 wants it: letters, digits and a few signs as they are.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn pieces(content: Box<dyn Read + Send>) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(content, |mut content| async move {
        let read = web::block(move || {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = content.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
            read.map(|_| (piece, content))
        });
        let (piece, content) = read.await.map_err(std::io::Error::other)??;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), content)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_as_its_type_begins() {
        for (mime, bytes, fine) in [
            ("image/png", &b"\x89PNG\r\n\x1a\n..."[..], true),
            ("image/png", b"<script>alert(1)</script>", false),
            ("image/png", b"\x89", false),
            ("image/jpeg", b"\xff\xd8\xff\xe0", true),
            ("image/gif", b"GIF89a", true),
            ("image/webp", b"RIFF\0\0\0\0WEBPVP8 ", true),
            ("image/webp", b"RIFF\0\0\0\0WAVEfmt ", false),
            ("application/pdf", b"%PDF-1.7", true),
            ("application/pdf", b"MZ", false),
            ("text/plain", b"anything", true),
        ] {
            assert_eq!(must_begin_as(mime, bytes).is_ok(), fine, "{mime} {bytes:?}");
        }
    }

    #[test]
    fn a_files_name_never_breaks_the_header_and_only_harmless_types_are_shown() {
        let about = |mime: &str, name: &str| About {
            name: Some(name.to_owned()),
            mime: mime.to_owned(),
            size_bytes: 1,
            created_at: Timestamp::from_millis(0),
        };
        for (mime, name, header) in [
            ("image/png", "a b.png", "inline; filename*=UTF-8''a%20b.png"),
            ("text/html", "x\"\r\nSet-Cookie: a", "attachment; filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20a"),
            ("image/tiff", "a", "attachment; filename*=UTF-8''a"),
            ("image/svg+xml", "鞋", "attachment; filename*=UTF-8''%E9%9E%8B"),
        ] {
            assert_eq!(disposition(&about(mime, name)), header);
        }
    }
}
