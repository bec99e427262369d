//! Routing rules as the settings spell them: what an empty store is filled with.
//!
//! Only their form is checked here; what they mean is the routing room's business.

use crate::ident::{ChannelId, GroupId, RuleId, ShopId, SkillId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most rules that the settings may hold.
const MAX_RULES: usize = 1_000;
/// Longest time that a rule may name, in seconds: one day.
const MAX_RULE_S: u64 = 86_400;

/// One rule: where `when` holds, the conversation gets the head start and, if first to name them, group and steps.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    pub id: String,
    #[serde(default)]
    pub when: RuleWhen,
    /// A claimed intent, group or attribute does not count.
    #[serde(default)]
    pub trusted: bool,
    #[serde(default)]
    pub head_start_s: u64,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub steps: Vec<RuleStep>,
}

/// Conditions; all that are given must hold, so none at all always holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleWhen {
    pub intent: Option<String>,
    pub tier: Option<String>,
    pub channel: Option<String>,
    pub shop: Option<String>,
    pub group: Option<String>,
    pub locale: Option<String>,
    pub returning: Option<bool>,
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
    pub needs: Needs,
    pub for_s: u64,
}

/// Requirements of one step; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Skill and the least level, 1 to 5.
    #[serde(default)]
    pub skills: BTreeMap<String, u8>,
    /// Any one of these.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Any one of these.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Any one of these, by login.
    #[serde(default)]
    pub agents: Vec<String>,
}

/// What is wrong with the form of the rules; empty where nothing is.
pub(super) fn faults(rules: &[RoutingRule]) -> Vec<String> {
    let mut faults = Vec::new();
    if rules.len() > MAX_RULES {
        faults.push(format!("holds {} rules; at most {MAX_RULES} are allowed", rules.len()));
    }
    let mut seen = BTreeSet::new();
    for rule in rules {
        if let Err(error) = RuleId::new(&rule.id) {
            faults.push(format!("{error}"));
        }
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
    faults.extend(rule.group.iter().chain(&when.group).filter_map(|id| sentence(GroupId::new(id))));
    faults.extend(when.channel.iter().filter_map(|id| sentence(ChannelId::new(id))));
    faults.extend(when.shop.iter().filter_map(|id| sentence(ShopId::new(id))));
    if when.attribute_min.values().any(|least| !least.is_finite()) {
        faults.push("attribute_min must be a finite number".to_owned());
    }
    for step in &rule.steps {
        if step.for_s == 0 || step.for_s > MAX_RULE_S {
            faults.push(format!("for_s of a step is {}; 1 to {MAX_RULE_S} is allowed", step.for_s));
        }
        faults.extend(step.needs.groups.iter().filter_map(|id| sentence(GroupId::new(id))));
        faults.extend(step.needs.skills.keys().filter_map(|id| sentence(SkillId::new(id))));
        for (skill, level) in &step.needs.skills {
            if !(1..=5).contains(level) {
                faults.push(format!("level of skill `{skill}` is {level}; 1 to 5 is allowed"));
            }
        }
    }
    faults
}

fn sentence<T, E: ToString>(read: Result<T, E>) -> Option<String> {
    read.err().map(|error| error.to_string())
}
