//! `welcome`: who signed in, what the desk promises and asks, and which conversations live.

use super::named::phase;
use crate::conversation::state::Phase;
use crate::ident::{AgentId, AssignSeq, ChannelId, ConversationId, GroupId, NodeId, Seq, SessionId};
use crate::wire::client::PresenceStatus;
use crate::wire::event::VisitorRef;
use crate::wire::text_form::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an acknowledged word survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The disk of one machine.
    Local,
    /// More than one machine.
    Replicated,
}

/// The limits that a client must keep, as this desk is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToldLimits {
    pub frame_bytes: usize,
    pub text_bytes: usize,
    pub frames_per_s: u32,
    pub frames_burst: u32,
    pub sends_in_flight: u32,
}

/// One live conversation in `welcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveConversation {
    pub conversation: ConversationId,
    pub channel: ChannelId,
    #[serde(with = "phase")]
    #[schema(value_type = String)]
    pub state: Phase,
    pub head: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_seq: Option<AssignSeq>,
}

/// A human's standing at the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Agent,
    Supervisor,
    Admin,
}

/// The agent who signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WelcomedAgent<'a> {
    pub id: AgentId,
    #[serde(borrow)]
    pub name: Text<'a>,
    pub role: Role,
}

/// What `welcome` adds for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentStanding<'a> {
    #[serde(borrow)]
    pub agent: WelcomedAgent<'a>,
    pub groups: Vec<GroupId>,
    /// In seats.
    pub capacity: u32,
    /// Seats in use, open offers included.
    pub load: u32,
    pub presence: PresenceStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Welcome<'a> {
    #[serde(borrow)]
    pub re: Text<'a>,
    pub session: SessionId,
    pub node: NodeId,
    pub durability: Durability,
    pub heartbeat_s: u64,
    pub limits: ToldLimits,
    pub conversations: Vec<LiveConversation>,
    /// To a visitor: who the desk takes them for.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorRef<'a>>,
    /// To an agent: `agent`, `groups`, `capacity`, `load`, `presence`.
    #[serde(borrow, flatten, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = standing_schema)]
    pub standing: Option<AgentStanding<'a>>,
}

/// All of a standing's fields or none of them; the derive would take the absent standing for `null`.
fn standing_schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Ref, SchemaType, Type};
    let absent = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    OneOfBuilder::new().item(Ref::from_schema_name(AgentStanding::name())).item(absent).into()
}
