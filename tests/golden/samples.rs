//! Names that all golden files share.

use rushdesk::clock::Timestamp;
use rushdesk::ident::{AgentId, ChannelId, ConversationId, GroupId, OfferId, SessionId, VisitorId};

const BORN: u128 = 0x0197_0000_0000_7000_8000_0000_0000_0000;

pub(crate) const CONVERSATION: ConversationId = ConversationId::from_u128(BORN + 0xc1);
pub(crate) const OTHER_CONVERSATION: ConversationId = ConversationId::from_u128(BORN + 0xc2);
pub(crate) const AGENT: AgentId = AgentId::from_u128(BORN + 0xa1);
pub(crate) const OTHER_AGENT: AgentId = AgentId::from_u128(BORN + 0xa2);
pub(crate) const OFFER: OfferId = OfferId::from_u128(BORN + 0xf1);
pub(crate) const SESSION: SessionId = SessionId::from_u128(BORN + 0x51);
/// 2025-11-19T16:00:00.007Z
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_763_568_000_007);

pub(crate) fn group(id: &str) -> GroupId {
    GroupId::new(id).expect("a group's id")
}

pub(crate) fn channel(id: &str) -> ChannelId {
    ChannelId::new(id).expect("a channel's id")
}

pub(crate) fn visitor() -> VisitorId {
    VisitorId::new("shopper-7").expect("a visitor's id")
}
