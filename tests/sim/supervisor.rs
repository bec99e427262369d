//! The supervisor of the simulated process: the real engine and the real tracking, fed and obeyed as the actor does.

use super::owner::{Errand, Reply, Waits};
use rushdesk::clock::Timestamp;
use rushdesk::conversation::command::{Ask, Command, Grant, Who};
use rushdesk::conversation::event::RequeueReason;
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId, GroupId, OfferId};
use rushdesk::refusal::Code;
use rushdesk::routing::{
    Accept, Agent, Decision, Engine, Group, Input, Match, Refusal as Rejection, Settings,
};
use rushdesk::supervisor::facts::Stickiness;
use rushdesk::supervisor::tracking::{Told, inputs, is_news};
use std::collections::BTreeMap;

pub(crate) const GROUPS: [&str; 2] = ["general", "payment"];
pub(crate) const SEATS: u32 = 1;
const STICKY: Stickiness = Stickiness { hard_for_s: 10, hard_within_ms: 600_000, soft_within_ms: 3_600_000 };

pub(crate) struct Supervisor {
    pub(crate) engine: Engine,
    pub(crate) told: BTreeMap<ConversationId, Told>,
    decisions: Vec<Decision>,
    offers: u128,
}

/// A command of the desk for a conversation, or an agent who missed too many offers.
pub(crate) enum Order {
    Tell(ConversationId, Box<Errand>),
    SetAway(AgentId),
}

impl Supervisor {
    pub(crate) fn new(epoch: u64, agents: &[(AgentId, u32)], now: Timestamp) -> Self {
        let mut engine = Engine::new(Settings::new(group(GROUPS[0])));
        let mut out = Vec::new();
        for (name, accept) in [(GROUPS[0], Accept::Auto), (GROUPS[1], Accept::Manual)] {
            let mut made = Group::new(group(name));
            made.accept = accept;
            made.offer_s = 5;
            engine.step(Input::GroupUpserted(Box::new(made)), now, &mut out).unwrap();
        }
        for (id, capacity) in agents {
            let groups = GROUPS.iter().map(|name| group(name)).collect();
            let agent =
                Agent { id: *id, groups, skills: Vec::new(), languages: Vec::new(), capacity: *capacity };
            engine.step(Input::AgentUpserted(Box::new(agent)), now, &mut out).unwrap();
        }
        Self { engine, told: BTreeMap::new(), decisions: out, offers: u128::from(epoch) << 64 }
    }

    pub(crate) fn step(&mut self, input: Input, now: Timestamp) {
        self.engine.step(input, now, &mut self.decisions).unwrap();
    }

    pub(crate) fn take_in(&mut self, state: &State, requeued: Option<RequeueReason>, now: Timestamp) {
        let before = self.told.get(&state.id);
        if !is_news(before, state) {
            return;
        }
        let news = inputs(before, state, requeued, SEATS, STICKY);
        match Told::of(state, before) {
            Some(told) => self.told.insert(state.id, told),
            None => self.told.remove(&state.id),
        };
        for input in news {
            self.step(input, now);
        }
    }

    pub(crate) fn settled(&mut self, matched: &Match, offer: bool, reply: &Reply, now: Timestamp) {
        let (conversation, agent) = (matched.conversation, matched.agent);
        match reply {
            Reply::Done { .. } if offer => self.step(Input::Confirmed { conversation, agent }, now),
            Reply::Done { .. } => {}
            Reply::Exists(_) => {
                self.step(Input::Refused { conversation, agent, reason: Rejection::Stale }, now);
            }
            Reply::Refused(refusal) => {
                let reason = match refusal.code {
                    Code::AtCapacity => Rejection::AtCapacity,
                    Code::Expired => Rejection::AgentAway,
                    Code::RateLimited | Code::Overloaded | Code::Unavailable => Rejection::Unavailable,
                    _ => Rejection::Stale,
                };
                self.step(Input::Refused { conversation, agent, reason }, now);
            }
        }
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        if self.engine.next_deadline().is_some_and(|due| due <= now) {
            self.step(Input::Tick, now);
        }
    }

    pub(crate) fn orders(&mut self) -> Vec<Order> {
        let decisions = std::mem::take(&mut self.decisions);
        decisions.into_iter().filter_map(|decision| self.order(decision)).collect()
    }

    fn order(&mut self, decision: Decision) -> Option<Order> {
        let (conversation, under, command, waits) = match decision {
            Decision::Assign(matched) => {
                let command = Command::Assign(Grant {
                    agent: matched.agent,
                    agent_name: "agent".into(),
                    seats: matched.seats,
                    head_start_s: 0,
                    reason: matched.reason.to_string().into(),
                });
                let under = Some(matched.assign_seq);
                (matched.conversation, under, command, Waits::Supervisor { matched, offer: None })
            }
            Decision::Offer { offer: matched, expires_at } => {
                self.offers += 1;
                let offer = OfferId::from_u128(self.offers);
                let (agent, seats) = (matched.agent, matched.seats);
                let command = Command::Offer { offer, agent, seats, head_start_s: 0, expires_at };
                let under = Some(matched.assign_seq);
                (matched.conversation, under, command, Waits::Supervisor { matched, offer: Some(offer) })
            }
            Decision::ExpireOffer { conversation, .. } => (
                conversation,
                None,
                self.end_offer(conversation, RequeueReason::OfferExpired)?,
                Waits::Nobody,
            ),
            Decision::WithdrawOffer { conversation, .. } => (
                conversation,
                None,
                self.end_offer(conversation, RequeueReason::OfferWithdrawn)?,
                Waits::Nobody,
            ),
            Decision::Overflow { conversation, assign_seq, to, .. } => {
                (conversation, Some(assign_seq), Command::Overflow { to }, Waits::Nobody)
            }
            Decision::SetAway { agent, .. } => return Some(Order::SetAway(agent)),
        };
        let mut errand = of_the_desk(command, waits);
        errand.ask.under = under;
        Some(Order::Tell(conversation, Box::new(errand)))
    }

    fn end_offer(&self, conversation: ConversationId, reason: RequeueReason) -> Option<Command> {
        let (offer, _) = self.told.get(&conversation)?.offer?;
        Some(Command::EndOffer { offer, reason })
    }
}

pub(crate) fn of_the_desk(command: Command, waits: Waits) -> Errand {
    Errand { ask: Ask { who: Who::System, under: None, command }, client: None, caller: waits }
}

pub(crate) fn group(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}
