//! Attachments: taken as the body or as the one part of a form, given back as nothing a browser would run. What is taken
//! of a file on its way in, `receiving` says.

use super::call::Call;
use super::pace::Whose;
use super::receiving::{Arrived, Receiving, broken, essence};
use super::route::{Repeat, Route};
use super::serve::Reply;
use crate::clock::Timestamp;
use crate::gateway::blob::{About, Found};
use crate::refusal::Refusal;
use crate::signin::chance;
use crate::wire::rest::{AttachmentResource, Line};
use actix_multipart::Multipart;
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
/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// The media type of a form with files.
const FORM: &str = "multipart/form-data";

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
            .about("Takes a file: its bytes are the body and its type is `Content-Type`, or it is the part `file` of a `multipart/form-data`. `url` goes into a message.")
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
    let whose = call.person()?.sender_key();
    let (office, most_bytes) = (&call.gate.office, call.gate.settings.attachments.max_bytes);
    let now = call.desk().clock.now();
    office.uploads.pass(&Whose::Person(whose.clone()), "too many files come from you at once", now)?;
    office.uploaded.begin(&whose, declared_bytes(&call).min(most_bytes), now)?;
    let payload = call.payload.take().ok_or_else(|| Refusal::bad_frame("the body is missing"))?;
    let id = chance::fresh_secret().map_err(|reason| Refusal::unavailable(reason, 1_000))?;
    let receiving = Receiving { call: &call, whose: &whose, id: &id };
    let header = call.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let arriving = async {
        match header.map(essence) {
            Some(form) if form == FORM => of_form(&receiving, payload).await,
            given => receiving.file(&given.unwrap_or_default(), None, payload).await,
        }
    };
    let Arrived { incoming, name, mime, as_said, size_bytes } =
        tokio::time::timeout(RECEIVED_WITHIN, arriving).await.map_err(|_late| {
            Refusal::bad_frame(format!("the file did not come within {} s", RECEIVED_WITHIN.as_secs()))
        })??;
    let created_at = call.desk().clock.now();
    let about = About { name: query.name.or(name).map(Into::into), mime, as_said, size_bytes, created_at };
    let about =
        call.block(move |_| incoming.keep(&about).map(|()| about).map_err(|error| broken(&error))).await?;
    Reply::ok(&resource(id, about, created_at))
}

/// What the request says of its length; 0 where it says nothing.
fn declared_bytes(call: &Call) -> u64 {
    let header = call.request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    header.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// The one part of a form, called `file`.
async fn of_form(receiving: &Receiving<'_>, payload: web::Payload) -> Result<Arrived, Refusal> {
    let broken_form = |error| Refusal::bad_frame(format!("the form cannot be read: {error}"));
    let one = || Refusal::bad_frame("a form has one part, called `file`; send each file by itself");
    let mut form = Multipart::new(receiving.call.request.headers(), payload);
    let mut part = form.next().await.ok_or_else(one)?.map_err(broken_form)?;
    if part.name() != Some("file") {
        return Err(one());
    }
    let mime = part.content_type().map(|given| essence(given.as_ref())).unwrap_or_default();
    let name = part.content_disposition().and_then(|about| about.get_filename()).map(str::to_owned);
    let name = name.filter(|name| !name.is_empty()).map(Line::try_from).transpose();
    let name = name.map_err(|reason| Refusal::bad_frame(format!("`filename`: {reason}")))?;
    let arrived = receiving.file(&mime, name, &mut part).await?;
    drop(part);
    if form.next().await.is_some() { Err(one()) } else { Ok(arrived) }
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
    let picture = about.mime.starts_with("image/") && about.as_said;
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
    fn a_files_name_never_breaks_the_header_and_only_harmless_types_are_shown() {
        let about = |mime: &str, name: &str| About {
            name: Some(name.to_owned()),
            mime: mime.to_owned(),
            as_said: mime == "image/png",
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
