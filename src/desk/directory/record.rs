//! The stored form of an agent. Groups, rules and channels are stored in the form in which HTTP shows them
//! (`wire::rest`); an agent has secrets that HTTP never shows, so it has a record of its own.

use crate::ident::{AgentId, GroupId, SkillId};
use crate::wire::rest::SkillLevel;
use crate::wire::server::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Document kinds of the configuration store.
pub mod kind {
    pub const AGENT: &str = "agent";
    pub const GROUP: &str = "group";
    pub const RULE: &str = "rule";
    pub const CHANNEL: &str = "channel";
    pub const SKILL: &str = "skill";
    pub const CANNED: &str = "canned";
    pub const TAG: &str = "tag";
    pub const WEBHOOK: &str = "webhook";
    pub const LADDER: &str = "ladder";
    pub const LOG_OUT: &str = "log_out";
}

/// An agent as the store keeps them; the document's id is the agent's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    pub id: AgentId,
    pub login: String,
    pub name: String,
    pub role: Role,
    pub groups: Vec<GroupId>,
    #[serde(default)]
    pub skills: BTreeMap<SkillId, SkillLevel>,
    #[serde(default)]
    pub languages: Vec<String>,
    /// In seats.
    pub capacity: u32,
    #[serde(default)]
    pub disabled: bool,
    /// PHC string of argon2.
    pub password_hash: String,
    /// Rises with password, role and disabling; older tokens are not honoured.
    pub token_version: u64,
}
