//! Between the contract's shapes and the conversation's own: total in both directions, judging nothing.
//!
//! What a visitor may know of an event is decided here and nowhere else.

use super::client::PresenceStatus;
use super::content::{Attachment, CardKind, Content, EntryContent};
use super::event::{ClosedBy, EventContent, RequeueReason, TransferTo, VisitorRef};
use super::server::{Durability, EntryFrame, Role, Sender, SenderKind};
use super::text_form::{JsonText, Text};
use crate::conversation::content as domain;
use crate::conversation::event::{self as facts, Author, Entry, Event, Opening, View};
use crate::ident::ConversationId;
use std::collections::BTreeMap;
use std::sync::Arc;

fn text(shared: &Arc<str>) -> Text<'_> {
    Text::from(&**shared)
}

fn optional(shared: Option<&Arc<str>>) -> Option<Text<'_>> {
    shared.map(text)
}

impl From<Content<'_>> for domain::Content {
    fn from(content: Content<'_>) -> Self {
        match content {
            Content::Text { text } => Self::Text(text.as_str().into()),
            Content::Note { text } => Self::Note(text.as_str().into()),
            Content::Image(attachment) => Self::Image(attachment.into()),
            Content::File(attachment) => Self::File(attachment.into()),
            Content::Voice(attachment) => Self::Voice(attachment.into()),
            Content::Card { card, data } => Self::Card { card: card.into(), data: data.as_str().into() },
        }
    }
}

impl From<Attachment<'_>> for domain::Attachment {
    fn from(attachment: Attachment<'_>) -> Self {
        Self {
            url: attachment.url.into_string(),
            name: attachment.name.map(Text::into_string),
            size_bytes: attachment.size,
            mime: attachment.mime.map(Text::into_string),
        }
    }
}

impl<'a> From<&'a domain::Attachment> for Attachment<'a> {
    fn from(attachment: &'a domain::Attachment) -> Self {
        Self {
            url: Text::from(attachment.url.as_str()),
            name: attachment.name.as_deref().map(Text::from),
            size: attachment.size_bytes,
            mime: attachment.mime.as_deref().map(Text::from),
        }
    }
}

macro_rules! same_names {
    ($wire:ident, $domain:path { $($name:ident),* $(,)? }) => {
        impl From<$wire> for $domain {
            fn from(value: $wire) -> Self {
                match value { $($wire::$name => Self::$name,)* }
            }
        }

        impl From<$domain> for $wire {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$name => Self::$name,)* }
            }
        }
    };
}

same_names!(CardKind, domain::CardKind { Order, Product, Logistics, Coupon, Form });
same_names!(ClosedBy, facts::ClosedBy { Visitor, Agent, Idle, Abandoned, System });
same_names!(
    RequeueReason,
    facts::RequeueReason {
        Declined,
        OfferExpired,
        OfferWithdrawn,
        Released,
        AgentOffline,
        AgentLost,
        Overflow,
    }
);

impl From<TransferTo> for facts::TransferTarget {
    fn from(to: TransferTo) -> Self {
        match to {
            TransferTo::Group(group) => Self::Group(group),
            TransferTo::Agent(agent) => Self::Agent(agent),
        }
    }
}

impl From<&facts::TransferTarget> for TransferTo {
    fn from(target: &facts::TransferTarget) -> Self {
        match target {
            facts::TransferTarget::Group(group) => Self::Group(group.clone()),
            facts::TransferTarget::Agent(agent) => Self::Agent(*agent),
        }
    }
}

impl<'a> From<&'a domain::Content> for EntryContent<'a> {
    fn from(content: &'a domain::Content) -> Self {
        let message = match content {
            domain::Content::Redacted => return Self::Redacted,
            domain::Content::Text(words) => Content::Text { text: text(words) },
            domain::Content::Note(words) => Content::Note { text: text(words) },
            domain::Content::Image(attachment) => Content::Image(attachment.into()),
            domain::Content::File(attachment) => Content::File(attachment.into()),
            domain::Content::Voice(attachment) => Content::Voice(attachment.into()),
            domain::Content::Card { card, data } => {
                Content::Card { card: (*card).into(), data: JsonText::trusted(&**data) }
            }
        };
        Self::Message(message)
    }
}

impl<'a> From<&'a Author> for Sender<'a> {
    fn from(author: &'a Author) -> Self {
        let (kind, id, name) = match author {
            Author::Visitor { id, name } => (
                SenderKind::Visitor,
                Text::from(id.as_str()),
                name.as_ref().map_or_else(|| Text::from(""), text),
            ),
            Author::Agent { id, name } => (SenderKind::Agent, Text::from(id.to_string()), text(name)),
            Author::Bot => (SenderKind::Bot, Text::from("bot"), Text::from("")),
            Author::System => (SenderKind::System, Text::from("system"), Text::from("")),
        };
        Self { kind, id, name }
    }
}

/// What an entry carries, as `view` may see it; `None` where it may not see the entry at all.
pub fn entry_content(event: &Event, view: View) -> Option<EntryContent<'_>> {
    if !event.visible_to(view) {
        return None;
    }
    Some(match event {
        Event::Message(content) => content.into(),
        event => EntryContent::Event(event_content(event, view)?),
    })
}

/// One entry of `conversation`, as `view` may see it; `None` where it may not.
pub fn entry_frame(entry: &Entry, conversation: ConversationId, view: View) -> Option<EntryFrame<'_>> {
    Some(EntryFrame {
        conversation,
        seq: entry.seq,
        prev: entry.prev(view),
        at: entry.at,
        from: Sender::from(&entry.author),
        content: entry_content(&entry.event, view)?,
        re: None,
    })
}

fn event_content(event: &Event, view: View) -> Option<EventContent<'_>> {
    let desk = view == View::Desk;
    Some(match event {
        Event::Message(_) => return None,
        Event::Opened(opening) => opened(opening, desk),
        Event::Queued { group } => EventContent::Queued { group: group.clone() },
        Event::MessageLeft { group, contact } => {
            EventContent::MessageLeft { group: group.clone(), contact: optional(contact.as_ref()) }
        }
        Event::Offered { offer, agent, expires_at, .. } => {
            EventContent::Offered { offer: *offer, agent: *agent, expires_at: *expires_at }
        }
        Event::Assigned { agent, agent_name, group, assign_seq, reason, waited_ms, .. } => {
            EventContent::Assigned {
                agent: desk.then_some(*agent),
                name: text(agent_name),
                group: desk.then(|| group.clone()),
                assign_seq: desk.then_some(*assign_seq),
                reason: desk.then(|| text(&reason.words)),
                waited_ms: desk.then_some(*waited_ms),
            }
        }
        Event::Transferred { from, to, group, assign_seq } => EventContent::Transferred {
            from: from.filter(|_| desk),
            to: if desk { to.into() } else { TransferTo::Group(group.clone()) },
            group: desk.then(|| group.clone()),
            assign_seq: desk.then_some(*assign_seq),
        },
        Event::Requeued { agent, reason, group, assign_seq } => EventContent::Requeued {
            agent: *agent,
            reason: (*reason).into(),
            group: group.clone(),
            assign_seq: *assign_seq,
        },
        Event::BotJoined => EventContent::BotJoined {},
        Event::BotLeft => EventContent::BotLeft {},
        Event::Escalated { reason } => EventContent::Escalated { reason: text(reason) },
        Event::IdleReminder { ends_at } => EventContent::IdleReminder { ends_at: *ends_at },
        Event::WrapUp { ends_at, .. } => EventContent::WrapUp { ends_at: *ends_at },
        Event::Rated { score, comment } => {
            EventContent::Rated { score: *score, comment: optional(comment.as_ref()) }
        }
        Event::Recalled { seq } => EventContent::Recalled { seq: *seq },
        Event::Closed { by, reason, disposition, tags } => EventContent::Closed {
            by: (*by).into(),
            reason: optional(reason.as_ref()),
            disposition: optional(disposition.as_ref().filter(|_| desk)),
            tags: tags.iter().filter(|_| desk).map(text).collect(),
        },
        Event::Reopened => EventContent::Reopened {},
    })
}

/// The shop's own facts (tier, attributes) and who the visitor is stay with the desk.
fn opened(opening: &Opening, desk: bool) -> EventContent<'_> {
    EventContent::Opened {
        shop: opening.shop.clone(),
        channel: opening.channel.clone(),
        visitor: desk.then(|| VisitorRef {
            id: opening.visitor.clone(),
            name: optional(opening.visitor_name.as_ref()),
            tier: optional(opening.tier.as_ref()),
        }),
        locale: optional(opening.locale.as_ref()),
        subject: optional(opening.subject.as_ref()),
        intent: optional(opening.intent.as_ref()),
        attributes: if desk {
            opening.attributes.iter().map(|a| (text(&a.name), text(&a.value))).collect()
        } else {
            BTreeMap::new()
        },
    }
}

same_names!(Role, crate::signin::Role { Agent, Supervisor, Admin });
same_names!(PresenceStatus, crate::journal::Presence { Online, Away, Offline });
same_names!(Durability, crate::journal::Durability { Local, Replicated });
