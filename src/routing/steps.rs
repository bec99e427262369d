//! What a conversation needs of its agent, and how that need relaxes: ordered steps, each tried for its time.
//!
//! An expression is evaluated once per agent and signature (`signature.rs`), never per decision, so its size costs
//! nothing later. Agents named by a step stand beside the expression: they become side lists of those agents and
//! do not multiply the signatures. Refuses to know the queue or the time.

use super::decision::RoutingError;
use super::input::Agent;
use crate::ident::{AgentId, GroupId, SkillId};
use std::sync::Arc;

/// An expression over what agents are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Any agent will do.
    Anyone,
    /// The skill, at this level (1 to 5) or above.
    Skill {
        skill: SkillId,
        level: u8,
    },
    /// Speaks the language (BCP 47, compared without regard to case).
    Language(Arc<str>),
    /// Belongs to the group. An expression that names a group reaches beyond the conversation's own.
    Group(GroupId),
    All(Vec<Needs>),
    Any(Vec<Needs>),
}

/// One stage of the relaxation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub needs: Needs,
    /// Only these agents; none means whoever meets the needs. A step whose agents are all away is over at once.
    pub agents: Vec<AgentId>,
    /// How long it is tried, in seconds; `None` for as long as it takes.
    pub for_s: Option<u64>,
}

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 8;
/// Most parts of an expression.
const MAX_PARTS: usize = 64;
/// Most agents that one step names.
pub const MAX_STEP_AGENTS: usize = 8;

impl Needs {
    /// Whether `agent` is what is needed. Group membership of the conversation's own group is not asked here.
    pub fn met_by(&self, agent: &Agent) -> bool {
        match self {
            Self::Anyone => true,
            Self::Skill { skill, level } => agent.level(skill) >= *level,
            Self::Language(language) => {
                agent.languages.iter().any(|known| known.eq_ignore_ascii_case(language))
            }
            Self::Group(group) => agent.groups.contains(group),
            Self::All(parts) => parts.iter().all(|part| part.met_by(agent)),
            Self::Any(parts) => parts.iter().any(|part| part.met_by(agent)),
        }
    }

    /// Whether some part names a group, so that the conversation's own group is no condition.
    pub fn names_groups(&self) -> bool {
        match self {
            Self::Group(_) => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::names_groups),
            Self::Anyone | Self::Skill { .. } | Self::Language(_) => false,
        }
    }

    /// Sum of the agent's levels in the skills named here; what `best_skill` prefers.
    pub fn level_of(&self, agent: &Agent) -> u16 {
        match self {
            Self::Skill { skill, .. } => u16::from(agent.level(skill)),
            Self::All(parts) | Self::Any(parts) => parts.iter().map(|part| part.level_of(agent)).sum(),
            Self::Anyone | Self::Language(_) | Self::Group(_) => 0,
        }
    }

    /// Refuses expressions that are too deep, too large, or ask for a level outside 1 to 5.
    pub fn check(&self) -> Result<(), RoutingError> {
        let mut parts = 0;
        self.check_below(MAX_DEPTH, &mut parts)
    }

    fn check_below(&self, depth: usize, parts: &mut usize) -> Result<(), RoutingError> {
        *parts += 1;
        if depth == 0 || *parts > MAX_PARTS {
            return Err(RoutingError::Invalid {
                what: "needs",
                rule: "at most 8 levels deep and 64 parts in all",
            });
        }
        match self {
            Self::Skill { level, .. } if !(1..=Agent::MAX_LEVEL).contains(level) => {
                Err(RoutingError::Invalid { what: "skill level", rule: "1 to 5" })
            }
            Self::All(inner) | Self::Any(inner) => {
                inner.iter().try_for_each(|part| part.check_below(depth - 1, parts))
            }
            Self::Anyone | Self::Skill { .. } | Self::Language(_) | Self::Group(_) => Ok(()),
        }
    }
}

impl Step {
    pub(super) fn check(&self) -> Result<(), RoutingError> {
        if self.agents.len() > MAX_STEP_AGENTS {
            return Err(RoutingError::Invalid { what: "agents of a step", rule: "at most 8" });
        }
        self.needs.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skill(name: &str, level: u8) -> Needs {
        Needs::Skill { skill: SkillId::new(name).unwrap(), level }
    }

    fn agent() -> Agent {
        Agent {
            id: AgentId::from_u128(1),
            groups: vec![GroupId::new("vip").unwrap()],
            skills: vec![(SkillId::new("refund").unwrap(), 3), (SkillId::new("billing").unwrap(), 5)],
            languages: vec!["zh-CN".into(), "en".into()],
            capacity: 10,
        }
    }

    #[test]
    fn an_expression_is_met_part_by_part() {
        let expected = [
            (Needs::Anyone, true),
            (skill("refund", 3), true),
            (skill("refund", 4), false),
            (skill("juggling", 1), false),
            (Needs::Language("ZH-cn".into()), true),
            (Needs::Language("fr".into()), false),
            (Needs::Group(GroupId::new("vip").unwrap()), true),
            (Needs::All(vec![skill("refund", 1), Needs::Language("en".into())]), true),
            (Needs::All(vec![skill("refund", 1), Needs::Language("fr".into())]), false),
            (Needs::Any(vec![skill("refund", 5), skill("billing", 5)]), true),
            (Needs::Any(Vec::new()), false),
            (Needs::All(Vec::new()), true),
        ];
        for (needs, met) in expected {
            assert_eq!(needs.met_by(&agent()), met, "{needs:?}");
        }
    }

    #[test]
    fn the_level_counts_the_named_skills_only() {
        assert_eq!(Needs::All(vec![skill("refund", 1), skill("billing", 1)]).level_of(&agent()), 8);
        assert_eq!(Needs::Anyone.level_of(&agent()), 0);
    }

    #[test]
    fn expressions_without_measure_are_refused() {
        assert!(skill("refund", 0).check().is_err());
        assert!(skill("refund", 6).check().is_err());
        assert!(Needs::All(vec![Needs::Anyone; 64]).check().is_err());
        let deep = (0..8).fold(Needs::Anyone, |inner, _| Needs::All(vec![inner]));
        assert!(deep.check().is_err());
        assert!(Needs::All(vec![skill("refund", 5); 63]).check().is_ok());
    }
}
