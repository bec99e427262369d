//! The desk that is measured, and the same desk for the scan.

use crate::naive::{Hand, Scan, Waiter};
use rushdesk::clock::Timestamp;
use rushdesk::ident::{AgentId, ChannelId, ConversationId, GroupId, RuleId, ShopId, SkillId};
use rushdesk::routing::{
    Agent, Arrival, Claim, Decision, Engine, Facts, Group, Input, Needs, QueueStanding, Rule, Settings, Step,
    When,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SKILLS: usize = 20;
/// A skill that nobody has.
const RARE: usize = SKILLS;
const SEATS: u32 = 5;
const BEGIN_MS: u64 = 1_700_000_000_000;

/// How busy the desk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Every seat is taken; who waits could be served by many.
    Full,
    /// Half the seats are free; who waits needs a skill that nobody has.
    Half,
}

/// A conversation's number as identifiers are: ordered by birth, the rest looks random.
fn conversation(number: u64) -> ConversationId {
    let spread = u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    ConversationId::from_u128((u128::from(number) << 80) | spread)
}

fn agent_id(number: usize) -> AgentId {
    AgentId::from_u128((number as u128 + 1) << 70)
}

fn head_start_s(skill: usize) -> u64 {
    [0, 0, 0, 60, 300, 600][skill % 6]
}

/// The nth arrival, one each millisecond.
pub(crate) fn waiter(number: u64, skill: usize) -> Waiter {
    let enqueued_ms = BEGIN_MS + number;
    let start_ms = enqueued_ms as i64 - head_start_s(skill) as i64 * 1_000;
    Waiter { start_ms, enqueued_ms, id: conversation(number), skill }
}

/// A skill for the nth arrival, as chance would have it.
pub(crate) fn any_skill(number: u64) -> usize {
    (number.wrapping_mul(2_654_435_761) >> 7) as usize % SKILLS
}

/// A skill of this agent for the nth arrival, so that the seat they free next finds somebody.
pub(crate) fn skill_of(levels: &[u8], number: u64) -> usize {
    let known = levels.iter().enumerate().filter(|(_, level)| **level > 0);
    known.cycle().nth(number as usize % 3).map_or(0, |(skill, _)| skill)
}

fn levels(agent: usize) -> Vec<u8> {
    let mut levels = vec![0; SKILLS + 1];
    // Three different skills for every agent, whatever the number.
    for (stride, offset) in [(1, 0), (7, 5), (3, 11)] {
        levels[(agent * stride + offset + agent / SKILLS) % SKILLS] = 1 + ((agent + offset) % 5) as u8;
    }
    levels
}

fn skill_name(skill: usize) -> String {
    format!("skill-{skill}")
}

/// The measured desk.
pub(crate) struct World {
    engine: Engine,
    load: Load,
    agents: usize,
    number: u64,
    now: Timestamp,
    intents: Vec<Arc<str>>,
    group: GroupId,
    out: Vec<Decision>,
    held: VecDeque<(AgentId, ConversationId)>,
    scan: Scan,
}

impl World {
    pub(crate) fn new(load: Load, waiting: usize, agents: usize) -> Self {
        let mut world = Self::empty(load, agents);
        world.fill_queue(waiting);
        world
    }

    fn empty(load: Load, agents: usize) -> Self {
        let group = GroupId::new("general").expect("a name");
        let mut engine = Engine::new(Settings::new(group.clone()));
        let now = Timestamp::from_millis(BEGIN_MS - 1);
        let mut tell = |input| engine.step(input, now, &mut Vec::new()).expect("valid");
        tell(Input::GroupUpserted(Box::new(Group::new(group.clone()))));
        tell(Input::RulesReplaced((0..=SKILLS).map(rule).collect()));
        let mut held = VecDeque::new();
        let mut hands = Vec::new();
        for number in 0..agents {
            let levels = levels(number);
            let skill = |(skill, level): (usize, &u8)| {
                (*level > 0).then(|| (SkillId::new(&skill_name(skill)).expect("a name"), *level))
            };
            let skills = levels.iter().enumerate().filter_map(skill).collect();
            let agent = agent_id(number);
            let profile = Agent {
                id: agent,
                groups: vec![group.clone()],
                skills,
                languages: Vec::new(),
                capacity: SEATS,
            };
            tell(Input::AgentUpserted(Box::new(profile)));
            tell(Input::AgentAvailable { agent, available: true });
            hands.push(Hand { levels, free: SEATS, idle_since_ms: BEGIN_MS - 1 });
        }
        let taken = if load == Load::Full { SEATS } else { SEATS / 2 };
        for seat in 0..taken {
            for (number, hand) in hands.iter_mut().enumerate() {
                let talk =
                    ConversationId::from_u128(u128::MAX - u128::from(seat) * 1_000_000 - number as u128);
                let (agent, group) = (agent_id(number), group.clone());
                tell(Input::Held { agent, conversation: talk, seats: 1, group });
                held.push_back((agent, talk));
                hand.free -= 1;
            }
        }
        let intents = (0..=SKILLS).map(|skill| skill_name(skill).into()).collect();
        let scan_held = (0..agents).cycle().take(agents * taken as usize).collect();
        let scan = Scan { waiting: Vec::new(), hands, held: scan_held, place_of: HashMap::new(), number: 0 };
        Self { engine, load, agents, number: 0, now, intents, group, out: Vec::new(), held, scan }
    }

    fn fill_queue(&mut self, waiting: usize) {
        for _ in 0..waiting {
            let skill = if self.load == Load::Half { RARE } else { any_skill(self.number + 1) };
            let arrival = self.arrival(skill);
            self.step(arrival);
            self.scan.waiting.push(waiter(self.number, skill));
        }
        self.scan.number = self.number;
        assert_eq!(self.engine.items_waiting(), waiting, "somebody was served too early");
    }

    /// How long an engine with these agents takes to be told of so many who wait.
    pub(crate) fn rebuild_time(waiting: usize, agents: usize) -> Duration {
        let mut world = Self::empty(Load::Full, agents);
        let arrivals = world.arrivals(waiting as u64);
        let begin = Instant::now();
        world.step_all(arrivals);
        let spent = begin.elapsed();
        assert_eq!(world.engine.items_waiting(), waiting, "somebody is missing");
        spent
    }

    fn arrival(&mut self, skill: usize) -> Input {
        self.number += 1;
        let waiter = waiter(self.number, skill);
        let mut facts = Facts::new(ShopId::default_shop(), ChannelId::web());
        facts.intent = self.intents.get(skill).map(|value| Claim { value: value.clone(), trusted: false });
        let at = Timestamp::from_millis(waiter.enqueued_ms);
        Input::Arrived(Box::new(Arrival::new(waiter.id, self.group.clone(), Box::new(facts), at)))
    }

    pub(crate) fn arrivals(&mut self, count: u64) -> Vec<Input> {
        let skill = |nth: u64, world: &Self| match world.load {
            Load::Half => any_skill(world.number + 1),
            Load::Full => world.held.get(nth as usize % world.held.len()).map_or(0, |(agent, _)| {
                let number = (agent.as_u128() >> 70) as usize - 1;
                skill_of(&levels(number), world.number + 1)
            }),
        };
        (0..count).map(|nth| self.arrival(skill(nth, self))).collect()
    }

    pub(crate) fn freed(&mut self, count: u64) -> Vec<Input> {
        let oldest = self.held.drain(..count as usize);
        oldest.map(|(agent, conversation)| Input::Freed { agent, conversation }).collect()
    }

    fn step(&mut self, input: Input) {
        if let Input::Arrived(arrival) = &input {
            self.now = arrival.enqueued_at;
        }
        self.engine.step(input, self.now, &mut self.out).expect("valid");
    }

    pub(crate) fn step_all(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.step(input);
        }
    }

    pub(crate) fn confirm_all(&mut self) {
        let mut decided = std::mem::take(&mut self.out);
        for decision in decided.drain(..) {
            if let Decision::Assign(decided) = decision {
                let (conversation, agent) = (decided.conversation, decided.agent);
                self.step(Input::Confirmed { conversation, agent });
                self.held.push_back((agent, conversation));
            }
        }
        assert_eq!(self.out, [], "a confirmation decides nothing");
        self.out = decided;
    }

    /// Plays the same rounds to the engine and to the scan and compares every decision.
    pub(crate) fn assert_like_scan(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let arrival = self.arrivals(1);
            self.step_all(arrival);
            if self.load == Load::Full {
                assert_eq!(self.out, [], "nobody was free");
                let freed = self.freed(1);
                self.step_all(freed);
                self.scan.arrive_and_queue();
                let expected = self.scan.free_and_assign().map(|(hand, id)| (agent_id(hand), id));
                assert_eq!(self.decided(), expected, "the scan decides otherwise");
                self.confirm_all();
            } else {
                let expected =
                    self.scan.arrive_and_assign().map(|hand| (agent_id(hand), conversation(self.number)));
                assert_eq!(self.decided(), expected, "the scan decides otherwise");
                self.confirm_all();
                let freed = self.freed(1);
                self.step_all(freed);
                self.scan.free_oldest();
            }
        }
        assert_eq!(self.engine.agents_known(), self.agents);
    }

    fn decided(&self) -> Option<(AgentId, ConversationId)> {
        match self.out.as_slice() {
            [Decision::Assign(decided)] => Some((decided.agent, decided.conversation)),
            _ => None,
        }
    }

    /// The scan's own copy of the desk as it stands.
    pub(crate) fn scan(&self) -> Scan {
        let mut scan = self.scan.clone();
        scan.place_of = scan.waiting.iter().enumerate().map(|(place, waiter)| (waiter.id, place)).collect();
        scan
    }

    pub(crate) fn waiting_ids(&self) -> Vec<ConversationId> {
        self.scan.waiting.iter().map(|waiter| waiter.id).collect()
    }

    pub(crate) fn rank(&self, id: &ConversationId) -> Option<usize> {
        self.engine.rank(id)
    }

    pub(crate) fn estimate(&self, id: &ConversationId) -> Option<QueueStanding> {
        self.engine.estimate(id, self.now)
    }
}

/// Who names a skill as the intent needs it, and waits for it as long as it takes.
fn rule(skill: usize) -> Rule {
    let name = skill_name(skill);
    Rule {
        id: RuleId::new(&name).expect("a name"),
        when: When { intent: Some(name.as_str().into()), ..When::default() },
        trusted: false,
        head_start_s: head_start_s(skill),
        strict: false,
        group: None,
        steps: vec![Step {
            needs: Needs::Skill { skill: SkillId::new(&name).expect("a name"), level: 1 },
            agents: Vec::new(),
            for_s: None,
        }],
    }
}
