//! Groups: whom they choose, and where conversations go that they cannot take.

use super::body::given;
use super::hours::OpeningHours;
use super::words::Line;
use crate::ident::{DomainId, GroupId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which agent among those who can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentPolicy {
    LongestIdle,
    LeastLoaded,
    RoundRobin,
    BestSkill,
}

/// Whether an agent is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptMode {
    Auto,
    Manual,
}

/// Where an arrival goes that its group does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    LeaveMessage,
    Group(GroupId),
}

/// What happens outside business hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenClosed {
    Queue,
    LeaveMessage,
    Group(GroupId),
}

/// From this many waiting on, arrivals go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverflowAtLength {
    pub waiting: u32,
    pub to: Elsewhere,
}

/// After this wait, a conversation moves on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverflowQueued {
    pub after_s: u64,
    pub to: GroupId,
}

/// A group's ways out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Overflow {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_length: Option<OverflowAtLength>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_closed: Option<WhenClosed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<OverflowQueued>,
}

/// This share answered within this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
    pub percent: u8,
    pub within_s: u64,
}

/// A rise of head start when a wait comes near its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bump {
    pub after_s: u64,
    pub head_start_s: u64,
}

/// `POST /groups`. What is left out is as the settings say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupBody {
    pub id: GroupId,
    pub name: Line,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<AgentPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ceiling: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<OpeningHours>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_level: Option<ServiceLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bump: Option<Bump>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap_up_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandon_s: Option<u64>,
    /// Whether agents may take from the queue by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<bool>,
    /// Whether a visitor's own client may ask for this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Groups that share agents are of one routing domain; `default` where nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
}

/// `PATCH /groups/{id}`: what is left out stays; `null` takes away hours, service level or bump.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<AgentPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ceiling: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub hours: Option<Option<OpeningHours>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub service_level: Option<Option<ServiceLevel>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub bump: Option<Option<Bump>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap_up_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandon_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupResource {
    pub id: GroupId,
    pub name: String,
    pub policy: AgentPolicy,
    pub accept: AcceptMode,
    pub offer_s: u64,
    pub queue_ceiling: u32,
    pub overflow: Overflow,
    /// `null`: always open.
    pub hours: Option<OpeningHours>,
    pub service_level: Option<ServiceLevel>,
    pub bump: Option<Bump>,
    pub wrap_up_s: u64,
    pub abandon_s: u64,
    pub pick: bool,
    pub public: bool,
    /// Groups that share agents are of one routing domain.
    #[serde(default = "DomainId::default_domain")]
    pub domain: DomainId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_tells_null_from_left_out() {
        let kept: GroupPatch = serde_json::from_str("{}").expect("a patch");
        assert_eq!(kept.hours, None);
        let taken: GroupPatch = serde_json::from_str(r#"{"hours":null}"#).expect("a patch");
        assert_eq!(taken.hours, Some(None));
    }

    #[test]
    fn ways_out_are_words_or_groups() {
        let overflow: Overflow = serde_json::from_str(
            r#"{"at_length":{"waiting":50,"to":"leave_message"},"when_closed":{"group":"night"}}"#,
        )
        .expect("an overflow");
        assert_eq!(overflow.at_length.map(|at| at.to), Some(Elsewhere::LeaveMessage));
        assert_eq!(overflow.when_closed, GroupId::new("night").ok().map(WhenClosed::Group));
    }
}
