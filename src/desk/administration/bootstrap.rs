//! What an empty store is given: the group `general`, the routing rules of the settings, and an administrator.

use crate::clock::{Timestamp, fresh_uuid};
use crate::desk::directory::record::{AgentRecord, kind};
use crate::ident::AgentId;
use crate::settings::{self, RoutingRule, Settings};
use crate::signin::{chance, password};
use crate::store::{Edit, Expect, Store, StoreError};
use crate::wire::rest::{Line, Needs, RuleResource, RuleStep, RuleWhen, SkillLevel, Word};
use crate::wire::server::Role;
use serde::Serialize;

/// Who changes documents at the first start.
const AUTHOR: &str = "bootstrap";
/// The administrator's login.
const ADMIN: &str = "admin";

/// What the first start has to tell the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstStart {
    /// The store was in use before.
    No,
    /// An administrator was made with the password of the settings.
    WithGivenPassword,
    /// An administrator was made with this password, which is shown once and kept nowhere.
    WithPassword(String),
}

/// Gives an empty store its first configuration; a store with any agent is left as it is.
///
/// # Errors
/// A sentence: the store cannot be written, or a rule of the settings cannot be stored.
pub fn bootstrap(store: &dyn Store, settings: &Settings, now: Timestamp) -> Result<FirstStart, String> {
    let failed = |error: StoreError| error.to_string();
    if !store.list(kind::AGENT, None, 1).map_err(failed)?.is_empty() {
        return Ok(FirstStart::No);
    }
    let group = settings.routing.default_group.clone();
    let first = super::groups::with_defaults(group.clone(), group.to_string(), settings);
    put(store, kind::GROUP, group.as_str(), &first, now)?;
    for (position, rule) in settings.routing.rules.iter().enumerate() {
        let resource = rule_resource(rule, u32::try_from(position).unwrap_or(u32::MAX))?;
        put(store, kind::RULE, resource.id.as_str(), &resource, now)?;
    }
    let (password, told) = match &settings.bootstrap.admin_password {
        Some(given) => (given.expose().to_owned(), FirstStart::WithGivenPassword),
        None => {
            let made = chance::fresh_password()?;
            (made.clone(), FirstStart::WithPassword(made))
        }
    };
    let id = AgentId::from_uuid(fresh_uuid());
    let admin = AgentRecord {
        id,
        login: ADMIN.to_owned(),
        name: "Admin".to_owned(),
        role: Role::Admin,
        groups: vec![group],
        skills: std::collections::BTreeMap::new(),
        languages: Vec::new(),
        capacity: settings.routing.capacity,
        disabled: false,
        password_hash: password::hash(&password, settings.auth.password_cost())
            .map_err(|error| error.to_string())?,
        token_version: 1,
    };
    // The agent comes last: a store without one is empty, so a start that was cut short begins again.
    put(store, kind::AGENT, &id.to_string(), &admin, now)?;
    Ok(told)
}

fn put(store: &dyn Store, kind: &str, id: &str, body: &impl Serialize, now: Timestamp) -> Result<(), String> {
    let body = serde_json::to_string(body).map_err(|error| error.to_string())?;
    let edit = Edit { author: AUTHOR, at: now, expect: Expect::Anything };
    store.put(kind, id, &body, edit).map(drop).map_err(|error| error.to_string())
}

/// A rule as the settings spell it, in the stored form.
fn rule_resource(rule: &RoutingRule, position: u32) -> Result<RuleResource, String> {
    let steps = rule.steps.iter().map(|step| Ok(RuleStep { needs: needs(&step.needs)?, for_s: step.for_s }));
    Ok(RuleResource {
        id: rule.id.clone(),
        when: when(&rule.when).map_err(|error| format!("routing rule `{}`: {error}", rule.id))?,
        trusted: rule.trusted,
        head_start_s: rule.head_start_s,
        strict: rule.strict,
        group: rule.group.clone(),
        steps: steps
            .collect::<Result<_, String>>()
            .map_err(|error| format!("routing rule `{}`: {error}", rule.id))?,
        position,
    })
}

fn when(when: &settings::RuleWhen) -> Result<RuleWhen, String> {
    let attribute =
        when.attribute.iter().map(|(name, value)| Ok((name.clone(), Line::try_from(value.clone())?)));
    Ok(RuleWhen {
        intent: when.intent.clone().map(Word::try_from).transpose()?,
        tier: when.tier.clone().map(Word::try_from).transpose()?,
        channel: when.channel.clone(),
        shop: when.shop.clone(),
        group: when.group.clone(),
        attribute: attribute.collect::<Result<_, String>>()?,
        attribute_min: when.attribute_min.clone(),
        returning: when.returning,
        sentiment_at_most: when.sentiment_at_most,
    })
}

fn needs(needs: &settings::Needs) -> Result<Needs, String> {
    let skills = needs.skills.iter().map(|(skill, level)| Ok((skill.clone(), SkillLevel::try_from(*level)?)));
    let languages = needs.languages.iter().cloned().map(Word::try_from);
    Ok(Needs {
        skills: skills.collect::<Result<_, String>>()?,
        languages: languages.collect::<Result<_, String>>()?,
        groups: needs.groups.clone(),
        agents: needs.agents.clone(),
    })
}
