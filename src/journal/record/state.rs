//! The stored form of a conversation's state, version 1.
//!
//! A cache of the log's fold: what stands here can always be had again from the entries (the audit compares).

use super::RecordError;
use super::closing::StoredClosing;
use crate::clock::Timestamp;
use crate::conversation::event::Attribute;
use crate::conversation::state::{OpenOffer, Phase, State};
use crate::ident::{AgentId, ChannelId, ConversationId, GroupId, OfferId, ShopId, VisitorId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredState<'a> {
    v: u32,
    phase: Cow<'a, str>,
    head: u64,
    visitor_head: u64,
    shop: Cow<'a, str>,
    channel: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor: Option<Cow<'a, str>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
    assign_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<StoredOffer>,
    seats: u32,
    #[serde(default)]
    head_start_s: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    declined: Vec<String>,
    opened_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    enqueued_at: Option<u64>,
    waited_before_ms: u64,
    last_visitor_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_agent_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unanswered_since: Option<u64>,
    reminded: bool,
    #[serde(default)]
    call_back: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrap_up_ends_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closing: Option<StoredClosing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<u64>,
    rated: bool,
    served: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredOffer {
    offer: String,
    agent: String,
    expires_at: u64,
}

/// The state as JSON text, without its id (the row has it).
pub(in crate::journal) fn encode(state: &State) -> Result<String, RecordError> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let agent = |agent: Option<AgentId>| agent.map(|agent| agent.to_string());
    Ok(serde_json::to_string(&StoredState {
        v: VERSION,
        phase: state.phase.name().into(),
        head: state.head,
        visitor_head: state.visitor_head,
        shop: state.shop.as_str().into(),
        channel: state.channel.as_str().into(),
        visitor: state.visitor.as_ref().map(|visitor| visitor.as_str().into()),
        visitor_name: state.visitor_name.clone(),
        locale: state.locale.clone(),
        subject: state.subject.clone(),
        intent: state.intent.clone(),
        tier: state.tier.clone(),
        attributes: state.attributes.iter().map(|a| (a.name.clone(), a.value.clone(), a.trusted)).collect(),
        group: state.group.as_ref().map(|group| group.as_str().into()),
        assignee: agent(state.assignee),
        assign_seq: state.assign_seq,
        offer: state.offer.as_ref().map(|open| StoredOffer {
            offer: open.offer.to_string(),
            agent: open.agent.to_string(),
            expires_at: open.expires_at.millis(),
        }),
        seats: state.seats,
        head_start_s: state.head_start_s,
        wanted_agent: agent(state.wanted_agent),
        last_agent: agent(state.last_agent),
        declined: state.declined.iter().map(ToString::to_string).collect(),
        opened_at: state.opened_at.millis(),
        enqueued_at: millis(state.enqueued_at),
        waited_before_ms: state.waited_before_ms,
        last_visitor_at: state.last_visitor_at.millis(),
        last_agent_at: millis(state.last_agent_at),
        unanswered_since: millis(state.unanswered_since),
        reminded: state.reminded,
        call_back: state.call_back,
        wrap_up_ends_at: millis(state.wrap_up_ends_at),
        closing: state.closing.as_deref().map(Into::into),
        closed_at: millis(state.closed_at),
        rated: state.rated,
        served: state.served,
    })?)
}

/// Reads back what `encode` wrote.
pub(in crate::journal) fn decode(id: ConversationId, text: &str) -> Result<State, RecordError> {
    let stored: StoredState<'_> = serde_json::from_str(text)?;
    if stored.v != VERSION {
        return Err(RecordError(format!("state version {} is not known here", stored.v)));
    }
    let millis = |at: Option<u64>| at.map(Timestamp::from_millis);
    let agent = |text: Option<String>| text.map(|text| text.parse::<AgentId>()).transpose();
    Ok(State {
        id,
        phase: Phase::from_name(&stored.phase)
            .ok_or_else(|| RecordError(format!("`{}` is no phase", stored.phase)))?,
        head: stored.head,
        visitor_head: stored.visitor_head,
        shop: ShopId::new(&stored.shop)?,
        channel: ChannelId::new(&stored.channel)?,
        visitor: stored.visitor.as_deref().map(VisitorId::new).transpose()?,
        visitor_name: stored.visitor_name,
        locale: stored.locale,
        subject: stored.subject,
        intent: stored.intent,
        tier: stored.tier,
        attributes: stored
            .attributes
            .into_iter()
            .map(|(name, value, trusted)| Attribute { name, value, trusted })
            .collect(),
        group: stored.group.as_deref().map(GroupId::new).transpose()?,
        assignee: agent(stored.assignee)?,
        assign_seq: stored.assign_seq,
        offer: stored.offer.map(open_offer).transpose()?,
        seats: stored.seats,
        head_start_s: stored.head_start_s,
        wanted_agent: agent(stored.wanted_agent)?,
        last_agent: agent(stored.last_agent)?,
        declined: stored.declined.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        opened_at: Timestamp::from_millis(stored.opened_at),
        enqueued_at: millis(stored.enqueued_at),
        waited_before_ms: stored.waited_before_ms,
        last_visitor_at: Timestamp::from_millis(stored.last_visitor_at),
        last_agent_at: millis(stored.last_agent_at),
        unanswered_since: millis(stored.unanswered_since),
        reminded: stored.reminded,
        call_back: stored.call_back,
        wrap_up_ends_at: millis(stored.wrap_up_ends_at),
        closing: stored.closing.map(|closing| Box::new(closing.into())),
        closed_at: millis(stored.closed_at),
        rated: stored.rated,
        served: stored.served,
    })
}

fn open_offer(stored: StoredOffer) -> Result<OpenOffer, RecordError> {
    Ok(OpenOffer {
        offer: stored.offer.parse::<OfferId>()?,
        agent: stored.agent.parse()?,
        expires_at: Timestamp::from_millis(stored.expires_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::event::Closing;

    #[test]
    fn a_full_state_and_an_empty_one_come_back_as_they_were() {
        let id = ConversationId::from_u128(7);
        let at = Timestamp::from_millis(1_700_000_000_123);
        let empty = State::new(id);
        let full = State {
            phase: Phase::Offered,
            head: 9,
            visitor_head: 8,
            visitor: VisitorId::new("访客 \"1\"").ok(),
            visitor_name: Some("小王".into()),
            locale: Some("zh-CN".into()),
            subject: Some("退款".into()),
            intent: Some("payment_failure".into()),
            tier: Some("vip".into()),
            attributes: vec![Attribute { name: "a".into(), value: "b".into(), trusted: true }],
            group: GroupId::new("售后").ok(),
            assignee: Some(AgentId::from_u128(3)),
            assign_seq: 4,
            offer: Some(OpenOffer {
                offer: OfferId::from_u128(5),
                agent: AgentId::from_u128(6),
                expires_at: at,
            }),
            seats: 2,
            head_start_s: 600,
            wanted_agent: Some(AgentId::from_u128(8)),
            last_agent: Some(AgentId::from_u128(9)),
            declined: [AgentId::from_u128(10), AgentId::from_u128(11)].into_iter().collect(),
            enqueued_at: Some(at),
            waited_before_ms: 12,
            last_agent_at: Some(at),
            unanswered_since: Some(at),
            reminded: true,
            call_back: true,
            wrap_up_ends_at: Some(at),
            closing: Some(Box::new(Closing {
                reason: None,
                disposition: Some("solved".into()),
                tags: vec!["refund".into()],
            })),
            closed_at: Some(at),
            rated: true,
            served: true,
            opened_at: at,
            last_visitor_at: at,
            ..State::new(id)
        };
        for state in [empty, full] {
            assert_eq!(decode(id, &encode(&state).unwrap()), Ok(state));
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let text = encode(&State::new(ConversationId::from_u128(1))).unwrap().replace("\"v\":1", "\"v\":2");
        assert!(decode(ConversationId::from_u128(1), &text).unwrap_err().0.contains("version 2"));
    }
}
