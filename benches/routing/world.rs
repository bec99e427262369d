//! The desk that is measured, and the same desk for the two scans.

use crate::bare::BareHand;
use crate::naive::{Hand, Key, Ranks, Scan};
use crate::rows::{RowHand, RowWaiter};
use rushdesk::clock::Timestamp;
use rushdesk::ident::{AgentId, ChannelId, ConversationId, GroupId, RuleId, ShopId, SkillId};
use rushdesk::routing::{
    Agent, Arrival, Claim, Decision, Engine, Facts, Group, Input, Needs, QueueStanding, Rule, Settings, Step,
    When,
};
use std::collections::VecDeque;
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

fn agent_number(id: AgentId) -> usize {
    (id.as_u128() >> 70) as usize - 1
}

fn head_start_s(skill: usize) -> u64 {
    [0, 0, 0, 60, 300, 600][skill % 6]
}

/// When the nth arrival is queued, one each millisecond.
fn enqueued_ms(number: u64) -> u64 {
    BEGIN_MS + number
}

/// Where the nth arrival stands.
pub(crate) fn key_of(number: u64, skill: usize) -> Key {
    let enqueued_ms = enqueued_ms(number);
    (enqueued_ms as i64 - head_start_s(skill) as i64 * 1_000, enqueued_ms, conversation(number))
}

/// A skill for the nth arrival, as chance would have it.
fn any_skill(number: u64) -> usize {
    (number.wrapping_mul(2_654_435_761) >> 7) as usize % SKILLS
}

/// What the nth arrival needs: at a full desk something that the agent who frees the next seat can do.
pub(crate) fn skill_wanted(load: Load, next_freed: usize, number: u64) -> usize {
    match load {
        Load::Half => any_skill(number),
        Load::Full => {
            let levels = levels(next_freed);
            let known = levels.iter().enumerate().filter(|(_, level)| **level > 0);
            known.cycle().nth(number as usize % 3).map_or(0, |(skill, _)| skill)
        }
    }
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
    held: VecDeque<(usize, ConversationId)>,
    pub(crate) bare: Scan<BareHand>,
    pub(crate) rows: Scan<RowHand>,
}

impl World {
    pub(crate) fn new(load: Load, waiting: usize, agents: usize) -> Self {
        let mut world = Self::empty(load, agents);
        for _ in 0..waiting {
            let skill = if load == Load::Half { RARE } else { any_skill(world.number + 1) };
            let arrival = world.arrival(skill);
            world.step(arrival);
            world.bare.queue_up(skill);
            world.rows.queue_up(skill);
        }
        assert_eq!(world.engine.items_waiting(), waiting, "somebody was served too early");
        world
    }

    fn empty(load: Load, agents: usize) -> Self {
        let group = GroupId::new("general").expect("a name");
        let mut engine = Engine::new(Settings::new(group.clone()));
        let now = Timestamp::from_millis(enqueued_ms(0) - 1);
        let mut tell = |input| engine.step(input, now, &mut Vec::new()).expect("valid");
        tell(Input::GroupUpserted(Box::new(Group::new(group.clone()))));
        tell(Input::RulesReplaced((0..=SKILLS).map(rule).collect()));
        let profiles: Vec<_> = (0..agents).map(|number| profile(number, &group)).collect();
        for profile in &profiles {
            tell(Input::AgentUpserted(Box::new(profile.clone())));
            tell(Input::AgentAvailable { agent: profile.id, available: true });
        }
        let (mut bare, mut rows) = scans(&profiles, &group, now);
        let mut held = VecDeque::new();
        for seat in 0..if load == Load::Full { SEATS } else { SEATS / 2 } {
            for (number, profile) in profiles.iter().enumerate() {
                let talk = u128::MAX - u128::from(seat) * 1_000_000 - number as u128;
                let conversation = ConversationId::from_u128(talk);
                tell(Input::Held { agent: profile.id, conversation, seats: 1, group: group.clone() });
                held.push_back((number, conversation));
                bare.hold(number, conversation, now.millis());
                rows.hold(number, conversation, now.millis());
            }
        }
        let intents = (0..=SKILLS).map(|skill| skill_name(skill).into()).collect();
        Self { engine, load, agents, number: 0, now, intents, group, out: Vec::new(), held, bare, rows }
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
        let mut facts = Facts::new(ShopId::default_shop(), ChannelId::web());
        facts.intent = self.intents.get(skill).map(|value| Claim { value: value.clone(), trusted: false });
        let at = Timestamp::from_millis(enqueued_ms(self.number));
        let (id, group) = (conversation(self.number), self.group.clone());
        Input::Arrived(Box::new(Arrival::new(id, group, Box::new(facts), at)))
    }

    pub(crate) fn arrivals(&mut self, count: u64) -> Vec<Input> {
        let skill = |nth: u64, world: &Self| {
            let next_freed = world.held[nth as usize % world.held.len()].0;
            skill_wanted(world.load, next_freed, world.number + 1)
        };
        (0..count).map(|nth| self.arrival(skill(nth, self))).collect()
    }

    pub(crate) fn freed(&mut self, count: u64) -> Vec<Input> {
        let oldest = self.held.drain(..count as usize);
        oldest.map(|(number, conversation)| Input::Freed { agent: agent_id(number), conversation }).collect()
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
                self.held.push_back((agent_number(agent), conversation));
            }
        }
        assert_eq!(self.out, [], "a confirmation decides nothing");
        self.out = decided;
    }

    /// Plays the same rounds to the engine and to both scans and compares every decision.
    pub(crate) fn assert_like_scans(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let arrival = self.arrivals(1);
            self.step_all(arrival);
            if self.load == Load::Full {
                assert_eq!(self.out, [], "nobody was free");
                let freed = self.freed(1);
                self.step_all(freed);
            }
            let (decided, among) = match self.out.as_slice() {
                [Decision::Assign(decided)] => {
                    let who = (agent_number(decided.agent), decided.conversation);
                    (Some(who), decided.reason.free_agents)
                }
                _ => (None, 0),
            };
            let bare =
                decided_by(&mut self.bare, self.load, |scan, arrival| Some((scan.assign(arrival)?, among)));
            let rows = decided_by(&mut self.rows, self.load, Scan::assign_among);
            assert_eq!(decided.map(|who| (who, among)), bare, "the bare scan decides otherwise");
            assert_eq!(decided.map(|who| (who, among)), rows, "the scan of rows decides otherwise");
            self.confirm_all();
            if self.load == Load::Half {
                let freed = self.freed(1);
                self.step_all(freed);
            }
        }
        assert_eq!(self.engine.agents_known(), self.agents);
    }

    pub(crate) fn ranks(&self) -> Ranks {
        Ranks::new(self.bare.waiting.iter().map(|(key, _)| *key).collect())
    }

    pub(crate) fn waiting_ids(&self) -> Vec<ConversationId> {
        self.bare.waiting.iter().map(|(key, _)| key.2).collect()
    }

    pub(crate) fn rank(&self, id: &ConversationId) -> Option<usize> {
        self.engine.rank(id)
    }

    pub(crate) fn estimate(&self, id: &ConversationId) -> Option<QueueStanding> {
        self.engine.estimate(id, self.now)
    }
}

/// Who gets what in one round of a scan, and among how many free agents.
fn decided_by<H: Hand>(
    scan: &mut Scan<H>,
    load: Load,
    assign: impl Fn(&mut Scan<H>, &(Key, H::Waiter)) -> Option<(usize, u32)>,
) -> Option<((usize, ConversationId), u32)> {
    let mut arrivals = scan.arrivals(load, 1);
    match load {
        Load::Full => {
            scan.waiting.append(&mut arrivals);
            scan.free_and_assign().map(|who| (who, 1))
        }
        Load::Half => {
            let arrival = arrivals.first()?;
            let decided = assign(scan, arrival).map(|(hand, among)| ((hand, arrival.0.2), among));
            scan.free_oldest();
            decided
        }
    }
}

/// The same desk twice more.
fn scans(profiles: &[Agent], group: &GroupId, now: Timestamp) -> (Scan<BareHand>, Scan<RowHand>) {
    let idle_since_ms = now.millis();
    let bits = |number: usize| {
        let levels = levels(number);
        levels.iter().enumerate().fold(0, |bits, (skill, level)| bits | u32::from(*level > 0) << skill)
    };
    let bare =
        (0..profiles.len()).map(|number| BareHand { skills: bits(number), free: SEATS, idle_since_ms });
    let rows = profiles.iter().map(|profile| RowHand {
        profile: profile.clone(),
        available: true,
        held: Vec::new(),
        idle_since_ms,
    });
    let kinds = (0..=SKILLS).map(|skill| RowWaiter { group: group.clone(), needs: Arc::new(needs(skill)) });
    (Scan::new(bare.collect(), (0..=SKILLS as u32).collect()), Scan::new(rows.collect(), kinds.collect()))
}

fn profile(number: usize, group: &GroupId) -> Agent {
    let levels = levels(number);
    let known = levels.iter().enumerate().filter(|(_, level)| **level > 0);
    let skills = known.map(|(skill, level)| (SkillId::new(&skill_name(skill)).expect("a name"), *level));
    Agent {
        id: agent_id(number),
        groups: vec![group.clone()],
        skills: skills.collect(),
        languages: Vec::new(),
        capacity: SEATS,
    }
}

fn needs(skill: usize) -> Needs {
    Needs::Skill { skill: SkillId::new(&skill_name(skill)).expect("a name"), level: 1 }
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
        steps: vec![Step { needs: needs(skill), agents: Vec::new(), for_s: None }],
    }
}
