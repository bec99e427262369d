//! The stored form of an entry's event.
//!
//! What people say most, plain text, is stored as itself; everything else as JSON under its protocol-like name.

use super::RecordError;
use super::closing::StoredClosing;
use super::content::StoredContent;
use super::why::{stored_parts, why};
use crate::clock::Timestamp;
use crate::conversation::content::Content;
use crate::conversation::event::{Attribute, ClosedBy, Event, Opening, RequeueReason, TransferTarget};
use crate::ident::{AgentId, ChannelId, GroupId, ShopId, VisitorId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// How an entry's body is to be read; the numbers are on disk for ever.
mod kind {
    pub(super) const TEXT: i64 = 1;
    pub(super) const JSON: i64 = 2;
}

/// The event's kind and body.
pub(in crate::journal) fn encode(event: &Event) -> Result<(i64, Cow<'_, str>), RecordError> {
    Ok(match event {
        Event::Message(Content::Text(text)) => (kind::TEXT, Cow::from(&**text)),
        other => (kind::JSON, serde_json::to_string(&stored(other))?.into()),
    })
}

/// Reads back what `encode` wrote.
pub(in crate::journal) fn decode(kind: i64, body: &str) -> Result<Event, RecordError> {
    match kind {
        kind::TEXT => Ok(Event::Message(Content::text(body))),
        kind::JSON => domain(serde_json::from_str(body)?),
        unknown => Err(RecordError(format!("event kind {unknown} is not known here"))),
    }
}

stored_names!(reason_name, reason_from, RequeueReason {
    Declined = "declined", OfferExpired = "offer_expired", OfferWithdrawn = "offer_withdrawn",
    Released = "released", AgentOffline = "agent_offline", AgentLost = "agent_lost", Overflow = "overflow",
});
stored_names!(closer_name, closer_from, ClosedBy {
    Visitor = "visitor", Agent = "agent", Idle = "idle", Abandoned = "abandoned", System = "system",
});

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum StoredEvent<'a> {
    Opened(Box<StoredOpening<'a>>),
    Message(StoredContent<'a>),
    Queued {
        group: Cow<'a, str>,
    },
    MessageLeft {
        group: Cow<'a, str>,
        contact: Option<Arc<str>>,
    },
    Offered {
        offer: String,
        agent: String,
        expires_at: u64,
        seats: u32,
        #[serde(default)]
        head_start_s: u32,
    },
    Assigned {
        agent: String,
        agent_name: Arc<str>,
        group: Cow<'a, str>,
        assign_seq: u64,
        reason: Arc<str>,
        waited_ms: u64,
        seats: u32,
        #[serde(default)]
        head_start_s: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        head_start_parts: Vec<(Cow<'a, str>, u64)>,
    },
    Transferred {
        from: Option<String>,
        to_agent: Option<String>,
        to_group: Option<Cow<'a, str>>,
        group: Cow<'a, str>,
        assign_seq: u64,
    },
    Requeued {
        agent: Option<String>,
        reason: Cow<'a, str>,
        group: Cow<'a, str>,
        assign_seq: u64,
    },
    BotJoined,
    BotLeft,
    Escalated {
        reason: Arc<str>,
    },
    IdleReminder {
        ends_at: u64,
    },
    WrapUp {
        ends_at: u64,
        #[serde(flatten)]
        closing: StoredClosing,
    },
    Rated {
        score: u8,
        comment: Option<Arc<str>>,
    },
    Recalled {
        seq: u64,
    },
    Closed {
        by: Cow<'a, str>,
        reason: Option<Arc<str>>,
        disposition: Option<Arc<str>>,
        tags: Vec<Arc<str>>,
    },
    Reopened,
}

#[derive(Serialize, Deserialize)]
struct StoredOpening<'a> {
    shop: Cow<'a, str>,
    channel: Cow<'a, str>,
    visitor: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor_name: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(Arc<str>, Arc<str>, bool)>,
}

fn stored(event: &Event) -> StoredEvent<'_> {
    match event {
        Event::Opened(opening) => StoredEvent::Opened(Box::new(stored_opening(opening))),
        Event::Message(content) => StoredEvent::Message(content.into()),
        Event::Queued { group } => StoredEvent::Queued { group: group.as_str().into() },
        Event::MessageLeft { group, contact } => {
            StoredEvent::MessageLeft { group: group.as_str().into(), contact: contact.clone() }
        }
        Event::Offered { offer, agent, expires_at, seats, head_start_s } => StoredEvent::Offered {
            offer: offer.to_string(),
            agent: agent.to_string(),
            expires_at: expires_at.millis(),
            seats: *seats,
            head_start_s: *head_start_s,
        },
        Event::Assigned { agent, agent_name, group, assign_seq, reason, waited_ms, seats, head_start_s } => {
            StoredEvent::Assigned {
                agent: agent.to_string(),
                agent_name: agent_name.clone(),
                group: group.as_str().into(),
                assign_seq: *assign_seq,
                reason: reason.words.clone(),
                waited_ms: *waited_ms,
                seats: *seats,
                head_start_s: *head_start_s,
                head_start_parts: stored_parts(reason),
            }
        }
        Event::Transferred { from, to, group, assign_seq } => {
            let (to_agent, to_group) = match to {
                TransferTarget::Agent(agent) => (Some(agent.to_string()), None),
                TransferTarget::Group(group) => (None, Some(group.as_str().into())),
            };
            let from = from.map(|agent| agent.to_string());
            StoredEvent::Transferred {
                from,
                to_agent,
                to_group,
                group: group.as_str().into(),
                assign_seq: *assign_seq,
            }
        }
        Event::Requeued { agent, reason, group, assign_seq } => StoredEvent::Requeued {
            agent: agent.map(|agent| agent.to_string()),
            reason: reason_name(*reason).into(),
            group: group.as_str().into(),
            assign_seq: *assign_seq,
        },
        Event::BotJoined => StoredEvent::BotJoined,
        Event::BotLeft => StoredEvent::BotLeft,
        Event::Escalated { reason } => StoredEvent::Escalated { reason: reason.clone() },
        Event::IdleReminder { ends_at } => StoredEvent::IdleReminder { ends_at: ends_at.millis() },
        Event::WrapUp { ends_at, closing } => {
            StoredEvent::WrapUp { ends_at: ends_at.millis(), closing: closing.into() }
        }
        Event::Rated { score, comment } => StoredEvent::Rated { score: *score, comment: comment.clone() },
        Event::Recalled { seq } => StoredEvent::Recalled { seq: *seq },
        Event::Closed { by, reason, disposition, tags } => StoredEvent::Closed {
            by: closer_name(*by).into(),
            reason: reason.clone(),
            disposition: disposition.clone(),
            tags: tags.clone(),
        },
        Event::Reopened => StoredEvent::Reopened,
    }
}

fn stored_opening(opening: &Opening) -> StoredOpening<'_> {
    StoredOpening {
        shop: opening.shop.as_str().into(),
        channel: opening.channel.as_str().into(),
        visitor: opening.visitor.as_str().into(),
        visitor_name: opening.visitor_name.clone(),
        locale: opening.locale.clone(),
        subject: opening.subject.clone(),
        intent: opening.intent.clone(),
        tier: opening.tier.clone(),
        attributes: opening.attributes.iter().map(|a| (a.name.clone(), a.value.clone(), a.trusted)).collect(),
    }
}

fn domain(stored: StoredEvent<'_>) -> Result<Event, RecordError> {
    Ok(match stored {
        StoredEvent::Opened(opened) => Event::Opened(Box::new(opening(*opened)?)),
        StoredEvent::Message(said) => Event::Message(said.try_into()?),
        StoredEvent::Queued { group } => Event::Queued { group: GroupId::new(&group)? },
        StoredEvent::MessageLeft { group, contact } => {
            Event::MessageLeft { group: GroupId::new(&group)?, contact }
        }
        StoredEvent::Offered { offer, agent, expires_at, seats, head_start_s } => Event::Offered {
            offer: offer.parse()?,
            agent: agent.parse()?,
            expires_at: Timestamp::from_millis(expires_at),
            seats,
            head_start_s,
        },
        StoredEvent::Assigned {
            agent,
            agent_name,
            group,
            assign_seq,
            reason,
            waited_ms,
            seats,
            head_start_s,
            head_start_parts,
        } => {
            let (agent, group) = (agent.parse()?, GroupId::new(&group)?);
            let reason = why(reason, &head_start_parts)?;
            Event::Assigned { agent, agent_name, group, assign_seq, reason, waited_ms, seats, head_start_s }
        }
        StoredEvent::Transferred { from, to_agent, to_group, group, assign_seq } => Event::Transferred {
            from: parsed_agent(from)?,
            to: transfer_target(to_agent, to_group.as_deref())?,
            group: GroupId::new(&group)?,
            assign_seq,
        },
        StoredEvent::Requeued { agent, reason, group, assign_seq } => Event::Requeued {
            agent: parsed_agent(agent)?,
            reason: reason_from(&reason)?,
            group: GroupId::new(&group)?,
            assign_seq,
        },
        StoredEvent::BotJoined => Event::BotJoined,
        StoredEvent::BotLeft => Event::BotLeft,
        StoredEvent::Escalated { reason } => Event::Escalated { reason },
        StoredEvent::IdleReminder { ends_at } => {
            Event::IdleReminder { ends_at: Timestamp::from_millis(ends_at) }
        }
        StoredEvent::WrapUp { ends_at, closing } => {
            Event::WrapUp { ends_at: Timestamp::from_millis(ends_at), closing: closing.into() }
        }
        StoredEvent::Rated { score, comment } => Event::Rated { score, comment },
        StoredEvent::Recalled { seq } => Event::Recalled { seq },
        StoredEvent::Closed { by, reason, disposition, tags } => {
            Event::Closed { by: closer_from(&by)?, reason, disposition, tags }
        }
        StoredEvent::Reopened => Event::Reopened,
    })
}

fn opening(stored: StoredOpening<'_>) -> Result<Opening, RecordError> {
    let attributes = stored.attributes.into_iter();
    Ok(Opening {
        shop: ShopId::new(&stored.shop)?,
        channel: ChannelId::new(&stored.channel)?,
        visitor: VisitorId::new(&stored.visitor)?,
        visitor_name: stored.visitor_name,
        locale: stored.locale,
        subject: stored.subject,
        intent: stored.intent,
        tier: stored.tier,
        attributes: attributes.map(|(name, value, trusted)| Attribute { name, value, trusted }).collect(),
    })
}

fn parsed_agent(text: Option<String>) -> Result<Option<AgentId>, RecordError> {
    Ok(text.map(|text| text.parse()).transpose()?)
}

fn transfer_target(agent: Option<String>, group: Option<&str>) -> Result<TransferTarget, RecordError> {
    match (agent, group) {
        (Some(agent), None) => Ok(TransferTarget::Agent(agent.parse()?)),
        (None, Some(group)) => Ok(TransferTarget::Group(GroupId::new(group)?)),
        _ => Err(RecordError("a transfer leads to one agent or one group".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::content::{Attachment, CardKind};
    use crate::conversation::event::{Closing, HeadStartPart, Why};
    use crate::ident::{OfferId, RuleId};

    fn file() -> Attachment {
        Attachment { url: "https://x/y".into(), name: Some("y".into()), size_bytes: Some(3), mime: None }
    }

    fn messages() -> Vec<Event> {
        vec![
            Content::text("你好 \"x\""),
            Content::Note("intern".into()),
            Content::Redacted,
            Content::Image(file()),
            Content::File(file()),
            Content::Voice(file()),
            Content::Card { card: CardKind::Logistics, data: "{\"a\":1}".into() },
        ]
        .into_iter()
        .map(Event::Message)
        .collect()
    }

    fn decisions() -> Vec<Event> {
        let agent = AgentId::from_u128(2);
        let group = GroupId::new("售前").unwrap();
        let at = Timestamp::from_millis(99);
        vec![
            Event::Queued { group: group.clone() },
            Event::MessageLeft { group: group.clone(), contact: Some("13800000000".into()) },
            Event::Offered {
                offer: OfferId::from_u128(4),
                agent,
                expires_at: at,
                seats: 2,
                head_start_s: 30,
            },
            Event::Assigned {
                agent,
                agent_name: "Li".into(),
                group: group.clone(),
                assign_seq: 3,
                reason: Why {
                    words: "skill".into(),
                    head_start_parts: Box::new([HeadStartPart {
                        rule: RuleId::new("vip").unwrap(),
                        head_start_s: 60,
                    }]),
                },
                waited_ms: 5,
                seats: 1,
                head_start_s: 60,
            },
            Event::Transferred {
                from: Some(agent),
                to: TransferTarget::Agent(agent),
                group: group.clone(),
                assign_seq: 4,
            },
            Event::Transferred {
                from: None,
                to: TransferTarget::Group(group.clone()),
                group: group.clone(),
                assign_seq: 4,
            },
            Event::Requeued { agent: None, reason: RequeueReason::AgentLost, group, assign_seq: 5 },
            Event::BotJoined,
            Event::BotLeft,
            Event::Escalated { reason: "angry".into() },
            Event::IdleReminder { ends_at: at },
            Event::WrapUp { ends_at: at, closing: Closing::default() },
            Event::WrapUp {
                ends_at: at,
                closing: Closing {
                    reason: Some("r".into()),
                    disposition: Some("solved".into()),
                    tags: vec!["a".into()],
                },
            },
            Event::Rated { score: 5, comment: None },
            Event::Recalled { seq: 7 },
            Event::Closed {
                by: ClosedBy::Idle,
                reason: Some("r".into()),
                disposition: None,
                tags: vec!["a".into(), "b".into()],
            },
            Event::Reopened,
        ]
    }

    fn opening() -> Event {
        Event::Opened(Box::new(Opening {
            shop: ShopId::default_shop(),
            channel: ChannelId::web(),
            visitor: VisitorId::new("v").unwrap(),
            visitor_name: None,
            locale: Some("zh-CN".into()),
            subject: None,
            intent: Some("refund".into()),
            tier: None,
            attributes: vec![Attribute { name: "n".into(), value: "v".into(), trusted: false }],
        }))
    }

    #[test]
    fn every_event_comes_back_as_it_was() {
        for event in messages().into_iter().chain(decisions()).chain([opening()]) {
            let (kind, body) = encode(&event).unwrap();
            assert_eq!(decode(kind, &body), Ok(event.clone()), "{body}");
        }
    }

    #[test]
    fn a_wrap_up_of_before_its_closing_was_kept_is_read_and_written_as_it_stood() {
        let before = r#"{"event":"wrap_up","ends_at":99}"#;
        let event = decode(kind::JSON, before).unwrap();
        assert_eq!(event, Event::WrapUp { ends_at: Timestamp::from_millis(99), closing: Closing::default() });
        assert_eq!(encode(&event).unwrap().1, before);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(decode(99, "").unwrap_err().0.contains("kind 99"));
        assert!(decode(kind::JSON, "{\"event\":\"sung\"}").unwrap_err().0.contains("sung"));
    }
}
