//! Conversations: reading them, and the sockets' commands by HTTP.

use super::attributes::Attributes;
use super::words::{Line, Lines, Word};
use crate::clock::Timestamp;
use crate::ident::{AgentId, AssignSeq, ChannelId, ConversationId, GroupId, Seq, ShopId, VisitorId};
use crate::refusal::Refusal;
use crate::wire::content::Content;
use crate::wire::decode_content::content;
use crate::wire::event::TransferTo;
use crate::wire::limits::Limits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// A list's `?limit=&cursor=`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

/// `GET /conversations`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConversationQuery {
    pub state: Option<String>,
    #[param(value_type = Option<String>)]
    pub group: Option<GroupId>,
    #[param(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    #[param(value_type = Option<String>)]
    pub visitor: Option<VisitorId>,
    #[param(value_type = Option<String>)]
    pub channel: Option<ChannelId>,
    /// Opened at or after.
    #[param(value_type = Option<String>)]
    pub from: Option<Timestamp>,
    /// Opened before.
    #[param(value_type = Option<String>)]
    pub to: Option<Timestamp>,
    /// Words that the subject or the visitor's name contains.
    pub q: Option<String>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

/// `GET /conversations/{id}/entries`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// Entries after this position; 0 for all.
    pub after: Option<u64>,
    pub limit: Option<u32>,
    /// As `after`, as a page's `next` gave it.
    pub cursor: Option<String>,
}

/// A message's content, in the form that the `send` frame takes: an object with `kind`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageContent(Box<RawValue>);

impl MessageContent {
    /// The content, checked as a frame's is.
    pub fn read(&self, limits: &Limits) -> Result<Content<'_>, Refusal> {
        content(self.0.get(), limits).map_err(Refusal::from)
    }
}

impl utoipa::PartialSchema for MessageContent {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .property("kind", utoipa::openapi::ObjectBuilder::new().enum_values(Some(Content::KINDS)))
            .required("kind")
            .description(Some("as the `content` of a `send` frame"))
            .into()
    }
}

impl ToSchema for MessageContent {}

/// Who talks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationVisitor {
    pub id: VisitorId,
    pub name: Option<String>,
    pub tier: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationResource {
    pub id: ConversationId,
    pub shop: ShopId,
    pub channel: ChannelId,
    /// A `state` (protocol 2), as `queued`.
    pub state: String,
    pub visitor: Option<ConversationVisitor>,
    pub group: Option<GroupId>,
    pub agent: Option<AgentId>,
    pub assign_seq: AssignSeq,
    /// The highest seq that the asker may see.
    pub head: Seq,
    pub subject: Option<String>,
    pub intent: Option<String>,
    pub locale: Option<String>,
    pub waited_ms: u64,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

/// `POST /conversations`: as the `open` frame; agents name the `visitor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenBody {
    /// The idempotency key of `content`; `Idempotency-Key` serves as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageContent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenedConversation {
    #[serde(flatten)]
    pub conversation: ConversationResource,
    /// False where a live conversation was there already.
    pub created: bool,
    /// Of the entry that `content` became.
    pub seq: Option<Seq>,
}

/// `POST /conversations/{id}/messages`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageBody {
    /// The idempotency key; `Idempotency-Key` serves as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
    pub content: MessageContent,
}

/// `POST /conversations/{id}/close`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Word>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Word>,
}

/// `POST /conversations/{id}/transfer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
    pub to: TransferTo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Lines>,
}

/// A visitor's verdict: 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

impl TryFrom<u8> for Score {
    type Error = &'static str;
    fn try_from(score: u8) -> Result<Self, Self::Error> {
        if (1..=5).contains(&score) { Ok(Self(score)) } else { Err("a score is 1, 2, 3, 4 or 5") }
    }
}

impl From<Score> for u8 {
    fn from(score: Score) -> Self {
        score.0
    }
}

/// `POST /conversations/{id}/rating`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingBody {
    pub score: Score,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Lines>,
}

/// The answer to a command: what `ack` says on a socket. `id` is the conversation's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Committed {
    pub id: ConversationId,
    /// Of the entry that it made, where it made one.
    pub seq: Option<Seq>,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;
    use crate::wire::rest::read_body;

    fn content_of(body: &str) -> Result<String, (Code, String)> {
        let message: MessageBody =
            read_body(body.as_bytes()).map_err(|refusal| (refusal.code, refusal.message.into_owned()))?;
        match message.content.read(&Limits::CONTRACT) {
            Ok(content) => Ok(format!("{content:?}")),
            Err(refusal) => Err((refusal.code, refusal.message.into_owned())),
        }
    }

    #[test]
    fn a_messages_content_is_checked_as_a_frames_is() {
        let text = content_of(r#"{"id":"m-1","content":{"kind":"text","text":"hi"}}"#);
        assert_eq!(text, Ok(r#"Text { text: "hi" }"#.to_owned()));
        for (body, code, names) in [
            (r#"{"content":{"kind":"text"}}"#, Code::BadFrame, "`text` is missing"),
            (r#"{"content":{"kind":"image","url":"data:x"}}"#, Code::BadFrame, "`url`"),
            (r#"{"content":5}"#, Code::BadFrame, "`content`"),
            (r#"{"contents":{"kind":"text","text":"hi"}}"#, Code::BadFrame, "did you mean `content`?"),
            (r#"{"id":"","content":{"kind":"text","text":"hi"}}"#, Code::BadFrame, "`id`"),
        ] {
            let (refused, message) = content_of(body).expect_err(body);
            assert_eq!(refused, code, "{body}");
            assert!(message.contains(names), "{body}: {message}");
        }
        let long = format!(r#"{{"content":{{"kind":"text","text":"{}"}}}}"#, "x".repeat(8_193));
        assert_eq!(content_of(&long).expect_err("too long").0, Code::TooLarge);
    }

    #[test]
    fn an_opening_takes_the_attributes_of_a_frame() {
        let open: OpenBody =
            read_body(r#"{"group":"支付","attributes":{"cart":129.5,"vip":true}}"#.as_bytes())
                .expect("an opening");
        let attributes = open.attributes.expect("attributes").0;
        assert_eq!(attributes.get("cart").map(String::as_str), Some("129.5"));
        assert_eq!(attributes.get("vip").map(String::as_str), Some("true"));
    }

    #[test]
    fn an_opened_conversation_is_the_conversation_and_what_became_of_it() {
        let conversation = ConversationResource {
            id: ConversationId::from_u128(1),
            shop: ShopId::default_shop(),
            channel: ChannelId::web(),
            state: "queued".to_owned(),
            visitor: None,
            group: None,
            agent: None,
            assign_seq: 0,
            head: 2,
            subject: None,
            intent: None,
            locale: None,
            waited_ms: 0,
            opened_at: Timestamp::from_millis(0),
            closed_at: None,
        };
        let opened = OpenedConversation { conversation, created: true, seq: Some(2) };
        let json = serde_json::to_value(&opened).expect("json");
        assert_eq!(json["id"], "00000000-0000-0000-0000-000000000001");
        assert_eq!((&json["created"], &json["seq"]), (&true.into(), &2.into()));
        assert_eq!(serde_json::from_value::<OpenedConversation>(json).expect("read back"), opened);
    }
}
