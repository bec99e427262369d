//! The persons and things that the tests speak of.

use crate::clock::Timestamp;
use crate::conversation::command::{Command, Grant, Landing, Policy, Who};
use crate::conversation::content::Content;
use crate::conversation::event::{Opening, RequeueReason, TransferTarget};
use crate::ident::{AgentId, ChannelId, GroupId, OfferId, ShopId, VisitorId};

pub(super) const START: Timestamp = Timestamp::from_millis(1_000_000_000);
pub(super) const HOLDER: AgentId = AgentId::from_u128(1);
pub(super) const COLLEAGUE: AgentId = AgentId::from_u128(2);
pub(super) const BOSS: AgentId = AgentId::from_u128(3);
pub(super) const OFFER: OfferId = OfferId::from_u128(7);
pub(super) const OFFER_MS: u64 = 20_000;

pub(super) const POLICY: Policy = Policy {
    idle_end_ms: 600_000,
    reminder_before_ms: 120_000,
    recall_ms: 120_000,
    reopen_ms: 86_400_000,
    wrap_up_ms: 0,
};

pub(super) fn group(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}

pub(super) fn visitor() -> Who {
    Who::Visitor { id: VisitorId::new("v").unwrap(), name: Some("Ada".into()) }
}

pub(super) fn stranger() -> Who {
    Who::Visitor { id: VisitorId::new("w").unwrap(), name: None }
}

pub(super) fn agent(id: AgentId) -> Who {
    Who::Agent { id, name: "Bo".into(), supervisor: id == BOSS }
}

pub(super) fn opening() -> Box<Opening> {
    Box::new(Opening {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        visitor: VisitorId::new("v").unwrap(),
        visitor_name: Some("Ada".into()),
        locale: None,
        subject: None,
        intent: None,
        tier: None,
        attributes: Vec::new(),
    })
}

pub(super) fn open(landing: Landing) -> Command {
    Command::Open { opening: opening(), landing, content: None, contact: None, notice: None }
}

pub(super) fn queue() -> Landing {
    Landing::Queue(group("general"))
}

pub(super) fn say(text: &str) -> Command {
    Command::Say(Content::text(text))
}

pub(super) fn note() -> Content {
    Content::Note("between us".into())
}

pub(super) fn close() -> Command {
    Command::Close { reason: None, disposition: None, tags: Vec::new() }
}

pub(super) fn leave(content: Content) -> Command {
    Command::LeaveMessage { content, contact: Some("ada@example.com".into()) }
}

pub(super) fn offer_to(agent: AgentId, now: Timestamp) -> Command {
    let expires_at = now.plus_millis(OFFER_MS);
    Command::Offer { offer: OFFER, agent, seats: 2, head_start_s: 60, expires_at }
}

pub(super) fn assign(agent: AgentId) -> Command {
    Command::Assign(Grant {
        agent,
        agent_name: "Bo".into(),
        seats: 2,
        head_start_s: 0,
        reason: "picked".into(),
    })
}

pub(super) fn transfer(to: &str) -> Command {
    Command::Transfer { to: TransferTarget::Group(group(to)), group: group(to), note: None }
}

pub(super) fn lost(agent: AgentId) -> Command {
    Command::Requeue { agent, reason: RequeueReason::AgentLost }
}
