//! Routing and the agents' states on the node that owns their slot: rebuilt from the store wherever that slot comes to.

use super::node::Question;
use super::world::Cluster;
use crate::owner::Waits;
use crate::supervisor::{Order, Supervisor, of_the_desk};
use crate::world::{CLERKS, VISITORS, agent_id};
use rushdesk::agent::state::{AgentState, Consequence, Lost};
use rushdesk::clock::Timestamp;
use rushdesk::cluster::placement::Whose;
use rushdesk::conversation::command::Command;
use rushdesk::conversation::event::RequeueReason;
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId, DomainId};
use rushdesk::journal::{AgentChange, Answer, Done, Filter, Op, Presence, Query};
use rushdesk::routing::Input;
use rushdesk::supervisor::tracking::HELD_OR_CALLED_BACK;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const ROUND_MS: u64 = 250;
const SWEEP_MS: u64 = 1_000;
const GRACE_MS: u64 = 5_000;
const PAGE: u32 = 500;

pub(crate) struct Desk {
    pub(crate) supervisor: Supervisor,
    pub(crate) agents: BTreeMap<AgentId, AgentState>,
    swept_at: Timestamp,
}

impl Cluster {
    fn desk(&mut self, n: usize) -> Option<&mut Desk> {
        self.seats[n].node.as_mut()?.desk.as_mut()
    }

    /// Where routing lives, as the node there believes.
    pub(crate) fn routes_at(&self) -> Option<usize> {
        self.seats.iter().position(|seat| seat.node.as_ref().is_some_and(|node| node.desk.is_some()))
    }

    pub(crate) fn routing(&mut self, n: usize) {
        let (now, own) = (self.now, self.node_now(n));
        let Some(node) = self.seats[n].node.as_mut().filter(|node| now >= node.due.desk) else { return };
        node.due.desk = now.plus_millis(ROUND_MS);
        if !matches!(node.placement.of_supervisor(&DomainId::default_domain()), Whose::Here(_)) {
            node.desk = None;
            return;
        }
        if node.desk.is_none() {
            let Some(Answer::Agents(rows)) = self.read(n, Query::Agents) else { return };
            let seats: Vec<(AgentId, u32)> = rows.iter().map(|row| (row.agent, row.capacity)).collect();
            let supervisor = Supervisor::new(self.number(), &seats, own);
            let agents = rows.iter().map(|row| (row.agent, AgentState::stored(row.presence, own))).collect();
            if let Some(node) = self.seats[n].node.as_mut() {
                node.desk = Some(Desk { supervisor, agents, swept_at: Timestamp::default() });
            }
        }
        for clerk in 0..CLERKS {
            let connected = self.is_welcomed(VISITORS + clerk);
            self.agent(n, agent_id(clerk), |state, now| state.seen(connected, now));
            self.agent(n, agent_id(clerk), |state, now| state.tick(GRACE_MS, now));
        }
        self.sweeps(n);
        if let Some(desk) = self.desk(n) {
            desk.supervisor.tick(own);
        }
        self.obeys(n);
    }

    /// Lists who waits and who is held, and looks at whoever routing knows beyond them.
    fn sweeps(&mut self, n: usize) {
        let (now, own) = (self.now, self.node_now(n));
        let Some(desk) = self.desk(n).filter(|desk| now.since_millis(desk.swept_at) >= SWEEP_MS) else {
            return;
        };
        desk.swept_at = now;
        let filter = Box::new(Filter { phases: HELD_OR_CALLED_BACK.to_vec(), ..Filter::default() });
        let mut news: Vec<State> = Vec::new();
        for query in [
            Query::Waiting { after: None, limit: PAGE },
            Query::Conversations { filter, before: None, limit: PAGE },
        ] {
            let Some(Answer::States(states)) = self.read(n, query) else { return };
            news.extend(states);
        }
        let Some(desk) = self.desk(n) else { return };
        let mut unseen: BTreeSet<ConversationId> = desk.supervisor.told.keys().copied().collect();
        news.iter().for_each(|state| _ = unseen.remove(&state.id));
        for conversation in unseen {
            if let Some(Answer::State(Some(state))) = self.read(n, Query::State(conversation)) {
                news.push(*state);
            }
        }
        let Some(desk) = self.desk(n) else { return };
        news.iter().for_each(|state| desk.supervisor.take_in(state, None, own));
    }

    /// Routing hears of a change where it is here.
    pub(crate) fn hears_of(&mut self, n: usize, state: &State, requeued: Option<RequeueReason>) {
        let own = self.node_now(n);
        if let Some(desk) = self.desk(n) {
            desk.supervisor.take_in(state, requeued, own);
            self.obeys(n);
        }
    }

    fn obeys(&mut self, n: usize) {
        let orders = self.desk(n).map(|desk| desk.supervisor.orders()).unwrap_or_default();
        for order in orders {
            match order {
                Order::Tell(conversation, errand) => {
                    self.deliver(n, Question { conversation, fresh: false, errand: *errand });
                }
                Order::SetAway(agent) => {
                    self.agent(n, agent, |state, _| state.wants(Presence::Away, false, false));
                }
            }
        }
    }

    /// Something happens to an agent, and what follows from it.
    pub(crate) fn agent(
        &mut self,
        n: usize,
        agent: AgentId,
        act: impl FnOnce(&mut AgentState, Timestamp) -> Vec<Consequence>,
    ) {
        let own = self.node_now(n);
        let Some(state) = self.desk(n).and_then(|desk| desk.agents.get_mut(&agent)) else { return };
        let mut consequences = VecDeque::from(act(state, own));
        while let Some(consequence) = consequences.pop_front() {
            match consequence {
                Consequence::TellRouting { available } => {
                    if let Some(desk) = self.desk(n) {
                        desk.supervisor.step(Input::AgentAvailable { agent, available }, own);
                    }
                }
                Consequence::GiveBack(lost) => self.give_back(n, agent, lost),
                Consequence::Commit(presence) => {
                    let change = AgentChange::Presence { presence, reason: "agent".into() };
                    let op = Op::Agent { agent, change };
                    let done = self.may_write(n).then(|| self.commit(&op, None));
                    let state = self.desk(n).and_then(|desk| desk.agents.get_mut(&agent));
                    if let (Some(Done::Agent(_)), Some(state)) = (done, state) {
                        consequences.extend(state.committed(presence));
                    }
                }
            }
        }
    }

    fn give_back(&mut self, n: usize, agent: AgentId, lost: Lost) {
        let reason = match lost {
            Lost::Connection => RequeueReason::AgentLost,
            Lost::Offline => RequeueReason::AgentOffline,
        };
        let Some(Answer::States(held)) = self.read(n, Query::HeldBy(agent)) else { return };
        for state in held {
            let command = match &state.offer {
                Some(open) => Command::EndOffer { offer: open.offer, reason: RequeueReason::OfferWithdrawn },
                None => Command::Requeue { agent, reason },
            };
            let errand = of_the_desk(command, Waits::Nobody);
            self.deliver(n, Question { conversation: state.id, fresh: false, errand });
        }
    }
}
