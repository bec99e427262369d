//! Plays inputs to the engine and to the reference at once, and compares after each.

use super::desk::{AGENTS, GROUPS, agent_id, group, matched, profile, settings};
use super::model::{Model, OUTCOME_MS, Person, Talk, Wait};
use rushdesk::clock::Timestamp;
use rushdesk::ident::{AgentId, ConversationId};
use rushdesk::routing::{Arrival, Decision, Engine, Input, OfferEnd, Refusal, Verdict};
use std::collections::BTreeMap;

pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) model: Model,
    pub(crate) now: Timestamp,
    /// What was played and what came of it, for the replay.
    pub(crate) played: Vec<(Timestamp, Input, Vec<Decision>)>,
}

impl Driver {
    pub(crate) fn new(now: Timestamp) -> Self {
        let engine = Engine::new(settings());
        let mut driver = Self { engine, model: Model::default(), now, played: Vec::new() };
        for (variant, name) in GROUPS.iter().enumerate() {
            driver.tell(Input::GroupUpserted(Box::new(group(name, variant))));
        }
        for number in 1..=AGENTS {
            driver.tell(Input::AgentUpserted(Box::new(profile(number, number as u8 * 7))));
        }
        driver
    }

    /// One input to both, and every property judged.
    pub(crate) fn tell(&mut self, input: Input) {
        self.model.apply(&input, self.now);
        self.model.catch_up(self.now);
        let mut out = Vec::new();
        self.engine.step(input.clone(), self.now, &mut out).unwrap();
        let mut others = Vec::new();
        for decision in &out {
            match matched(decision) {
                Some(_) => self.model.decide(decision, self.now),
                None => others.push(format!("{decision:?}")),
            }
        }
        let mut expected: Vec<_> = self.model.expected.drain(..).map(|other| format!("{other:?}")).collect();
        others.sort();
        expected.sort();
        assert_eq!(others, expected, "after {input:?}");
        self.model.queue_up();
        self.model.assert_nobody_left();
        self.assert_answers();
        self.played.push((self.now, input, out));
    }

    /// Loads, ranks and reasons as the reference has them.
    fn assert_answers(&self) {
        for agent in self.model.people.keys() {
            assert_eq!(self.engine.load_of(*agent), Some(self.model.load(*agent)), "{agent:?}");
        }
        assert_eq!(self.engine.items_waiting(), self.model.talks.len());
        for talk in self.model.talks.values() {
            assert_eq!(self.engine.rank(&talk.id()), Some(self.model.ahead(talk) + 1), "rank of {talk:?}");
            let told = self.engine.explain(&talk.id(), self.now).expect("RT-4: no reason");
            assert_eq!(told.head_start_ms, self.model.head_start_ms(talk), "{told:?}");
            if talk.is_matchable() {
                assert!(
                    told.candidates.iter().all(|view| view.verdict != Verdict::Eligible),
                    "RT-4: {told:?}"
                );
            }
        }
        for name in self.model.groups.keys() {
            let listed = self.engine.queue_page(name, 0, usize::MAX, self.now).unwrap();
            let mut expected: Vec<_> = self
                .model
                .talks
                .values()
                .filter(|talk| talk.in_order && talk.arrival.group == *name)
                .collect();
            expected.sort_by_key(|talk| self.model.key(talk));
            let ids = |talk: &&Talk| talk.id();
            assert!(
                listed.iter().map(|row| row.conversation).eq(expected.iter().map(ids)),
                "listing of {name}"
            );
        }
    }

    /// Moves the clock, ticking whenever the engine asks for it.
    pub(crate) fn wait(&mut self, seconds: u64) {
        let then = self.now.plus_secs(seconds);
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= then) {
            self.now = self.now.max(due);
            self.tell(Input::Tick);
        }
        self.now = then;
    }

    /// RT-7: the same inputs bring the same decisions from a fresh engine.
    pub(crate) fn assert_replays(&self) {
        let mut again = Engine::new(settings());
        for (now, input, decided) in &self.played {
            let mut out = Vec::new();
            again.step(input.clone(), *now, &mut out).unwrap();
            assert_eq!(out, *decided, "RT-7: {input:?}");
        }
    }

    /// The nth conversation that passes, if any.
    pub(crate) fn nth_talk(
        &self,
        nth: usize,
        passes: impl Fn(&Talk) -> bool,
    ) -> Option<(ConversationId, Option<AgentId>)> {
        let talks: Vec<_> = self.model.talks.values().filter(|talk| passes(talk)).collect();
        let talk = talks.get(nth.checked_rem(talks.len())?)?;
        Some((talk.id(), talk.agent))
    }
}

impl Model {
    /// What an input changes, before anything is decided.
    pub(crate) fn apply(&mut self, input: &Input, now: Timestamp) {
        match input.clone() {
            Input::GroupUpserted(group) => {
                self.groups.insert(group.id.clone(), *group);
                self.begin_all_steps();
            }
            Input::RulesReplaced(rules) => {
                self.rules = rules;
                self.begin_all_steps();
            }
            Input::AgentUpserted(_)
            | Input::AgentRemoved(_)
            | Input::AgentAvailable { .. }
            | Input::Held { .. }
            | Input::Freed { .. } => self.apply_to_people(input, now),
            Input::Arrived(arrival) => self.arrive(*arrival),
            Input::FactsChanged { conversation, facts } => {
                let talk = self.talks.get_mut(&conversation).unwrap();
                let before = std::mem::replace(&mut talk.arrival.facts, facts);
                let after = talk.arrival.facts.clone();
                if self.deciding(&before) != self.deciding(&after) {
                    self.enter(conversation, 0, now);
                }
            }
            Input::Left { conversation } => {
                self.give_back(conversation);
                self.talks.remove(&conversation);
            }
            Input::Suspended { conversation } => self.talks.get_mut(&conversation).unwrap().suspended = true,
            Input::Resumed { conversation } => {
                let talk = self.talks.get_mut(&conversation).unwrap();
                talk.suspended = false;
                talk.in_order |= talk.wait != Wait::Free;
            }
            Input::Confirmed { conversation, agent } => {
                let talk = self.talks.get_mut(&conversation).unwrap();
                if let Wait::Offering { expires_at, .. } = talk.wait {
                    talk.wait = Wait::Offered { expires_at };
                } else {
                    let seats = talk.arrival.seats;
                    self.hold(agent, conversation, seats, now);
                }
            }
            Input::Refused { conversation, agent, reason } => {
                self.give_back(conversation);
                if matches!(reason, Refusal::AgentAway | Refusal::AtCapacity) {
                    self.people.get_mut(&agent).unwrap().stale = true;
                } else {
                    let due = now.plus_millis(OUTCOME_MS);
                    self.talks.get_mut(&conversation).unwrap().wait = Wait::Parked { due };
                }
            }
            Input::OfferEnded { conversation, how, .. } => self.end_offer(conversation, how, now),
            Input::Tick => self.tick(now),
            other @ (Input::GroupRemoved(_) | Input::Promised { .. }) => panic!("not played: {other:?}"),
        }
    }

    fn apply_to_people(&mut self, input: &Input, now: Timestamp) {
        match input.clone() {
            Input::AgentUpserted(profile) => self.upsert(*profile, now),
            Input::AgentRemoved(agent) => {
                self.go_away(agent, now);
                for id in self.pending_of(agent) {
                    self.give_back(id);
                }
                self.people.remove(&agent);
            }
            Input::AgentAvailable { agent, available: false } => self.go_away(agent, now),
            Input::AgentAvailable { agent, available: true } => {
                let person = self.people.get_mut(&agent).unwrap();
                person.stale = false;
                if !person.available {
                    (person.available, person.missed, person.idle_since) = (true, 0, now);
                }
            }
            Input::Held { agent, conversation, seats, .. } => {
                self.people.get_mut(&agent).unwrap().stale = false;
                self.hold(agent, conversation, seats, now);
            }
            Input::Freed { agent, conversation } => {
                let person = self.people.get_mut(&agent).unwrap();
                person.stale = false;
                if person.held.remove(&conversation).is_some() {
                    person.idle_since = now;
                }
            }
            other => panic!("not about an agent: {other:?}"),
        }
    }

    fn upsert(&mut self, profile: rushdesk::routing::Agent, now: Timestamp) {
        let id = profile.id;
        if let Some(person) = self.people.get_mut(&id) {
            (person.profile, person.stale) = (profile, false);
            return;
        }
        self.turns += 1;
        let (held, turn) = (BTreeMap::new(), self.turns);
        let person =
            Person { profile, available: false, stale: false, held, idle_since: now, turn, missed: 0 };
        self.people.insert(id, person);
    }

    fn begin_all_steps(&mut self) {
        let ids: Vec<_> = self.talks.values().map(|talk| (talk.id(), talk.arrival.enqueued_at)).collect();
        for (id, enqueued_at) in ids {
            self.enter(id, 0, enqueued_at);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let (id, enqueued_at, suspended) = (arrival.conversation, arrival.enqueued_at, arrival.suspended);
        if self.talks.contains_key(&id) {
            self.give_back(id);
        }
        let talk = Talk {
            arrival,
            wait: Wait::Free,
            agent: None,
            suspended,
            in_order: false,
            bumped: false,
            overflow_asked: false,
            step: 0,
            step_ends_at: None,
        };
        self.talks.insert(id, talk);
        self.enter(id, 0, enqueued_at);
    }

    fn hold(&mut self, agent: AgentId, conversation: ConversationId, seats: u32, now: Timestamp) {
        let asked = self.talks.get(&conversation).is_some_and(|talk| talk.agent == Some(agent));
        if !asked && self.talks.contains_key(&conversation) {
            self.give_back(conversation);
        }
        self.talks.remove(&conversation);
        let person = self.people.get_mut(&agent).unwrap();
        if asked {
            person.missed = 0;
        } else {
            person.idle_since = now;
        }
        person.held.insert(conversation, seats);
    }

    fn pending_of(&self, agent: AgentId) -> Vec<ConversationId> {
        self.talks.values().filter(|talk| talk.agent == Some(agent)).map(Talk::id).collect()
    }

    fn give_back(&mut self, id: ConversationId) {
        let talk = self.talks.get_mut(&id).unwrap();
        talk.wait = Wait::Free;
        talk.agent = None;
    }

    fn go_away(&mut self, agent: AgentId, now: Timestamp) {
        let person = self.people.get_mut(&agent).unwrap();
        person.stale = false;
        if !std::mem::replace(&mut person.available, false) {
            return;
        }
        for conversation in self.pending_of(agent) {
            let talk = self.talks.get_mut(&conversation).unwrap();
            if matches!(talk.wait, Wait::Offered { .. }) {
                talk.wait = Wait::Ending { due: now.plus_millis(OUTCOME_MS), expired: false };
                self.expected.push(Decision::WithdrawOffer { conversation, agent });
            }
        }
    }

    fn end_offer(&mut self, id: ConversationId, how: OfferEnd, now: Timestamp) {
        let agent = self.talks[&id].agent.unwrap();
        self.give_back(id);
        if how == OfferEnd::Withdrawn {
            return;
        }
        let talk = self.talks.get_mut(&id).unwrap();
        if !talk.arrival.declined.contains(&agent) {
            talk.arrival.declined.push(agent);
        }
        let person = self.people.get_mut(&agent).unwrap();
        person.missed = if how == OfferEnd::Expired { person.missed + 1 } else { 0 };
        let missed_offers = person.missed;
        if missed_offers >= 3 && person.available {
            self.expected.push(Decision::SetAway { agent, missed_offers });
            self.go_away(agent, now);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let ids: Vec<_> = self.talks.keys().copied().collect();
        for id in &ids {
            let talk = self.talks.get_mut(id).unwrap();
            if matches!(talk.wait, Wait::Offered { expires_at } if expires_at <= now) {
                talk.wait = Wait::Ending { due: now.plus_millis(OUTCOME_MS), expired: true };
                let (conversation, agent) = (*id, talk.agent.unwrap());
                self.expected.push(Decision::ExpireOffer { conversation, agent });
            }
        }
        for id in ids {
            let talk = &self.talks[&id];
            let (due, expired) = match talk.wait {
                Wait::Parked { due } | Wait::Assigning { due } | Wait::Offering { due, .. } => (due, false),
                Wait::Ending { due, expired } => (due, expired),
                Wait::Free | Wait::Offered { .. } => continue,
            };
            if due > now {
                continue;
            }
            if let Some(agent) = talk.agent {
                self.people.get_mut(&agent).unwrap().stale = true;
            }
            if expired {
                self.end_offer(id, OfferEnd::Expired, now);
            } else {
                self.give_back(id);
            }
        }
    }

    /// A conversation that somebody holds.
    pub(crate) fn nth_held(&self, nth: usize) -> Option<(AgentId, ConversationId)> {
        let held: Vec<_> = self
            .people
            .iter()
            .flat_map(|(agent, person)| person.held.keys().map(|conversation| (*agent, *conversation)))
            .collect();
        held.get(nth.checked_rem(held.len())?).copied()
    }

    pub(crate) fn is_held(&self, conversation: ConversationId) -> bool {
        self.people.values().any(|person| person.held.contains_key(&conversation))
    }

    pub(crate) fn known_agent(&self, nth: usize) -> AgentId {
        self.people.keys().nth(nth % self.people.len().max(1)).copied().unwrap_or_else(|| agent_id(1))
    }
}
