//! From received bytes to a client's frame, or to an error that names the field, says what to do and keeps the `id`.
//!
//! Checks form only: JSON, field types, sizes, well-formed URLs. Unknown fields are ignored, doubled ones refused.

use super::client::{ClientFrame, Close, Hello, Open, Position, PresenceStatus, Transfer};
use super::content::Content;
use super::decode_content::content;
use super::event::TransferTo;
use super::fields::{Fault, Fields, TextRule, plain, read_text, shown};
use super::limits::{
    ATTRIBUTE_VALUE_BYTES, ATTRIBUTES, ECHOED_ID_CHARS, ID_CHARS, LINE_BYTES, Limits, RESUME_POSITIONS, TAGS,
    TOKEN_BYTES, WORD_BYTES,
};
use super::text_form::Text;
use crate::refusal::{Code, Refusal};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FrameError {
    /// `bad_frame` or `too_large`.
    pub code: Code,
    /// Names the field and says what it takes.
    pub message: String,
    /// The frame's `id`, whenever one could be read: the answer carries it as `re`.
    pub re: Option<String>,
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        Self { code: error.code, message: error.message.into(), retry_after_ms: None, conversation: None }
    }
}

/// Reads one text frame. Errors are answered, never fatal: whether the connection stays is the session's decision.
pub fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<ClientFrame<'a>, FrameError> {
    if bytes.len() > limits.frame_bytes {
        return Err(frame_too_large(bytes.len(), limits));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => decode_text(text, limits),
        Err(error) => Err(FrameError {
            code: Code::BadFrame,
            message: format!("the frame is no UTF-8 from byte {} on", error.valid_up_to()),
            re: None,
        }),
    }
}

/// As [`decode`], for text that is known to be UTF-8.
pub fn decode_text<'a>(text: &'a str, limits: &Limits) -> Result<ClientFrame<'a>, FrameError> {
    if text.len() > limits.frame_bytes {
        return Err(frame_too_large(text.len(), limits));
    }
    let (fields, outcome) = Fields::gather(text);
    let read = match outcome {
        Ok(()) => frame(&fields, limits),
        Err(error) => Err(Fault::bad(format!("a frame is one JSON object with a `type`: {}", plain(&error)))),
    };
    read.map_err(|Fault { code, message }| FrameError { code, message, re: echoed_id(&fields) })
}

fn frame_too_large(bytes: usize, limits: &Limits) -> FrameError {
    FrameError {
        code: Code::TooLarge,
        message: format!("the frame has {bytes} bytes; at most {} are taken", limits.frame_bytes),
        re: None,
    }
}

/// An `id` that breaks a rule still names the answer, so that its sender is not left waiting.
fn echoed_id(fields: &Fields<'_>) -> Option<String> {
    let id: Text<'_> = serde_json::from_str(fields.raw("id")?).ok()?;
    (!id.is_empty() && id.chars().count() <= ECHOED_ID_CHARS).then(|| id.into_string())
}

fn frame<'a>(fields: &Fields<'a>, limits: &Limits) -> Result<ClientFrame<'a>, Fault> {
    let kind = fields.required_text("type", TextRule::line(WORD_BYTES))?;
    match kind.as_str() {
        "hello" => hello(fields),
        "send" => Ok(ClientFrame::Send {
            id: id(fields)?,
            conversation: fields.required_ident("conversation")?,
            assign_seq: fields.optional_number("assign_seq")?,
            content: required_content(fields, limits)?,
        }),
        "fetch" => Ok(ClientFrame::Fetch {
            id: id(fields)?,
            conversation: fields.required_ident("conversation")?,
            after: fields.required_number("after")?,
            limit: page_limit(fields.optional_number("limit")?, limits),
        }),
        "recall" => Ok(ClientFrame::Recall {
            id: id(fields)?,
            conversation: fields.required_ident("conversation")?,
            seq: fields.required_number("seq")?,
        }),
        "typing" => Ok(ClientFrame::Typing {
            conversation: fields.required_ident("conversation")?,
            preview: fields.optional_text("preview", TextRule::lines(limits.text_bytes))?,
        }),
        "read" => Ok(ClientFrame::Read {
            conversation: fields.required_ident("conversation")?,
            seq: fields.required_number("seq")?,
        }),
        "close" => close(fields),
        "ping" => Ok(ClientFrame::Ping { id: id(fields)? }),
        "open" | "leave_message" | "reopen" | "rate" | "request_agent" => {
            visitor_frame(kind.as_str(), fields, limits)
        }
        "watch" | "unwatch" | "whisper" | "barge" => supervisor_frame(kind.as_str(), fields, limits),
        _ => agent_frame(kind.as_str(), fields, limits),
    }
}

fn visitor_frame<'a>(kind: &str, fields: &Fields<'a>, limits: &Limits) -> Result<ClientFrame<'a>, Fault> {
    let id = id(fields)?;
    if kind == "open" {
        return open(id, fields, limits);
    }
    if kind == "leave_message" {
        return Ok(ClientFrame::LeaveMessage {
            id,
            conversation: fields.optional_ident("conversation")?,
            channel: fields.optional_ident("channel")?,
            content: required_content(fields, limits)?,
            contact: fields.optional_text("contact", TextRule::line(LINE_BYTES))?,
        });
    }
    let conversation = fields.required_ident("conversation")?;
    match kind {
        "reopen" => Ok(ClientFrame::Reopen { id, conversation }),
        "rate" => Ok(ClientFrame::Rate {
            id,
            conversation,
            score: score(fields)?,
            comment: fields.optional_text("comment", TextRule::lines(limits.text_bytes))?,
        }),
        _ => Ok(ClientFrame::RequestAgent {
            id,
            conversation,
            reason: fields.optional_text("reason", TextRule::line(LINE_BYTES))?,
        }),
    }
}

fn supervisor_frame<'a>(kind: &str, fields: &Fields<'a>, limits: &Limits) -> Result<ClientFrame<'a>, Fault> {
    let id = id(fields)?;
    let conversation = fields.required_ident("conversation")?;
    match kind {
        "watch" => Ok(ClientFrame::Watch { id, conversation }),
        "unwatch" => Ok(ClientFrame::Unwatch { id, conversation }),
        "whisper" => {
            Ok(ClientFrame::Whisper { id, conversation, content: required_content(fields, limits)? })
        }
        _ => Ok(ClientFrame::Barge { id, conversation, content: optional_content(fields, limits)? }),
    }
}

fn agent_frame<'a>(kind: &str, fields: &Fields<'a>, limits: &Limits) -> Result<ClientFrame<'a>, Fault> {
    match kind {
        "presence" => Ok(ClientFrame::Presence {
            id: id(fields)?,
            status: status(fields)?,
            reason: fields.optional_text("reason", TextRule::line(LINE_BYTES))?,
            after_current: fields.optional_bool("after_current")?.unwrap_or(false),
        }),
        "accept" => Ok(ClientFrame::Accept { id: id(fields)?, offer: fields.required_ident("offer")? }),
        "decline" => Ok(ClientFrame::Decline {
            id: id(fields)?,
            offer: fields.required_ident("offer")?,
            reason: fields.optional_text("reason", TextRule::line(LINE_BYTES))?,
        }),
        "pick" => {
            Ok(ClientFrame::Pick { id: id(fields)?, conversation: fields.required_ident("conversation")? })
        }
        "transfer" => Ok(ClientFrame::Transfer(Transfer {
            id: id(fields)?,
            conversation: fields.required_ident("conversation")?,
            assign_seq: fields.optional_number("assign_seq")?,
            to: transfer_to(fields.required_raw("to")?)?,
            note: fields.optional_text("note", TextRule::lines(limits.text_bytes))?,
        })),
        "release" => Ok(ClientFrame::Release {
            id: id(fields)?,
            conversation: fields.required_ident("conversation")?,
            assign_seq: fields.optional_number("assign_seq")?,
        }),
        "done" => {
            Ok(ClientFrame::Done { id: id(fields)?, conversation: fields.required_ident("conversation")? })
        }
        unknown => Err(Fault::bad(format!("unknown `type` `{}`; see the list of frames", shown(unknown)))),
    }
}

fn id<'a>(fields: &Fields<'a>) -> Result<Text<'a>, Fault> {
    let id = fields.required_text("id", TextRule::line(usize::MAX))?;
    let chars = id.chars().count();
    if chars > ID_CHARS {
        return Err(Fault::bad(format!("`id` has {chars} characters; at most {ID_CHARS} are taken")));
    }
    Ok(id)
}

fn hello<'a>(fields: &Fields<'a>) -> Result<ClientFrame<'a>, Fault> {
    Ok(ClientFrame::Hello(Hello {
        id: id(fields)?,
        token: fields.required_text("token", TextRule::line(TOKEN_BYTES))?,
        device: fields.optional_text("device", TextRule::line(WORD_BYTES))?.filter(|text| !text.is_empty()),
        locale: fields.optional_text("locale", TextRule::line(WORD_BYTES))?.filter(|text| !text.is_empty()),
        resume: fields.raw("resume").map(resume).transpose()?.unwrap_or_default(),
    }))
}

fn resume(raw: &str) -> Result<Vec<Position>, Fault> {
    let positions: Vec<Position> = serde_json::from_str(raw).map_err(|error| {
        Fault::bad(format!("`resume` must be a list of {{\"conversation\",\"after\"}}: {}", plain(&error)))
    })?;
    if positions.len() > RESUME_POSITIONS {
        return Err(Fault::too_large(format!(
            "`resume` names {} conversations; at most {RESUME_POSITIONS} are taken, fetch the others",
            positions.len()
        )));
    }
    Ok(positions)
}

fn open<'a>(id: Text<'a>, fields: &Fields<'a>, limits: &Limits) -> Result<ClientFrame<'a>, Fault> {
    Ok(ClientFrame::Open(Open {
        id,
        subject: fields.optional_text("subject", TextRule::line(LINE_BYTES))?,
        intent: fields.optional_text("intent", TextRule::line(WORD_BYTES))?,
        group: fields.optional_ident("group")?,
        channel: fields.optional_ident("channel")?,
        attributes: fields.raw("attributes").map(attributes).transpose()?.unwrap_or_default(),
        content: optional_content(fields, limits)?,
    }))
}

/// Reads attributes; HTTP bodies carry the same form.
pub(super) fn attributes(raw: &str) -> Result<BTreeMap<Text<'_>, Text<'_>>, Fault> {
    let fields = Fields::object(raw, "attributes")?;
    if fields.len() > ATTRIBUTES {
        return Err(Fault::too_large(format!(
            "`attributes` holds {} names; at most {ATTRIBUTES} are taken",
            fields.len()
        )));
    }
    fields.iter().map(|(name, raw)| Ok((attribute_name(name)?, attribute_value(name, raw)?))).collect()
}

fn attribute_name<'a>(name: &Text<'a>) -> Result<Text<'a>, Fault> {
    if name.is_empty() || name.len() > WORD_BYTES || name.chars().any(char::is_control) {
        return Err(Fault::bad(format!(
            "`attributes`: the name `{}` must have 1 to {WORD_BYTES} bytes without control characters",
            shown(name)
        )));
    }
    Ok(name.clone())
}

fn attribute_value<'a>(name: &str, raw: &'a str) -> Result<Text<'a>, Fault> {
    let field = format!("attributes.{}", shown(name));
    match raw.as_bytes().first() {
        Some(b'"') => read_text(raw, &field, TextRule::line(ATTRIBUTE_VALUE_BYTES)),
        Some(b'{' | b'[' | b'n') | None => {
            Err(Fault::bad(format!("`{field}` must be text, a number or true or false")))
        }
        Some(_) if raw.len() > ATTRIBUTE_VALUE_BYTES => {
            Err(Fault::too_large(format!("`{field}` may have at most {ATTRIBUTE_VALUE_BYTES} bytes")))
        }
        Some(_) => Ok(Text::from(raw)),
    }
}

fn close<'a>(fields: &Fields<'a>) -> Result<ClientFrame<'a>, Fault> {
    Ok(ClientFrame::Close(Close {
        id: id(fields)?,
        conversation: fields.required_ident("conversation")?,
        assign_seq: fields.optional_number("assign_seq")?,
        reason: fields.optional_text("reason", TextRule::line(LINE_BYTES))?,
        disposition: fields.optional_text("disposition", TextRule::line(WORD_BYTES))?,
        tags: fields.raw("tags").map(tags).transpose()?.unwrap_or_default(),
    }))
}

fn tags(raw: &str) -> Result<Vec<Text<'_>>, Fault> {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
        return Err(Fault::bad("`tags` must be a list of texts"));
    };
    if items.len() > TAGS {
        return Err(Fault::too_large(format!("`tags` holds {}; at most {TAGS} are taken", items.len())));
    }
    items.into_iter().map(|item| read_text(item.get(), "tags", TextRule::line(WORD_BYTES))).collect()
}

fn transfer_to(raw: &str) -> Result<TransferTo, Fault> {
    let fields = Fields::object(raw, "to")?;
    match (fields.optional_ident("group")?, fields.optional_ident("agent")?) {
        (Some(group), None) => Ok(TransferTo::Group(group)),
        (None, Some(agent)) => Ok(TransferTo::Agent(agent)),
        (Some(_), Some(_)) | (None, None) => Err(Fault::bad("`to` must name either a `group` or an `agent`")),
    }
}

fn score(fields: &Fields<'_>) -> Result<u8, Fault> {
    match u8::try_from(fields.required_number("score")?) {
        Ok(score @ 1..=5) => Ok(score),
        Ok(_) | Err(_) => Err(Fault::bad("`score` must be 1, 2, 3, 4 or 5")),
    }
}

fn status(fields: &Fields<'_>) -> Result<PresenceStatus, Fault> {
    let status = fields.required_text("status", TextRule::line(WORD_BYTES))?;
    match status.as_str() {
        "online" => Ok(PresenceStatus::Online),
        "away" => Ok(PresenceStatus::Away),
        "offline" => Ok(PresenceStatus::Offline),
        other => Err(Fault::bad(format!("`status` must be online, away or offline, not `{}`", shown(other)))),
    }
}

fn page_limit(wish: Option<u64>, limits: &Limits) -> u32 {
    let most = limits.fetch_most.max(1);
    wish.map_or(limits.fetch_default, |wish| u32::try_from(wish).unwrap_or(most)).clamp(1, most)
}

fn required_content<'a>(fields: &Fields<'a>, limits: &Limits) -> Result<Content<'a>, Fault> {
    content(fields.required_raw("content")?, limits)
}

fn optional_content<'a>(fields: &Fields<'a>, limits: &Limits) -> Result<Option<Content<'a>>, Fault> {
    fields.raw("content").map(|raw| content(raw, limits)).transpose()
}
