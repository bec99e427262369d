//! From stored documents to the directory: JSON in, profiles out, each document for itself.

use super::record::{AgentRecord, kind};
use super::{AgentProfile, Defaults, Directory, GroupProfile};
use crate::admission::ladder::Level;
use crate::ident::DomainId;
use crate::routing as domain;
use crate::routing::Agent;
use crate::routing::{AttributeTest, Rule, ValueTest, When};
use crate::routing::{Holiday, Hours, Span};
use crate::routing::{Needs, Step};
use crate::signin::Role;
use crate::wire::rest::{
    AcceptMode, AgentPolicy, ChannelResource, Elsewhere, GroupResource, LadderStanding, OpenSpan,
    OpeningHours, Overflow, RuleResource, RuleStep, WhenClosed,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Documents of the store that make a directory: `(kind, id, body)`.
pub type Documents = Vec<(String, String, String)>;

/// A document that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{id}`: {reason}")]
pub struct Defect {
    pub kind: String,
    pub id: String,
    pub reason: String,
}

impl Directory {
    /// Makes a directory of `documents`; what cannot be used is left out and reported.
    pub fn read(documents: &Documents, defaults: Defaults) -> (Self, Vec<Defect>) {
        let mut directory = Self::empty(defaults);
        let mut rules: Vec<(u32, Rule)> = Vec::new();
        let mut defects = Vec::new();
        for (kind, id, body) in documents {
            if let Err(reason) = directory.take(kind, body, &mut rules) {
                defects.push(Defect { kind: kind.clone(), id: id.clone(), reason });
            }
        }
        rules.sort_by(|(a, rule_a), (b, rule_b)| (a, &rule_a.id).cmp(&(b, &rule_b.id)));
        directory.rules = rules.into_iter().map(|(_, rule)| rule).collect();
        directory.lend_seats();
        defects.extend(directory.settle_domains());
        (directory, defects)
    }

    /// What is lent becomes the stored capacity of each agent, so the ledger's check holds as on any day (RT-1).
    fn lend_seats(&mut self) {
        let lends = |ladder: &LadderStanding| Level::from(ladder.level) >= Level::MoreSeats;
        let Some(ladder) = self.ladder.filter(lends) else { return };
        for agent in self.agents.values_mut() {
            let lent = agent.capacity.saturating_add(ladder.extra_seats);
            agent.routing.capacity = lent.min(Agent::MAX_CAPACITY).max(agent.capacity);
        }
    }

    fn take(&mut self, kind: &str, body: &str, rules: &mut Vec<(u32, Rule)>) -> Result<(), String> {
        match kind {
            kind::GROUP => {
                let resource: GroupResource = parsed(body)?;
                self.groups.insert(resource.id.clone(), group(resource)?);
            }
            kind::AGENT => {
                let agent = agent(parsed(body)?);
                self.logins.insert(agent.login.clone(), agent.id);
                self.agents.insert(agent.id, agent);
            }
            kind::RULE => {
                let resource: RuleResource = parsed(body)?;
                rules.push((resource.position, rule(resource)));
            }
            kind::CHANNEL => {
                let resource: ChannelResource = parsed(body)?;
                self.channel_seats.insert(resource.id, resource.seats);
            }
            kind::LADDER => self.ladder = Some(parsed(body)?),
            _ => {}
        }
        Ok(())
    }
}

fn parsed<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}

/// A group of the store as the desk uses it.
///
/// # Errors
/// What is wrong with its hours, in a sentence.
pub(in crate::desk) fn group(resource: GroupResource) -> Result<GroupProfile, String> {
    let routing = domain::Group {
        id: resource.id,
        policy: match resource.policy {
            AgentPolicy::LongestIdle => domain::Policy::LongestIdle,
            AgentPolicy::LeastLoaded => domain::Policy::LeastLoaded,
            AgentPolicy::RoundRobin => domain::Policy::RoundRobin,
            AgentPolicy::BestSkill => domain::Policy::BestSkill,
        },
        accept: match resource.accept {
            AcceptMode::Auto => domain::Accept::Auto,
            AcceptMode::Manual => domain::Accept::Manual,
        },
        offer_s: resource.offer_s,
        queue_ceiling: resource.queue_ceiling,
        overflow: overflow(resource.overflow),
        hours: resource.hours.map(|hours| opening_hours(&hours)).transpose()?,
        public: resource.public,
        bump: resource
            .bump
            .map(|bump| domain::Bump { after_s: bump.after_s, head_start_s: bump.head_start_s }),
    };
    Ok(GroupProfile {
        name: resource.name.into(),
        domain: resource.domain,
        routing,
        wrap_up_ms: resource.wrap_up_s.saturating_mul(1_000),
        abandon_ms: resource.abandon_s.saturating_mul(1_000),
        pick: resource.pick,
    })
}

fn overflow(overflow: Overflow) -> domain::Overflow {
    domain::Overflow {
        at_length: overflow.at_length.map(|at| domain::OverflowAtLength {
            waiting: at.waiting,
            to: match at.to {
                Elsewhere::LeaveMessage => domain::Elsewhere::LeaveMessage,
                Elsewhere::Group(group) => domain::Elsewhere::Group(group),
            },
        }),
        when_closed: overflow.when_closed.map_or_else(domain::WhenClosed::default, |when| match when {
            WhenClosed::Queue => domain::WhenClosed::Queue,
            WhenClosed::LeaveMessage => domain::WhenClosed::LeaveMessage,
            WhenClosed::Group(group) => domain::WhenClosed::Group(group),
        }),
        queued: overflow
            .queued
            .map(|queued| domain::OverflowAfter { after_s: queued.after_s, to: queued.to }),
    }
}

fn opening_hours(hours: &OpeningHours) -> Result<Hours, String> {
    let zone = jiff::tz::TimeZone::get(&hours.zone).map_err(|error| {
        format!("`{}` is no time zone: {error}; write one as Asia/Shanghai", &*hours.zone)
    })?;
    let week = &hours.week;
    let days = [&week.mon, &week.tue, &week.wed, &week.thu, &week.fri, &week.sat, &week.sun];
    let holidays = hours.holidays.iter().map(|holiday| {
        let date = holiday
            .date
            .parse()
            .map_err(|error| format!("`{}` is no date: {error}; write one as 2026-11-11", holiday.date))?;
        Ok(Holiday { date, open: spans(&holiday.open) })
    });
    let holidays = holidays.collect::<Result<Vec<_>, String>>()?;
    Hours::new(zone, days.map(|day| spans(day)), holidays).map_err(|error| error.to_string())
}

fn spans(spans: &[OpenSpan]) -> Vec<Span> {
    spans.iter().map(|span| Span { from_minute: span.from_minute, to_minute: span.to_minute }).collect()
}

fn agent(record: AgentRecord) -> AgentProfile {
    AgentProfile {
        id: record.id,
        login: record.login.into(),
        name: record.name.into(),
        role: Role::from(record.role),
        password_hash: record.password_hash.into(),
        token_version: record.token_version,
        disabled: record.disabled,
        capacity: record.capacity,
        // Known when all groups are (`settle_domains`).
        domain: DomainId::default_domain(),
        routing: Agent {
            id: record.id,
            groups: record.groups,
            skills: record.skills.into_iter().map(|(skill, level)| (skill, level.into())).collect(),
            languages: record.languages.into_iter().map(Arc::from).collect(),
            capacity: record.capacity,
        },
    }
}

/// A rule of the store as routing uses it.
pub(in crate::desk) fn rule(resource: RuleResource) -> Rule {
    let when = resource.when;
    let equals = when.attribute.into_iter().map(|(name, value)| AttributeTest {
        name: name.into(),
        test: ValueTest::Equals(Arc::from(&*value)),
    });
    let at_least = when
        .attribute_min
        .into_iter()
        .map(|(name, least)| AttributeTest { name: name.into(), test: ValueTest::AtLeast(least) });
    Rule {
        id: resource.id,
        when: When {
            intent: when.intent.map(|intent| Arc::from(&*intent)),
            tier: when.tier.map(|tier| Arc::from(&*tier)),
            channel: when.channel,
            shop: when.shop,
            group: when.group,
            attributes: equals.chain(at_least).collect(),
            returning: when.returning,
            sentiment_at_most: when.sentiment_at_most,
        },
        trusted: resource.trusted,
        head_start_s: resource.head_start_s,
        strict: resource.strict,
        group: resource.group,
        steps: resource.steps.into_iter().map(step).collect(),
    }
}

fn step(step: RuleStep) -> Step {
    let needs = step.needs;
    let needs_agents = needs.agents;
    let any = |mut parts: Vec<Needs>| if parts.len() > 1 { Some(Needs::Any(parts)) } else { parts.pop() };
    let mut all: Vec<Needs> =
        needs.skills.into_iter().map(|(skill, level)| Needs::Skill { skill, level: level.into() }).collect();
    all.extend(any(needs.languages.iter().map(|language| Needs::Language(Arc::from(&**language))).collect()));
    all.extend(any(needs.groups.into_iter().map(Needs::Group).collect()));
    let needs = match all.len() {
        0 => Needs::Anyone,
        1 => all.pop().unwrap_or(Needs::Anyone),
        _ => Needs::All(all),
    };
    Step { needs, agents: needs_agents, for_s: step.for_s }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::command::Policy;
    use crate::ident::AgentId;

    fn capacities(level: Option<&str>, extra_seats: u32) -> Vec<(u32, u32)> {
        let conversation =
            Policy { idle_end_ms: 1, reminder_before_ms: 0, recall_ms: 0, reopen_ms: 0, wrap_up_ms: 0 };
        let agent = |number: u128, capacity: u32| {
            let id = AgentId::from_u128(number);
            let body = format!(
                r#"{{"id":"{id}","login":"a{number}","name":"A","role":"agent","groups":[],"capacity":{capacity},
                    "password_hash":"","token_version":1}}"#
            );
            (kind::AGENT.to_owned(), id.to_string(), body)
        };
        let mut documents = vec![agent(1, 3), agent(2, 199)];
        documents.extend(level.map(|level| {
            let body = format!(
                r#"{{"mode":"hand","level":"{level}","since":"2026-11-11T00:00:00.000Z","extra_seats":{extra_seats}}}"#
            );
            (kind::LADDER.to_owned(), "desk".to_owned(), body)
        }));
        let (directory, defects) = Directory::read(&documents, Defaults { conversation, abandon_ms: 1 });
        assert_eq!(defects, []);
        directory.agents.values().map(|agent| (agent.capacity, agent.routing.capacity)).collect()
    }

    #[test]
    fn seats_are_lent_from_more_seats_on_and_never_beyond_what_routing_takes() {
        let own = [(3, 3), (199, 199)];
        assert_eq!(capacities(None, 5), own);
        assert_eq!(capacities(Some("bot_first"), 5), own);
        for level in ["more_seats", "call_back", "notice"] {
            assert_eq!(capacities(Some(level), 5), [(3, 8), (199, 200)], "{level}");
        }
        assert_eq!(capacities(Some("notice"), 0), own);
    }
}
