//! Which routing domain a group, an agent or a conversation is of.
//!
//! One supervisor counts an agent's seats, so whoever an agent holds is their domain's, whichever group it came from; and
//! whoever waits is their group's. What names no domain, or is not known, is of the default one.

use super::{Defect, Directory};
use crate::conversation::state::State;
use crate::desk::directory::record::kind;
use crate::ident::{AgentId, DomainId, GroupId};

impl Directory {
    /// The domain of a group; the default one for a group that is not known, and for none.
    pub fn domain_of_group(&self, group: Option<&GroupId>) -> &DomainId {
        group.and_then(|group| self.group(group)).map_or(&self.default_domain, |group| &group.domain)
    }

    /// The domain that an agent serves; the default one for whoever is not known.
    pub fn domain_of_agent(&self, agent: AgentId) -> &DomainId {
        self.agent(agent).map_or(&self.default_domain, |agent| &agent.domain)
    }

    /// The domain of a conversation that `held_by` holds, or that waits in `group`.
    pub fn domain_of(&self, held_by: Option<AgentId>, group: Option<&GroupId>) -> &DomainId {
        held_by.map_or_else(|| self.domain_of_group(group), |agent| self.domain_of_agent(agent))
    }

    /// The domain of a conversation as it stands.
    pub fn domain_of_state(&self, state: &State) -> &DomainId {
        self.domain_of(state.assignee.filter(|_| state.phase.is_assigned()), state.group.as_ref())
    }

    /// Whether the agent works for this domain.
    pub fn serves(&self, agent: AgentId, domain: &DomainId) -> bool {
        self.agent(agent).is_some_and(|agent| !agent.disabled && agent.domain == *domain)
    }

    /// Gives agents the domain of their groups. Whoever is in groups of two keeps those of the first group's domain only.
    pub(super) fn settle_domains(&mut self) -> Vec<Defect> {
        self.domains.extend(self.groups.values().map(|group| group.domain.clone()));
        let domain_of = |group: &GroupId| self.groups.get(group).map(|group| &group.domain);
        let mut defects = Vec::new();
        for agent in self.agents.values_mut() {
            let Some(domain) = agent.routing.groups.iter().find_map(domain_of).cloned() else { continue };
            if let Some([(one, its), (other, others)]) = apart(&agent.routing.groups, domain_of) {
                let reason = format!(
                    "group `{one}` is of routing domain `{its}` and `{other}` of `{others}`, and an agent serves one \
                     domain, so they serve `{domain}` only: take them out of one of the two groups, or give both groups \
                     the same `domain`"
                );
                defects.push(Defect { kind: kind::AGENT.to_owned(), id: agent.id.to_string(), reason });
                agent
                    .routing
                    .groups
                    .retain(|group| self.groups.get(group).is_none_or(|group| group.domain == domain));
            }
            agent.domain = domain;
        }
        defects
    }
}

/// The first two of `groups` that are of different domains; groups that are not known are passed over.
pub(in crate::desk) fn apart<'g, 'd>(
    groups: &'g [GroupId],
    domain_of: impl Fn(&GroupId) -> Option<&'d DomainId>,
) -> Option<[(&'g GroupId, &'d DomainId); 2]> {
    let mut known = groups.iter().filter_map(|group| Some((group, domain_of(group)?)));
    let first = known.next()?;
    known.find(|(_, domain)| *domain != first.1).map(|other| [first, other])
}

#[cfg(test)]
mod tests {
    use super::super::{Defaults, Documents};
    use super::*;
    use crate::conversation::command::Policy;

    const POLICY: Policy =
        Policy { idle_end_ms: 1, reminder_before_ms: 0, recall_ms: 0, reopen_ms: 0, wrap_up_ms: 0 };

    fn group(id: &str, domain: Option<&str>) -> (String, String, String) {
        let domain = domain.map_or_else(String::new, |domain| format!(r#","domain":"{domain}""#));
        let body = format!(
            r#"{{"id":"{id}","name":"{id}","policy":"longest_idle","accept":"auto","offer_s":30,"queue_ceiling":9,"overflow":{{}},
            "hours":null,"service_level":null,"bump":null,"wrap_up_s":0,"abandon_s":9,"pick":true,"public":true{domain}}}"#
        );
        (kind::GROUP.to_owned(), id.to_owned(), body)
    }

    fn agent(number: u128, groups: &str) -> (String, String, String) {
        let id = AgentId::from_u128(number);
        let body = format!(
            r#"{{"id":"{id}","login":"a{number}","name":"A","role":"agent","groups":{groups},"capacity":1,
            "password_hash":"x","token_version":1}}"#
        );
        (kind::AGENT.to_owned(), id.to_string(), body)
    }

    fn named(name: &str) -> DomainId {
        DomainId::new(name).unwrap()
    }

    #[test]
    fn groups_that_name_no_domain_are_of_the_default_one_and_agents_of_their_groups() {
        // As it was stored before there were domains, too.
        let documents: Documents =
            vec![group("a", None), group("b", Some("east")), agent(1, r#"["b"]"#), agent(2, "[]")];
        let (directory, defects) =
            Directory::read(&documents, Defaults { conversation: POLICY, abandon_ms: 1 });
        assert_eq!(defects, []);
        assert_eq!(directory.domains, [named("default"), named("east")].into());
        assert_eq!(directory.domain_of_agent(AgentId::from_u128(1)), &named("east"));
        assert_eq!(directory.domain_of_agent(AgentId::from_u128(2)), &named("default"));
        let [a, b] = ["a", "b"].map(|id| GroupId::new(id).unwrap());
        let holds = |agent| directory.domain_of(agent, Some(&a)).as_str();
        assert_eq!((holds(None), holds(Some(AgentId::from_u128(1)))), ("default", "east"), "the holder's");
        assert_eq!(directory.domain_of_group(Some(&b)), &named("east"));
        assert_eq!(directory.domain_of_group(None), &named("default"));
    }

    #[test]
    fn an_agent_in_groups_of_two_domains_is_reported_and_serves_one() {
        let documents: Documents =
            vec![group("a", None), group("b", Some("east")), agent(1, r#"["nowhere","b","a"]"#)];
        let (directory, defects) =
            Directory::read(&documents, Defaults { conversation: POLICY, abandon_ms: 1 });
        let told = defects[0].to_string();
        assert!(told.contains("`b` is of routing domain `east` and `a` of `default`"), "{told}");
        assert!(told.contains("take them out"), "{told}");
        let agent = directory.agent(AgentId::from_u128(1)).unwrap();
        let groups: Vec<_> = agent.routing.groups.iter().map(GroupId::as_str).collect();
        assert_eq!((agent.domain.as_str(), groups), ("east", vec!["nowhere", "b"]));
    }
}
