//! The reference: what each conversation and each agent is, and every question answered by looking at everybody.
//!
//! It shares no structure with the engine. It judges decisions one by one (RT-1, RT-2, RT-3, RT-6 and the policy)
//! and the state after them (RT-5); it never decides itself.

use super::desk::{MAX_HEAD_START_S, matched};
use rushdesk::clock::Timestamp;
use rushdesk::ident::{AgentId, ConversationId, GroupId};
use rushdesk::routing::{Accept, Agent, Arrival, Decision, Facts, Group, Needs, Policy, Rule, Step};
use std::collections::BTreeMap;

pub(crate) const OUTCOME_MS: u64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Free,
    Parked { due: Timestamp },
    Assigning { due: Timestamp },
    Offering { due: Timestamp, expires_at: Timestamp },
    Offered { expires_at: Timestamp },
    Ending { due: Timestamp, expired: bool },
}

#[derive(Debug, Clone)]
pub(crate) struct Talk {
    pub(crate) arrival: Arrival,
    pub(crate) wait: Wait,
    pub(crate) agent: Option<AgentId>,
    pub(crate) suspended: bool,
    /// Counts in ranks: it was not assigned the moment it came.
    pub(crate) in_order: bool,
    pub(crate) bumped: bool,
    pub(crate) overflow_asked: bool,
    /// Number of the step (the wanted agent's comes first) and when it ends.
    pub(crate) step: usize,
    pub(crate) step_ends_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) profile: Agent,
    pub(crate) available: bool,
    pub(crate) stale: bool,
    pub(crate) held: BTreeMap<ConversationId, u32>,
    pub(crate) idle_since: Timestamp,
    pub(crate) turn: u64,
    pub(crate) missed: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) people: BTreeMap<AgentId, Person>,
    pub(crate) talks: BTreeMap<ConversationId, Talk>,
    pub(crate) turns: u64,
    /// Decisions without a pair that the next step must bring.
    pub(crate) expected: Vec<Decision>,
}

fn applies(rule: &Rule, facts: &Facts) -> bool {
    let intent = facts.intent.as_ref().map(|claim| &claim.value);
    rule.when.intent.as_ref().is_none_or(|wanted| intent == Some(wanted))
        && rule.when.tier.as_ref().is_none_or(|wanted| facts.tier.as_ref() == Some(wanted))
}

impl Model {
    pub(crate) fn head_start_ms(&self, talk: &Talk) -> u64 {
        let rules: u64 = self
            .rules
            .iter()
            .filter(|rule| applies(rule, &talk.arrival.facts))
            .map(|rule| rule.head_start_s)
            .sum();
        let bump =
            self.groups[&talk.arrival.group].bump.filter(|_| talk.bumped).map_or(0, |b| b.head_start_s);
        (rules.min(MAX_HEAD_START_S) + bump).min(MAX_HEAD_START_S) * 1_000
    }

    fn effective_start(talk: &Talk) -> i128 {
        i128::from(talk.arrival.enqueued_at.millis()) - i128::from(talk.arrival.waited_before_ms)
    }

    pub(crate) fn key(&self, talk: &Talk) -> (i128, Timestamp, ConversationId) {
        let start = Self::effective_start(talk) - i128::from(self.head_start_ms(talk));
        (start, talk.arrival.enqueued_at, talk.arrival.conversation)
    }

    /// The steps of a conversation: the wanted agent's, those of its rule, then anyone.
    fn steps(&self, talk: &Talk) -> Vec<(Step, bool)> {
        let wanted = talk.arrival.wanted.filter(|wanted| wanted.hard_for_s > 0);
        let wanted = wanted.map(|wanted| {
            let for_s = Some(wanted.hard_for_s);
            (Step { needs: Needs::Anyone, agents: vec![wanted.agent], for_s }, wanted.any_group)
        });
        let deciding =
            self.rules.iter().find(|rule| applies(rule, &talk.arrival.facts) && !rule.steps.is_empty());
        let steps = deciding.map_or(&[][..], |rule| &rule.steps);
        let steps = steps.iter().map(|step| (step.clone(), step.needs.names_groups()));
        let open = (Step { needs: Needs::Anyone, agents: Vec::new(), for_s: None }, false);
        wanted.into_iter().chain(steps).chain([open]).collect()
    }

    pub(crate) fn deciding(&self, facts: &Facts) -> Option<String> {
        let rule = self.rules.iter().find(|rule| applies(rule, facts) && !rule.steps.is_empty());
        rule.map(|rule| rule.id.to_string())
    }

    pub(crate) fn enter(&mut self, id: ConversationId, step: usize, from: Timestamp) {
        let for_s = self.steps(&self.talks[&id]).get(step).and_then(|(step, _)| step.for_s);
        let talk = self.talks.get_mut(&id).unwrap();
        talk.step = step;
        talk.step_ends_at = for_s.map(|for_s| from.plus_secs(for_s));
    }

    /// What happens by itself to those who may get an agent: bump, overflow, the end of a step.
    pub(crate) fn catch_up(&mut self, now: Timestamp) {
        let ids: Vec<_> = self.talks.values().filter(|talk| talk.is_matchable()).map(Talk::id).collect();
        for id in ids {
            let talk = self.talks.get_mut(&id).unwrap();
            let group = &self.groups[&talk.arrival.group];
            let here_ms = now.since_millis(talk.arrival.enqueued_at);
            if group.bump.is_some_and(|bump| here_ms + talk.arrival.waited_before_ms >= bump.after_s * 1_000)
            {
                talk.bumped = true;
            }
            if let Some(rule) = &group.overflow.queued
                && !talk.overflow_asked
                && here_ms >= rule.after_s * 1_000
            {
                talk.overflow_asked = true;
                self.expected.push(Decision::Overflow {
                    conversation: id,
                    assign_seq: talk.arrival.assign_seq,
                    from: group.id.clone(),
                    to: rule.to.clone(),
                });
            }
            loop {
                let talk = &self.talks[&id];
                let step = talk.step;
                if let Some(ends_at) = talk.step_ends_at.filter(|ends_at| *ends_at <= now) {
                    self.enter(id, step + 1, ends_at);
                } else if self.names_nobody_there(talk) {
                    self.enter(id, step + 1, now);
                } else {
                    break;
                }
            }
        }
    }

    fn names_nobody_there(&self, talk: &Talk) -> bool {
        let (step, _) = &self.steps(talk)[talk.step];
        !step.agents.is_empty()
            && !step.agents.iter().any(|agent| {
                !talk.arrival.declined.contains(agent)
                    && self.people.get(agent).is_some_and(|row| row.available && self.meets(talk, row))
            })
    }

    /// Whether the agent meets the present step, seats and presence aside.
    fn meets(&self, talk: &Talk, person: &Person) -> bool {
        let (step, any_group) = &self.steps(talk)[talk.step];
        (*any_group || person.profile.groups.contains(&talk.arrival.group))
            && step.needs.met_by(&person.profile)
            && (step.agents.is_empty() || step.agents.contains(&person.profile.id))
    }

    pub(crate) fn load(&self, agent: AgentId) -> u32 {
        let pending = self.talks.values().filter(|talk| talk.agent == Some(agent));
        self.people[&agent].held.values().sum::<u32>() + pending.map(|talk| talk.arrival.seats).sum::<u32>()
    }

    fn free_seats(&self, agent: AgentId) -> u32 {
        self.people[&agent].profile.capacity.saturating_sub(self.load(agent))
    }

    /// Whether this pair may be made now.
    pub(crate) fn is_eligible(&self, talk: &Talk, person: &Person) -> bool {
        let id = person.profile.id;
        if !talk.is_matchable() || !person.available || person.stale || !self.meets(talk, person) {
            return false;
        }
        if self.free_seats(id) < talk.arrival.seats {
            return false;
        }
        let others_can = self.people.values().any(|other| {
            other.available && !talk.arrival.declined.contains(&other.profile.id) && self.meets(talk, other)
        });
        !talk.arrival.declined.contains(&id) || !others_can
    }

    /// Smaller is chosen first, by the policy of the conversation's group.
    fn preference(&self, talk: &Talk, person: &Person) -> (u64, u64, AgentId) {
        let id = person.profile.id;
        let idle = person.idle_since.millis();
        let (step, _) = &self.steps(talk)[talk.step];
        match self.groups[&talk.arrival.group].policy {
            Policy::LongestIdle => (0, idle, id),
            // 5040 divides by every capacity of the tests, so the shares are exact.
            Policy::LeastLoaded => {
                (5_040 * u64::from(self.load(id)) / u64::from(person.profile.capacity), idle, id)
            }
            Policy::RoundRobin => (0, person.turn, id),
            Policy::BestSkill => (u64::MAX - u64::from(step.needs.level_of(&person.profile)), idle, id),
        }
    }

    /// Judges a pair and makes it.
    pub(crate) fn decide(&mut self, decision: &Decision, now: Timestamp) {
        let decided = matched(decision).unwrap();
        let talk = self.talks.get(&decided.conversation).expect("RT-2: a decision about nobody who waits");
        assert!(talk.is_matchable(), "RT-2: {talk:?} was not free for {decision:?}");
        let person = &self.people[&decided.agent];
        assert!(self.is_eligible(talk, person), "RT-1: {decision:?} goes to somebody who may not have it");
        assert_eq!(decided.seats, talk.arrival.seats);
        self.assert_order(talk, person);
        let eligible = || self.people.values().filter(|other| self.is_eligible(talk, other));
        let wanted = talk.arrival.wanted.map(|wanted| wanted.agent);
        let prefers_wanted = eligible().any(|other| {
            Some(other.profile.id) == wanted && !talk.arrival.declined.contains(&other.profile.id)
        });
        let best = eligible().min_by_key(|other| self.preference(talk, other)).unwrap().profile.id;
        let expected = if prefers_wanted { wanted.unwrap() } else { best };
        assert_eq!(decided.agent, expected, "policy: {decision:?}");

        let group = &self.groups[&talk.arrival.group];
        let (auto, offer_s) = (group.accept == Accept::Auto, group.offer_s);
        assert_eq!(matches!(decision, Decision::Assign(_)), auto);
        self.turns += 1;
        let person = self.people.get_mut(&decided.agent).unwrap();
        (person.idle_since, person.turn) = (now, self.turns);
        let talk = self.talks.get_mut(&decided.conversation).unwrap();
        let due = now.plus_millis(OUTCOME_MS);
        let expires_at = now.plus_secs(offer_s);
        talk.wait = if auto { Wait::Assigning { due } } else { Wait::Offering { due, expires_at } };
        talk.agent = Some(decided.agent);
    }

    /// RT-3 and RT-6 for one pair about to be made.
    fn assert_order(&self, talk: &Talk, person: &Person) {
        for other in self.talks.values().filter(|other| other.id() != talk.id()) {
            let served = self.people.values().any(|person| self.is_eligible(other, person));
            assert!(
                !served || self.key(other) > self.key(talk),
                "RT-3: {talk:?} is served before {other:?}, who could be"
            );
            if self.is_eligible(other, person) {
                let inversion = Self::effective_start(talk) - Self::effective_start(other);
                assert!(inversion <= i128::from(MAX_HEAD_START_S) * 1_000, "RT-6: {talk:?} before {other:?}");
            }
        }
    }

    /// Who is not being assigned after a step has begun to queue.
    pub(crate) fn queue_up(&mut self) {
        for talk in self.talks.values_mut() {
            talk.in_order =
                !talk.suspended && (talk.in_order || !matches!(talk.wait, Wait::Assigning { .. }));
        }
    }

    /// RT-5.
    pub(crate) fn assert_nobody_left(&self) {
        for talk in self.talks.values() {
            for person in self.people.values() {
                assert!(!self.is_eligible(talk, person), "RT-5: {talk:?} and {person:?} are left unmatched");
            }
        }
    }

    /// How many come before it among its group and the groups that share an available agent with it.
    pub(crate) fn ahead(&self, talk: &Talk) -> usize {
        let own = &talk.arrival.group;
        let competes = |group: &GroupId| {
            group == own
                || self.people.values().any(|person| {
                    let groups = &person.profile.groups;
                    person.available && groups.contains(group) && groups.contains(own)
                })
        };
        let others = self.talks.values().filter(|other| other.in_order && competes(&other.arrival.group));
        others.filter(|other| self.key(other) < self.key(talk)).count()
    }
}

impl Talk {
    pub(crate) fn id(&self) -> ConversationId {
        self.arrival.conversation
    }

    pub(crate) fn is_matchable(&self) -> bool {
        self.wait == Wait::Free && !self.suspended
    }
}
