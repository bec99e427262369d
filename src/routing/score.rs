//! Head start: how many seconds of waiting a conversation is credited with, by the rules that it matches.
//!
//! All matching rules add up, clamped to the desk's `max_head_start`; the first matching rule that names a group or
//! steps decides those. What the shopper's own client says is a claim: good enough for intent and group unless a
//! rule asks for more, never for a value. Refuses to sort or to remember: it is a fold over facts.

use super::decision::RoutingError;
use super::input::Facts;
use super::steps::{Needs, Step};
use crate::ident::{ChannelId, GroupId, RuleId, ShopId};
use hashbrown::HashMap;
use std::sync::Arc;

/// A test of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueTest {
    Equals(Arc<str>),
    /// The value is a number and not below this one. Only a trusted attribute passes.
    AtLeast(f64),
}

/// An attribute by name, and what its value must be.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeTest {
    pub name: Arc<str>,
    pub test: ValueTest,
}

/// What a rule asks of a conversation; what is absent is not asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct When {
    pub intent: Option<Arc<str>>,
    pub tier: Option<Arc<str>>,
    pub channel: Option<ChannelId>,
    pub shop: Option<ShopId>,
    pub group: Option<GroupId>,
    pub attributes: Vec<AttributeTest>,
    pub returning: Option<bool>,
    /// Matches this sentiment and worse (-100 furious, 100 delighted).
    pub sentiment_at_most: Option<i8>,
}

/// One rule of the manager's list.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub id: RuleId,
    pub when: When,
    /// Claims of the shopper's own client do not satisfy it.
    pub trusted: bool,
    pub head_start_s: u64,
    /// Always first, where the desk allows it (`Settings::strict_allowed`); it starves others.
    pub strict: bool,
    pub group: Option<GroupId>,
    pub steps: Vec<Step>,
}

/// A group as a fact: the visitor's wish, or the desk's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupFact<'a> {
    pub group: &'a GroupId,
    pub trusted: bool,
}

/// Most rules of a desk.
pub const MAX_RULES: usize = 256;
/// Most steps of a rule.
pub const MAX_STEPS: usize = 8;
/// Most different expressions over all rules; it bounds the signatures of a group.
pub const MAX_NEEDS: usize = 256;

/// What the rules make of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Score {
    pub(super) head_start_ms: u64,
    pub(super) strict: bool,
    /// Which rule decides group and steps.
    pub(super) deciding: Option<u32>,
}

/// A rule that can match a conversation of some intent.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    number: u32,
    /// The rule asks for nothing else, so that it does match.
    certain: bool,
}

/// The rules, checked, with their expressions numbered.
#[derive(Debug)]
pub(super) struct Rules {
    list: Vec<Rule>,
    /// Number 0 is `Needs::Anyone`.
    needs: Vec<Needs>,
    step_needs: Vec<Vec<usize>>,
    /// The rules that can match a conversation of an intent, in order; those that ask for none included.
    by_intent: HashMap<Arc<str>, Vec<Candidate>>,
    /// The rules that ask for no intent, in order.
    of_any_intent: Vec<Candidate>,
}

impl Candidate {
    fn new(number: usize, rule: &Rule) -> Option<Self> {
        let intent = rule.when.intent.clone();
        let claim_suffices = intent.is_none() || !rule.trusted;
        let certain = claim_suffices && rule.when == When { intent, ..When::default() };
        Some(Self { number: u32::try_from(number).ok()?, certain })
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            needs: vec![Needs::Anyone],
            step_needs: Vec::new(),
            by_intent: HashMap::new(),
            of_any_intent: Vec::new(),
        }
    }
}

impl Rules {
    pub(super) fn new(list: Vec<Rule>) -> Result<Self, RoutingError> {
        if list.len() > MAX_RULES {
            return Err(RoutingError::Invalid { what: "routing rules", rule: "at most 256" });
        }
        let mut rules = Self::default();
        for rule in &list {
            if rule.steps.len() > MAX_STEPS {
                return Err(RoutingError::Invalid { what: "steps of a rule", rule: "at most 8" });
            }
            rule.steps.iter().try_for_each(Step::check)?;
            let numbers = rule.steps.iter().map(|step| rules.number(&step.needs)).collect();
            rules.step_needs.push(numbers);
        }
        if rules.needs.len() > MAX_NEEDS {
            return Err(RoutingError::Invalid {
                what: "expressions over all rules",
                rule: "at most 256 different",
            });
        }
        rules.list = list;
        rules.index();
        Ok(rules)
    }

    fn index(&mut self) {
        let of_intent = |intent: Option<&Arc<str>>| {
            let rules = self.list.iter().enumerate();
            let asks = |rule: &Rule| rule.when.intent.as_ref().is_none_or(|asked| Some(asked) == intent);
            let able = rules.filter(|(_, rule)| asks(rule));
            able.filter_map(|(number, rule)| Candidate::new(number, rule)).collect()
        };
        let intents = self.list.iter().filter_map(|rule| rule.when.intent.as_ref());
        self.by_intent = intents.map(|intent| (intent.clone(), of_intent(Some(intent)))).collect();
        self.of_any_intent = of_intent(None);
    }

    /// The rules that match, in the order of the list.
    fn matching(&self, facts: &Facts, group: Option<GroupFact<'_>>) -> impl Iterator<Item = (u32, &Rule)> {
        let of_intent = facts.intent.as_ref().and_then(|claim| self.by_intent.get(&claim.value));
        let candidates = of_intent.unwrap_or(&self.of_any_intent).iter();
        let rules = candidates.filter_map(|candidate| Some((candidate, self.get(candidate.number)?)));
        let matching =
            rules.filter(move |(candidate, rule)| candidate.certain || matches(rule, facts, group));
        matching.map(|(candidate, rule)| (candidate.number, rule))
    }

    fn number(&mut self, needs: &Needs) -> usize {
        self.needs.iter().position(|known| known == needs).unwrap_or_else(|| {
            self.needs.push(needs.clone());
            self.needs.len() - 1
        })
    }

    pub(super) fn needs(&self, number: usize) -> &Needs {
        self.needs.get(number).unwrap_or(&Needs::Anyone)
    }

    pub(super) fn get(&self, rule: u32) -> Option<&Rule> {
        self.list.get(rule as usize)
    }

    /// A step of a rule, with the number of its expression.
    pub(super) fn step(&self, rule: u32, step: u32) -> Option<(&Step, usize)> {
        let (rule, step) = (rule as usize, step as usize);
        Some((self.list.get(rule)?.steps.get(step)?, *self.step_needs.get(rule)?.get(step)?))
    }

    pub(super) fn score(&self, facts: &Facts, group: Option<GroupFact<'_>>, limits: ScoreLimits) -> Score {
        let mut sum_s = 0u64;
        let mut score = Score::default();
        for (number, rule) in self.matching(facts, group) {
            sum_s = sum_s.saturating_add(rule.head_start_s);
            score.strict |= rule.strict && limits.strict_allowed;
            if score.deciding.is_none() && (rule.group.is_some() || !rule.steps.is_empty()) {
                score.deciding = Some(number);
            }
        }
        score.head_start_ms = sum_s.min(limits.max_head_start_s).saturating_mul(1_000);
        score
    }

    /// The matching rules and what each adds, before the clamp, in the order of the list.
    pub(super) fn parts(&self, facts: &Facts, group: Option<GroupFact<'_>>) -> Vec<(RuleId, u64)> {
        self.matching(facts, group).map(|(_, rule)| (rule.id.clone(), rule.head_start_s)).collect()
    }
}

/// The desk's bounds on what rules may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoreLimits {
    pub(super) max_head_start_s: u64,
    pub(super) strict_allowed: bool,
}

fn matches(rule: &Rule, facts: &Facts, group: Option<GroupFact<'_>>) -> bool {
    let When { intent, tier, channel, shop, group: wanted, attributes, returning, sentiment_at_most } =
        &rule.when;
    let believed = |trusted: bool| trusted || !rule.trusted;
    intent.as_ref().is_none_or(|wanted| {
        facts.intent.as_ref().is_some_and(|claim| claim.value == *wanted && believed(claim.trusted))
    }) && tier.as_ref().is_none_or(|wanted| facts.tier.as_ref() == Some(wanted))
        && channel.as_ref().is_none_or(|wanted| facts.channel == *wanted)
        && shop.as_ref().is_none_or(|wanted| facts.shop == *wanted)
        && wanted
            .as_ref()
            .is_none_or(|wanted| group.is_some_and(|fact| fact.group == wanted && believed(fact.trusted)))
        && returning.is_none_or(|wanted| facts.returning == wanted)
        && sentiment_at_most.is_none_or(|most| facts.sentiment.is_some_and(|sentiment| sentiment <= most))
        && attributes.iter().all(|wanted| passes(wanted, facts, rule.trusted))
}

fn passes(wanted: &AttributeTest, facts: &Facts, trusted_only: bool) -> bool {
    facts.attributes.iter().filter(|attribute| attribute.name == wanted.name).any(|attribute| {
        match &wanted.test {
            ValueTest::Equals(value) => attribute.value == *value && (attribute.trusted || !trusted_only),
            ValueTest::AtLeast(least) => {
                attribute.trusted && attribute.value.parse::<f64>().is_ok_and(|value| value >= *least)
            }
        }
    })
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
