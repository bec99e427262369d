//! Groups that share agents are of one routing domain, because one supervisor counts an agent's seats.
//!
//! Checked where an agent is hired or changed and where a group changes its domain. Two nodes may let two such changes
//! pass at once: then the directory reports the agent and uses the groups of one domain only.

use super::Administration;
use crate::desk::directory::apart;
use crate::ident::{DomainId, GroupId};
use crate::refusal::Refusal;
use crate::wire::rest::GroupResource;

impl Administration {
    /// # Errors
    /// `conflict` where `groups` are of more than one routing domain as `all` have them.
    pub(super) fn must_be_of_one_domain(groups: &[GroupId], all: &[GroupResource]) -> Result<(), Refusal> {
        match apart(groups, |group| domain_of(group, all)) {
            None => Ok(()),
            Some([(one, its), (other, others)]) => Err(Refusal::conflict(format!(
                "an agent serves one routing domain, and group `{one}` is of `{its}` but `{other}` of `{others}`: leave \
                 one of them out, or give both groups the same `domain`"
            ))),
        }
    }

    /// Whether the agents of `group` are in groups of its domain only.
    ///
    /// # Errors
    /// `conflict` with one who is not; `unavailable`.
    pub(super) fn must_share_no_agent_across_domains(&self, group: &GroupResource) -> Result<(), Refusal> {
        let mut all = self.all::<GroupResource>()?;
        all.retain(|known| known.id != group.id);
        all.push(group.clone());
        for agent in self.agents()?.iter().filter(|agent| agent.groups.contains(&group.id)) {
            if let Some([(one, its), (other, others)]) = apart(&agent.groups, |group| domain_of(group, &all))
            {
                return Err(Refusal::conflict(format!(
                    "`domain`: agent `{}` would be in group `{one}` of routing domain `{its}` and in `{other}` of \
                     `{others}`, and an agent serves one domain: take them out of one of the two groups first",
                    agent.login
                )));
            }
        }
        Ok(())
    }
}

fn domain_of<'a>(group: &GroupId, all: &'a [GroupResource]) -> Option<&'a DomainId> {
    all.iter().find(|known| known.id == *group).map(|known| &known.domain)
}
