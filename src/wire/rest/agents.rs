//! Agents and the skills that they have.

use super::words::{Line, Word};
use crate::ident::{AgentId, GroupId, SkillId};
use crate::wire::client::PresenceStatus;
use crate::wire::server::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How well an agent can do something: 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u8", into = "u8")]
pub struct SkillLevel(u8);

impl TryFrom<u8> for SkillLevel {
    type Error = &'static str;
    fn try_from(level: u8) -> Result<Self, Self::Error> {
        if (1..=5).contains(&level) { Ok(Self(level)) } else { Err("a skill's level is 1, 2, 3, 4 or 5") }
    }
}

impl From<SkillLevel> for u8 {
    fn from(level: SkillLevel) -> Self {
        level.0
    }
}

/// `POST /agents`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentBody {
    pub login: Word,
    pub name: Line,
    pub password: String,
    pub role: Role,
    pub groups: Vec<GroupId>,
    #[serde(default)]
    pub skills: BTreeMap<SkillId, SkillLevel>,
    /// BCP 47.
    #[serde(default)]
    pub languages: Vec<Word>,
    /// In seats; the desk's default where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}

impl std::fmt::Debug for AgentBody {
    /// Without the password, which does not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentBody")
            .field("login", &self.login)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// `PATCH /agents/{id}`: what is left out stays as it is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<BTreeMap<SkillId, SkillLevel>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<Word>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// A disabled agent is signed out and may not sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Set by an administrator for the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresenceStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentResource {
    pub id: AgentId,
    pub login: String,
    pub name: String,
    pub role: Role,
    pub groups: Vec<GroupId>,
    pub skills: BTreeMap<SkillId, SkillLevel>,
    pub languages: Vec<String>,
    /// In seats.
    pub capacity: u32,
    /// Seats in use.
    pub load: u32,
    pub presence: PresenceStatus,
    pub disabled: bool,
}

/// `POST /skills`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkillBody {
    pub id: SkillId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkillResource {
    pub id: SkillId,
    pub name: String,
}
