//! The small desk that the tests use: three groups, five agents, a few rules, and short names for all of them.

use rushdesk::clock::Timestamp;
use rushdesk::ident::{AgentId, ChannelId, ConversationId, GroupId, RuleId, ShopId, SkillId};
use rushdesk::routing::{
    Accept, Agent, Arrival, Bump, Claim, Decision, Engine, Facts, Group, Input, Match, Needs, OverflowAfter,
    Policy, Rule, Settings, Step, When,
};

pub(crate) const GROUPS: [&str; 3] = ["general", "payment", "vip"];
pub(crate) const AGENTS: u128 = 5;
pub(crate) const MAX_HEAD_START_S: u64 = 900;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

pub(crate) fn group_id(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}

pub(crate) fn agent_id(number: u128) -> AgentId {
    AgentId::from_u128(number)
}

pub(crate) fn conversation(number: u128) -> ConversationId {
    ConversationId::from_u128(number)
}

pub(crate) fn skill(name: &str, level: u8) -> Needs {
    Needs::Skill { skill: SkillId::new(name).unwrap(), level }
}

pub(crate) fn facts(intent: Option<&str>, tier: Option<&str>) -> Box<Facts> {
    Box::new(Facts {
        intent: intent.map(|value| Claim { value: value.into(), trusted: false }),
        tier: tier.map(Into::into),
        ..Facts::new(ShopId::default_shop(), ChannelId::web())
    })
}

pub(crate) fn arrival(number: u128, group: &str, second: u64) -> Arrival {
    Arrival::new(conversation(number), group_id(group), facts(None, None), at(second))
}

pub(crate) fn agent(number: u128, groups: &[&str], skills: &[(&str, u8)], capacity: u32) -> Agent {
    Agent {
        id: agent_id(number),
        groups: groups.iter().map(|name| group_id(name)).collect(),
        skills: skills.iter().map(|(name, level)| (SkillId::new(name).unwrap(), *level)).collect(),
        languages: vec!["zh".into()],
        capacity,
    }
}

pub(crate) fn step(needs: Needs, agents: &[u128], for_s: Option<u64>) -> Step {
    Step { needs, agents: agents.iter().map(|number| agent_id(*number)).collect(), for_s }
}

pub(crate) fn rule(id: &str, when: When, head_start_s: u64, steps: Vec<Step>) -> Rule {
    Rule {
        id: RuleId::new(id).unwrap(),
        when,
        trusted: false,
        head_start_s,
        strict: false,
        group: None,
        steps,
    }
}

pub(crate) fn intent(name: &str) -> When {
    When { intent: Some(name.into()), ..When::default() }
}

pub(crate) fn tier(name: &str) -> When {
    When { tier: Some(name.into()), ..When::default() }
}

/// Four lists of rules to switch between.
pub(crate) fn rules(variant: usize) -> Vec<Rule> {
    match variant {
        0 => Vec::new(),
        1 => vec![
            rule(
                "pay",
                intent("pay"),
                600,
                vec![step(skill("billing", 3), &[], Some(20)), step(skill("billing", 1), &[], Some(30))],
            ),
            rule("gold", tier("gold"), 500, Vec::new()),
        ],
        2 => vec![
            rule("pay", intent("pay"), 60, vec![step(Needs::Anyone, &[1, 2], Some(40))]),
            rule("gold", tier("gold"), 300, vec![step(skill("tech", 2), &[], None)]),
        ],
        _ => vec![
            rule(
                "pay",
                intent("pay"),
                0,
                vec![step(Needs::Any(vec![skill("tech", 4), Needs::Group(group_id("vip"))]), &[], Some(15))],
            ),
            rule("gold", tier("gold"), 2_000, vec![step(skill("billing", 2), &[3], Some(25))]),
        ],
    }
}

/// A group under one of eight configurations.
pub(crate) fn group(name: &str, variant: usize) -> Group {
    let policy = [Policy::LongestIdle, Policy::LeastLoaded, Policy::RoundRobin, Policy::BestSkill];
    let mut group = Group::new(group_id(name));
    group.policy = policy[variant % 4];
    group.accept = if variant % 8 < 4 { Accept::Auto } else { Accept::Manual };
    group.offer_s = 7;
    if name == "vip" {
        group.bump = Some(Bump { after_s: 45, head_start_s: 120 });
    } else if variant % 2 == 1 {
        group.overflow.queued = Some(OverflowAfter { after_s: 70, to: group_id("vip") });
    }
    group
}

/// An agent under one of many profiles.
pub(crate) fn profile(number: u128, variant: u8) -> Agent {
    let groups: &[&str] = match (number, variant % 3) {
        (1, _) | (_, 0) => &["general", "payment"],
        (2, _) | (_, 1) => &["general"],
        _ => &["payment", "vip"],
    };
    let (billing, tech) = (variant % 5 + 1, variant / 5 % 5 + 1);
    agent(number, groups, &[("billing", billing), ("tech", tech)], 1 + u32::from(variant % 4))
}

pub(crate) fn settings() -> Settings {
    Settings { max_head_start_s: MAX_HEAD_START_S, ..Settings::new(group_id("general")) }
}

/// An engine with its clock and what it last said, for cases told step by step.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) now: Timestamp,
}

impl Desk {
    pub(crate) fn new(groups: &[Group]) -> Self {
        let mut desk = Self { engine: Engine::new(settings()), now: at(0) };
        for group in groups {
            desk.tell(Input::GroupUpserted(Box::new(group.clone())));
        }
        desk
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Decision> {
        let mut out = Vec::new();
        self.engine.step(input, self.now, &mut out).unwrap();
        out
    }

    pub(crate) fn online(&mut self, agent: Agent) -> Vec<Decision> {
        let id = agent.id;
        self.tell(Input::AgentUpserted(Box::new(agent)));
        self.tell(Input::AgentAvailable { agent: id, available: true })
    }

    pub(crate) fn arrive(&mut self, arrival: Arrival) -> Vec<Decision> {
        self.tell(Input::Arrived(Box::new(arrival)))
    }

    /// Moves the clock and ticks at each deadline on the way.
    pub(crate) fn wait_until(&mut self, then: Timestamp) -> Vec<Decision> {
        let mut out = Vec::new();
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= then) {
            self.now = self.now.max(due);
            out.extend(self.tell(Input::Tick));
        }
        self.now = then;
        out
    }

    pub(crate) fn confirm(&mut self, decisions: &[Decision]) {
        for decided in decisions.iter().filter_map(matched) {
            let (conversation, agent) = (decided.conversation, decided.agent);
            let more = self.tell(Input::Confirmed { conversation, agent });
            assert_eq!(more, [], "a confirmation changes nobody's seats");
        }
    }
}

/// The pair of an assignment or an offer.
pub(crate) fn matched(decision: &Decision) -> Option<&Match> {
    match decision {
        Decision::Assign(decided) | Decision::Offer { offer: decided, .. } => Some(decided),
        _ => None,
    }
}

/// Conversation and agent numbers of what was decided.
pub(crate) fn pairs(decisions: &[Decision]) -> Vec<(u128, u128)> {
    decisions
        .iter()
        .filter_map(matched)
        .map(|decided| (decided.conversation.as_u128(), decided.agent.as_u128()))
        .collect()
}
