//! Routing rules: an ordered list of which each rule is a document; their places are numbers from 0 without gaps.

use super::document::{Editor, Kept, taken, unknown};
use super::groups::set;
use super::{Administration, kind};
use crate::desk::directory;
use crate::refusal::Refusal;
use crate::routing::Input;
use crate::store::Expect;
use crate::wire::rest::{GroupResource, RuleBody, RulePatch, RuleResource};

impl Kept for RuleResource {
    const KIND: &'static str = kind::RULE;
    const NOUN: &'static str = "routing rule";
    type Body = RuleBody;
    type Patch = RulePatch;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn made(body: RuleBody, _desk: &Administration) -> Result<Self, Refusal> {
        Ok(Self {
            id: body.id,
            when: body.when,
            trusted: body.trusted,
            head_start_s: body.head_start_s,
            strict: body.strict,
            group: body.group,
            steps: body.steps,
            position: body.position.unwrap_or(u32::MAX),
        })
    }

    fn changed(&mut self, patch: RulePatch) {
        set(&mut self.when, patch.when);
        set(&mut self.trusted, patch.trusted);
        set(&mut self.head_start_s, patch.head_start_s);
        set(&mut self.strict, patch.strict);
        set(&mut self.group, patch.group);
        set(&mut self.steps, patch.steps);
        set(&mut self.position, patch.position);
    }

    fn check(&self, desk: &Administration) -> Result<(), Refusal> {
        let in_steps = self.steps.iter().flat_map(|step| &step.needs.groups);
        for group in self.group.iter().chain(&self.when.group).chain(in_steps) {
            desk.must_know_group(group)?;
        }
        let mut list = desk.rules()?;
        list.retain(|rule| rule.id != self.id);
        list.push(self.clone());
        let rules = list.into_iter().map(directory::rule).collect();
        desk.try_in_routing(&desk.all::<GroupResource>()?, Input::RulesReplaced(rules))
    }
}

impl Administration {
    /// The rules in the order in which they are asked.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn rules(&self) -> Result<Vec<RuleResource>, Refusal> {
        let mut rules = self.all::<RuleResource>()?;
        rules.sort_by(|a, b| (a.position, &a.id).cmp(&(b.position, &b.id)));
        Ok(rules)
    }

    /// Adds a rule at its place; those behind it move on.
    ///
    /// # Errors
    /// As `add`.
    pub fn add_rule(&self, body: RuleBody, editor: Editor<'_>) -> Result<RuleResource, Refusal> {
        let rule = RuleResource::made(body, self)?;
        if self.find::<RuleResource>(rule.id.as_str())?.is_some() {
            return Err(taken::<RuleResource>(rule.id.as_str()));
        }
        rule.check(self)?;
        self.place(self.rules()?, rule, editor)
    }

    /// Changes a rule, and its place where the patch names one.
    ///
    /// # Errors
    /// As `change`.
    pub fn change_rule(
        &self,
        id: &str,
        patch: RulePatch,
        editor: Editor<'_>,
    ) -> Result<RuleResource, Refusal> {
        let mut others = self.rules()?;
        let found = others.iter().position(|rule| rule.id.as_str() == id);
        let mut rule = found.map(|at| others.remove(at)).ok_or_else(|| unknown(RuleResource::NOUN, id))?;
        rule.changed(patch);
        rule.check(self)?;
        self.place(others, rule, editor)
    }

    /// Puts `rule` at its place among the others and numbers them; only what changed is written.
    fn place(
        &self,
        mut others: Vec<RuleResource>,
        rule: RuleResource,
        editor: Editor<'_>,
    ) -> Result<RuleResource, Refusal> {
        let at = usize::try_from(rule.position).unwrap_or(usize::MAX).min(others.len());
        let id = rule.id.clone();
        others.insert(at, rule);
        let mut placed = None;
        for (position, rule) in (0_u32..).zip(&mut others) {
            if rule.position != position || rule.id == id {
                rule.position = position;
                self.put(rule, Expect::Anything, editor)?;
            }
            if rule.id == id {
                placed = Some(rule.clone());
            }
        }
        placed.ok_or_else(|| unknown(RuleResource::NOUN, id.as_str()))
    }
}
