//! The configuration as the desk uses it: groups, agents, rules and channels, typed, checked, and found fast.
//!
//! A `Directory` is a value: made whole from the stored documents (`record`, `read`), then never changed; a change makes
//! a new one. What a document means to routing is decided here; what is wrong in one document is reported and does not
//! take the others with it.

mod domains;
mod read;
pub mod record;

pub(in crate::desk) use domains::apart;
pub use read::{Defect, Documents};
pub(in crate::desk) use read::{group, rule};

use crate::conversation::command::Policy;
use crate::ident::{AgentId, ChannelId, DomainId, GroupId};
use crate::routing::Agent;
use crate::routing::Group;
use crate::routing::Rule;
use crate::signin::Role;
use crate::wire::rest::LadderStanding;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A group of agents that share a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProfile {
    pub name: Arc<str>,
    /// Of the groups that share agents with it.
    pub domain: DomainId,
    pub routing: Group,
    pub wrap_up_ms: u64,
    pub abandon_ms: u64,
    /// Agents may take from the queue by hand.
    pub pick: bool,
}

/// A human of the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProfile {
    pub id: AgentId,
    pub login: Arc<str>,
    pub name: Arc<str>,
    pub role: Role,
    /// PHC string of argon2.
    pub password_hash: Arc<str>,
    /// Rises with password, role and disabling; older tokens are not honoured.
    pub token_version: u64,
    pub disabled: bool,
    /// In seats, as a manager set it; `routing.capacity` has those on top that the ladder lends.
    pub capacity: u32,
    /// Of all their groups; the default one without any.
    pub domain: DomainId,
    pub routing: Agent,
}

/// What the settings give to documents that leave something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    pub conversation: Policy,
    pub abandon_ms: u64,
}

/// The configuration at one moment.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Of the store when its documents were read; 0 for one that was not read from a store.
    pub revision: u64,
    pub groups: BTreeMap<GroupId, GroupProfile>,
    pub agents: BTreeMap<AgentId, AgentProfile>,
    pub logins: BTreeMap<Arc<str>, AgentId>,
    /// In the order in which they are asked.
    pub rules: Vec<Rule>,
    /// Seats that one conversation of the channel takes.
    pub channel_seats: BTreeMap<ChannelId, u32>,
    /// `None` until somebody has moved it.
    pub ladder: Option<LadderStanding>,
    /// Of all groups, and the default one.
    pub domains: BTreeSet<DomainId>,
    default_domain: DomainId,
    pub defaults: Defaults,
}

impl Directory {
    /// A desk without any configuration.
    pub fn empty(defaults: Defaults) -> Self {
        let default_domain = DomainId::default_domain();
        Self {
            revision: 0,
            groups: BTreeMap::new(),
            agents: BTreeMap::new(),
            logins: BTreeMap::new(),
            rules: Vec::new(),
            channel_seats: BTreeMap::new(),
            ladder: None,
            domains: BTreeSet::from([default_domain.clone()]),
            default_domain,
            defaults,
        }
    }

    pub fn group(&self, id: &GroupId) -> Option<&GroupProfile> {
        self.groups.get(id)
    }

    pub fn agent(&self, id: AgentId) -> Option<&AgentProfile> {
        self.agents.get(&id)
    }

    pub fn agent_by_login(&self, login: &str) -> Option<&AgentProfile> {
        self.agents.get(self.logins.get(login)?)
    }

    /// Seats that a conversation of `channel` takes.
    pub fn seats_of(&self, channel: &ChannelId) -> u32 {
        self.channel_seats.get(channel).copied().unwrap_or(1)
    }

    /// The times that `group` gives its conversations.
    pub fn policy_of(&self, group: Option<&GroupId>) -> Policy {
        let wrap_up_ms = group.and_then(|group| self.group(group)).map(|group| group.wrap_up_ms);
        let defaults = self.defaults.conversation;
        Policy { wrap_up_ms: wrap_up_ms.unwrap_or(defaults.wrap_up_ms), ..defaults }
    }

    /// How long a visitor of `group` may be without a connection before the conversation is no longer offered.
    pub fn abandon_ms_of(&self, group: Option<&GroupId>) -> u64 {
        group.and_then(|group| self.group(group)).map_or(self.defaults.abandon_ms, |group| group.abandon_ms)
    }
}
