//! Routing rules as the settings spell them: what an empty store is filled with.
//!
//! The words are those of `POST /api/v1/routing/rules`. Only their form is checked here; what they mean is the routing
//! room's business, and its terms are other types.

use super::typed;
use crate::ident::{AgentId, ChannelId, GroupId, RuleId, ShopId, SkillId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most rules, and most steps of one.
const MAX_RULES: usize = 256;
const MAX_STEPS: usize = 8;
/// Most agents that one step names, and most other needs.
const MAX_STEP_AGENTS: usize = 8;
const MAX_NEEDS: usize = 32;
/// Longest time that a rule may name, in seconds: one day.
const MAX_RULE_S: u64 = 86_400;

/// One rule: where `when` holds, the conversation gets the head start and, if first to name them, group and steps.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    #[serde(deserialize_with = "typed::ident")]
    pub id: RuleId,
    #[serde(default)]
    pub when: RuleWhen,
    /// A claimed intent, group or attribute does not count.
    #[serde(default)]
    pub trusted: bool,
    #[serde(default)]
    pub head_start_s: u64,
    /// Always first, where `routing.strict_allowed` is on.
    #[serde(default)]
    pub strict: bool,
    #[serde(default, deserialize_with = "typed::some_ident")]
    pub group: Option<GroupId>,
    #[serde(default)]
    pub steps: Vec<RuleStep>,
}

/// Conditions; all that are given must hold, so none at all always holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleWhen {
    pub intent: Option<String>,
    pub tier: Option<String>,
    #[serde(default, deserialize_with = "typed::some_ident")]
    pub channel: Option<ChannelId>,
    #[serde(default, deserialize_with = "typed::some_ident")]
    pub shop: Option<ShopId>,
    #[serde(default, deserialize_with = "typed::some_ident")]
    pub group: Option<GroupId>,
    pub returning: Option<bool>,
    /// This sentiment or worse: -100 furious, 100 delighted.
    pub sentiment_at_most: Option<i8>,
    /// The attribute of this name has this text.
    #[serde(default)]
    pub attribute: BTreeMap<String, String>,
    /// The attribute of this name is a number, and at least this.
    #[serde(default)]
    pub attribute_min: BTreeMap<String, f64>,
}

/// Who may take the conversation, and for how long only they may.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleStep {
    #[serde(default)]
    pub needs: Needs,
    /// `None`: for as long as it takes.
    #[serde(default)]
    pub for_s: Option<u64>,
}

/// What a step needs of an agent; all that is given must hold, and nothing given is what any agent is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Each skill at this level or above, 1 to 5.
    #[serde(default, deserialize_with = "typed::ident_keys")]
    pub skills: BTreeMap<SkillId, u8>,
    /// One of these (BCP 47).
    #[serde(default)]
    pub languages: Vec<String>,
    /// One of these.
    #[serde(default, deserialize_with = "typed::idents")]
    pub groups: Vec<GroupId>,
    /// One of these.
    #[serde(default, deserialize_with = "typed::idents")]
    pub agents: Vec<AgentId>,
}

/// What is wrong with the form of the rules; empty where nothing is.
pub(super) fn faults(rules: &[RoutingRule]) -> Vec<String> {
    let mut faults = Vec::new();
    if rules.len() > MAX_RULES {
        faults.push(format!("holds {} rules; at most {MAX_RULES} are allowed", rules.len()));
    }
    let mut seen = BTreeSet::new();
    for rule in rules {
        if !seen.insert(&rule.id) {
            faults.push(format!("two rules have the id `{}`; give each its own", rule.id));
        }
        faults.extend(rule_faults(rule).into_iter().map(|fault| format!("rule `{}`: {fault}", rule.id)));
    }
    faults
}

fn rule_faults(rule: &RoutingRule) -> Vec<String> {
    let mut faults = Vec::new();
    let when = &rule.when;
    if rule.head_start_s > MAX_RULE_S {
        faults.push(format!("head_start_s is {}; 0 to {MAX_RULE_S} is allowed", rule.head_start_s));
    }
    if when.sentiment_at_most.is_some_and(|sentiment| !(-100..=100).contains(&sentiment)) {
        faults.push("sentiment_at_most must be from -100 to 100".to_owned());
    }
    if when.attribute_min.values().any(|least| !least.is_finite()) {
        faults.push("attribute_min must be a finite number".to_owned());
    }
    if rule.steps.len() > MAX_STEPS {
        faults.push(format!("has {} steps; at most {MAX_STEPS} are allowed", rule.steps.len()));
    }
    faults.extend(rule.steps.iter().flat_map(step_faults));
    faults
}

fn step_faults(step: &RuleStep) -> Vec<String> {
    let mut faults = Vec::new();
    if step.for_s.is_some_and(|for_s| for_s == 0 || for_s > MAX_RULE_S) {
        faults.push(format!("for_s of a step must be from 1 to {MAX_RULE_S}, or left out"));
    }
    let needs = &step.needs;
    if needs.agents.len() > MAX_STEP_AGENTS {
        faults.push(format!(
            "a step names {} agents; at most {MAX_STEP_AGENTS} are allowed",
            needs.agents.len()
        ));
    }
    let others = needs.skills.len() + needs.languages.len() + needs.groups.len();
    if others > MAX_NEEDS {
        faults.push(format!(
            "a step needs {others} skills, languages and groups; at most {MAX_NEEDS} are allowed"
        ));
    }
    for (skill, level) in &needs.skills {
        if !(1..=5).contains(level) {
            faults.push(format!("level of skill `{skill}` is {level}; 1 to 5 is allowed"));
        }
    }
    faults
}
