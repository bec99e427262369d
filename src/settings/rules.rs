//! Routing rules as the settings spell them: what an empty store is filled with.
//!
//! Only their form is checked here; what they mean is the routing room's business, and its terms are other types.

use super::typed;
use crate::ident::{ChannelId, GroupId, RuleId, ShopId, SkillId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most rules, and most steps of one.
const MAX_RULES: usize = 256;
const MAX_STEPS: usize = 8;
/// Most agents that one step names.
const MAX_STEP_AGENTS: usize = 8;
/// Deepest nesting of a step's needs, and most parts in all.
const MAX_DEPTH: usize = 8;
const MAX_PARTS: usize = 64;
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
    pub attribute_at_least: BTreeMap<String, f64>,
}

/// Who may take the conversation, and for how long only they may.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleStep {
    #[serde(default)]
    pub needs: Needs,
    /// Only these agents, by login; none means whoever meets the needs.
    #[serde(default)]
    pub agents: Vec<String>,
    /// `None`: for as long as it takes.
    #[serde(default)]
    pub for_s: Option<u64>,
}

/// What an agent must be: one of `skill` (at `level` or above, 1 where not given), `language`, `group`, `all` of
/// several, `any` of several; or nothing, which any agent is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    #[serde(default, deserialize_with = "typed::some_ident")]
    pub skill: Option<SkillId>,
    pub level: Option<u8>,
    pub language: Option<String>,
    #[serde(default, deserialize_with = "typed::some_ident")]
    pub group: Option<GroupId>,
    #[serde(default)]
    pub all: Vec<Needs>,
    #[serde(default)]
    pub any: Vec<Needs>,
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
    if when.attribute_at_least.values().any(|least| !least.is_finite()) {
        faults.push("attribute_at_least must be a finite number".to_owned());
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
    if step.agents.len() > MAX_STEP_AGENTS {
        faults.push(format!(
            "a step names {} agents; at most {MAX_STEP_AGENTS} are allowed",
            step.agents.len()
        ));
    }
    let mut parts = 0;
    faults.extend(needs_fault(&step.needs, 1, &mut parts));
    faults
}

/// The first fault of an expression; `parts` counts what was looked at.
fn needs_fault(needs: &Needs, depth: usize, parts: &mut usize) -> Option<String> {
    *parts += 1;
    if depth > MAX_DEPTH || *parts > MAX_PARTS {
        return Some(format!("needs may be {MAX_DEPTH} levels deep and have {MAX_PARTS} parts in all"));
    }
    let kinds = [
        needs.skill.is_some(),
        needs.language.is_some(),
        needs.group.is_some(),
        !needs.all.is_empty(),
        !needs.any.is_empty(),
    ];
    if kinds.into_iter().filter(|given| *given).count() > 1 {
        return Some(
            "needs hold one of skill, language, group, all, any; put several into all or any".to_owned(),
        );
    }
    match needs.level {
        Some(_) if needs.skill.is_none() => return Some("level stands beside a skill only".to_owned()),
        Some(level) if !(1..=5).contains(&level) => {
            return Some(format!("level is {level}; 1 to 5 is allowed"));
        }
        Some(_) | None => {}
    }
    needs.all.iter().chain(&needs.any).find_map(|part| needs_fault(part, depth + 1, parts))
}
