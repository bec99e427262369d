//! The bodies of `/api/v1` (protocol 11): what is asked and what is answered, in JSON.
//!
//! Requests refuse unknown fields and name the nearest known one; a typo in a configuration must not pass in silence,
//! whereas frames ignore what they do not know. Resources are objects with an `id`. Handlers turn these into commands;
//! nothing here decides.

mod agents;
mod attributes;
mod body;
mod conversations;
mod groups;
mod hours;
mod ladder;
mod objects;
mod queues;
mod rules;
mod shop;
mod signin;
mod words;

pub use agents::{AgentBody, AgentPatch, AgentResource, SkillBody, SkillLevel, SkillResource};
pub use attributes::Attributes;
pub use body::{given, read_body};
pub use conversations::{
    CloseBody, Committed, ConversationQuery, ConversationResource, ConversationVisitor, EntriesQuery,
    MessageBody, MessageContent, OpenBody, OpenedConversation, PageQuery, RatingBody, Score, TransferBody,
};
pub use groups::{
    AcceptMode, AgentPolicy, Bump, Elsewhere, GroupBody, GroupPatch, GroupResource, Overflow,
    OverflowAtLength, OverflowQueued, ServiceLevel, WhenClosed,
};
pub use hours::{Holiday, OpenSpan, OpeningHours, Week};
pub use ladder::{LadderLevel, LadderMode, LadderPatch, LadderResource, LadderStanding};
pub use queues::{Candidate, Explanation, HeadStartPart, QueueResource, QueuedItem};
pub use rules::{Needs, RuleBody, RulePatch, RuleResource, RuleStep, RuleWhen};
pub use shop::{
    AttachmentResource, CannedBody, CannedPatch, CannedResource, ChannelBody, ChannelPatch, ChannelResource,
    TagBody, TagResource, WebhookBody, WebhookPatch, WebhookResource,
};
pub use signin::{LoginAnswer, LoginBody, VisitorAnswer, VisitorBody, VisitorResource};
pub use words::{Line, Lines, Word};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The `cursor` of the next page; `null` at the end.
    pub next: Option<String>,
}
