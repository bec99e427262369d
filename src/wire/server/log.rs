//! Frames about one conversation's log and about requests: entries, positions, hints, answers.

use super::named::{code, phase};
use crate::clock::Timestamp;
use crate::conversation::state::Phase;
use crate::ident::{AgentId, AssignSeq, ConversationId, GroupId, Seq};
use crate::refusal::{Code, Refusal};
use crate::wire::content::EntryContent;
use crate::wire::text_form::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Who wrote an entry or gave a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderKind {
    Visitor,
    Agent,
    Bot,
    System,
}

/// `from` of entries and hints; `name` is empty where nobody has given one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sender<'a> {
    pub kind: SenderKind,
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// The change is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ack<'a> {
    #[serde(borrow)]
    pub re: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Of the entry that it made, where it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    pub at: Timestamp,
}

/// One entry of the log, as one recipient sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryFrame<'a> {
    pub conversation: ConversationId,
    pub seq: Seq,
    pub prev: Seq,
    pub at: Timestamp,
    #[serde(borrow)]
    pub from: Sender<'a>,
    #[serde(borrow)]
    pub content: EntryContent<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub re: Option<Text<'a>>,
}

/// The end of a `fetch`, or of a resume's part for one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaughtUp<'a> {
    #[serde(borrow)]
    pub re: Text<'a>,
    pub conversation: ConversationId,
    pub upto: Seq,
    pub head: Seq,
}

/// Why entries are not pushed and must be fetched by pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// Too many entries behind.
    Behind,
    /// History was rewritten by a restore.
    Rewritten,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reset {
    pub conversation: ConversationId,
    pub head: Seq,
    pub reason: ResetReason,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Typing<'a> {
    pub conversation: ConversationId,
    #[serde(borrow)]
    pub from: Sender<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Text<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Read<'a> {
    pub conversation: ConversationId,
    #[serde(borrow)]
    pub from: Sender<'a>,
    pub seq: Seq,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateInvitation {
    pub conversation: ConversationId,
}

/// A conversation's present state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateFrame {
    pub conversation: ConversationId,
    #[serde(with = "phase")]
    #[schema(value_type = String)]
    pub state: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pong<'a> {
    #[serde(borrow)]
    pub re: Text<'a>,
    pub heads: BTreeMap<ConversationId, Seq>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorFrame<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub re: Option<Text<'a>>,
    #[serde(with = "code")]
    #[schema(value_type = String)]
    pub code: Code,
    #[serde(borrow)]
    pub message: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
}

impl<'a> ErrorFrame<'a> {
    /// `refusal` as the answer to the request `re`, or to nobody's where `re` is `None`.
    pub fn new(refusal: &'a Refusal, re: Option<&'a str>) -> Self {
        Self {
            re: re.map(Text::from),
            code: refusal.code,
            message: Text::from(&*refusal.message),
            retry_after_ms: refusal.retry_after_ms,
            conversation: refusal.conversation,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drain {
    pub within_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Opened<'a> {
    #[serde(borrow)]
    pub re: Text<'a>,
    pub conversation: ConversationId,
    #[serde(with = "phase")]
    #[schema(value_type = String)]
    pub state: Phase,
    /// False where a live conversation was there already.
    pub created: bool,
    /// Of the entry that `content` became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}
