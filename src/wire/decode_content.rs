//! The form of one message's content: kinds, required fields, URLs that may be fetched, cards of bounded depth.
//!
//! A `note` is read like any other kind: who may write one is the conversation's decision.

use super::content::{Attachment, CardKind, Content};
use super::fields::{Fault, Fields, TextRule, shown};
use super::limits::{CARD_BYTES, CARD_DEPTH, LINE_BYTES, Limits, URL_BYTES, WORD_BYTES};
use super::strict;
use super::text_form::JsonText;

/// Reads one message's content; HTTP bodies carry the same form.
pub(super) fn content<'a>(raw: &'a str, limits: &Limits) -> Result<Content<'a>, Fault> {
    let fields = Fields::object(raw, "content")?;
    let kind = fields.required_text("kind", TextRule::line(WORD_BYTES))?;
    let words = TextRule::lines(limits.text_bytes);
    match kind.as_str() {
        "text" => Ok(Content::Text { text: fields.required_text("text", words)? }),
        "note" => Ok(Content::Note { text: fields.required_text("text", words)? }),
        "image" => Ok(Content::Image(attachment(&fields)?)),
        "file" => Ok(Content::File(attachment(&fields)?)),
        "voice" => Ok(Content::Voice(attachment(&fields)?)),
        "card" => card(&fields),
        unknown => Err(Fault::bad(format!(
            "`kind` must be one of {}, not `{}`",
            Content::KINDS.join(", "),
            shown(unknown)
        ))),
    }
}

fn attachment<'a>(fields: &Fields<'a>) -> Result<Attachment<'a>, Fault> {
    let url = fields.required_text("url", TextRule::line(URL_BYTES))?;
    if !is_fetchable(&url) {
        return Err(Fault::bad(
            "`url` must begin with http:// or https:// and a host, or with /api/v1/attachments/",
        ));
    }
    Ok(Attachment {
        url,
        name: fields.optional_text("name", TextRule::line(LINE_BYTES))?,
        size: fields.optional_number("size")?,
        mime: fields.optional_text("mime", TextRule::line(WORD_BYTES))?,
    })
}

/// Keeps `javascript:`, `data:` and paths into the rest of the desk out of everybody's consoles.
fn is_fetchable(url: &str) -> bool {
    let spaceless = !url.chars().any(char::is_whitespace);
    // An id of the desk has neither dots in a row nor anything that a browser would decode into them.
    let own = url
        .strip_prefix("/api/v1/attachments/")
        .is_some_and(|id| !id.is_empty() && !id.contains("..") && !id.contains(['%', '\\']));
    let scheme = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let rest = if scheme.starts_with("http://") { url.get(7..) } else { url.get(8..) };
    let foreign = (scheme.starts_with("http://") || scheme.starts_with("https://"))
        && rest.is_some_and(|rest| {
            !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':', '\\']) && !names_a_user(rest)
        });
    spaceless && (own || foreign)
}

/// `https://shop.example@elsewhere.example/` leads elsewhere than it reads.
fn names_a_user(after_scheme: &str) -> bool {
    after_scheme.split(['/', '?', '#', '\\']).next().is_some_and(|authority| authority.contains('@'))
}

fn card<'a>(fields: &Fields<'a>) -> Result<Content<'a>, Fault> {
    let name = fields.required_text("card", TextRule::line(WORD_BYTES))?;
    let card = match name.as_str() {
        "order" => CardKind::Order,
        "product" => CardKind::Product,
        "logistics" => CardKind::Logistics,
        "coupon" => CardKind::Coupon,
        "form" => CardKind::Form,
        other => {
            return Err(Fault::bad(format!(
                "`card` must be one of order, product, logistics, coupon, form, not `{}`",
                shown(other)
            )));
        }
    };
    let data = fields.required_raw("data")?;
    if data.len() > CARD_BYTES {
        return Err(Fault::too_large(format!(
            "`data` has {} bytes; at most {CARD_BYTES} are taken",
            data.len()
        )));
    }
    if !data.starts_with('{') {
        return Err(Fault::bad("`data` must be an object"));
    }
    if depth(data) > CARD_DEPTH {
        return Err(Fault::bad(format!("`data` is nested deeper than {CARD_DEPTH}")));
    }
    strict::check(data)
        .map_err(|error| Fault::bad(format!("`data` is not JSON that every client can read: {error}")))?;
    Ok(Content::Card { card, data: JsonText::trusted(data) })
}

/// Objects and arrays inside one another in `json`, which is known to be one JSON value.
fn depth(json: &str) -> usize {
    let (mut open, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
