//! What the supervisor does by the clock: the sweep that finds what a lost hint left, absences, and rank pushes.

use super::actor::{SupervisorActor, Surroundings};
use super::facts::absent_from;
use super::tracking::{HELD_OR_CALLED_BACK, Told};
use crate::agent::actor::AgentWord;
use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::fanout::hub::Hub;
use crate::ident::{AgentId, ConversationId, GroupId, VisitorId};
use crate::journal::{Answer, Filter, Presence, Query};
use crate::mailbox::Posted;
use crate::routing::Input;
use crate::wire::server::{Eta, Queue, ServerFrame};
use actix::{AsyncContext, Context, Handler};
use hashbrown::HashSet;
use std::collections::BTreeSet;
use std::time::Duration;

/// Conversations that one page of the sweep compares with the store.
const SWEEP_PAGE: u32 = 500;
/// The same while routing knows only a part: fewer journeys, and still no page that holds the thread up for long.
const CATCH_UP_PAGE: u32 = 2_000;
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// Conversations that are looked at one by one after a round, because the store did not list them as routing knows them.
const DOUBTS_PER_ROUND: usize = 1_000;
/// Visitors who are shown their rank in one round; the first in order are the first served.
const PUSHES_PER_GROUP: usize = 2_000;

/// Where the sweep stands: it lists who waits, then who is held or to be called back, then begins again.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    list: List,
    /// A round after the start is read without pauses: until then routing knows only a part.
    caught_up: bool,
    /// The round under way began before routing had more to know: another one follows it at once.
    begin_again: bool,
    under_way: bool,
    /// Known to routing when the round began, and not listed since.
    unseen: HashSet<ConversationId>,
    /// Agents who take work as soon as routing knows everybody: before that they would get whoever was read first and
    /// not whoever is first (RT-3).
    ready: BTreeSet<AgentId>,
}

impl Sweep {
    pub(super) const fn has_caught_up(&self) -> bool {
        self.caught_up
    }

    /// There is more to know than routing was told: the store is read from the start, without pauses.
    pub(super) fn fall_behind(&mut self) {
        self.caught_up = false;
        self.begin_again = self.under_way;
        self.list = List::default();
    }

    const fn page(&self) -> u32 {
        if self.caught_up { SWEEP_PAGE } else { CATCH_UP_PAGE }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Waiting { after: Option<ConversationId> },
    Held { before: Option<ConversationId> },
}

impl Default for List {
    fn default() -> Self {
        Self::Waiting { after: None }
    }
}

/// A page of the store's conversations that concern routing.
pub(super) struct Swept {
    answer: Answer,
    list: List,
    page: u32,
}

/// One conversation that was in doubt, as the store has it.
pub(super) struct Looked(Answer);

impl Handler<Posted<Swept>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Swept>, context: &mut Self::Context) {
        self.sweep.under_way = false;
        let Swept { answer: Answer::States(states), list, page } = posted.message else { return };
        let last = states.last().map(|state| state.id).filter(|_| states.len() >= page as usize);
        let next = match (list, last) {
            _ if self.sweep.begin_again => Some(List::default()),
            (List::Waiting { .. }, Some(_)) => Some(List::Waiting { after: last }),
            (List::Waiting { .. }, None) => Some(List::Held { before: None }),
            (List::Held { .. }, Some(_)) => Some(List::Held { before: last }),
            (List::Held { .. }, None) => None,
        };
        self.sweep.begin_again = false;
        self.sweep.list = next.unwrap_or_default();
        // The store reads the next page while this one is taken in.
        if !self.sweep.caught_up && next.is_some() {
            self.sweep();
        }
        for state in &states {
            self.sweep.unseen.remove(&state.id);
            self.take_in(state, None);
            self.look_at_connection(state.id);
        }
        self.tell_absent_holders(&states);
        if next.is_none() {
            self.end_round();
        }
        self.carry_out(context);
    }
}

impl Handler<Posted<Looked>> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, posted: Posted<Looked>, context: &mut Self::Context) {
        if let Answer::State(Some(state)) = posted.message.0 {
            self.take_in(&state, None);
            self.carry_out(context);
        }
    }
}

impl SupervisorActor {
    pub(super) fn begin_rounds(&mut self, context: &mut Context<Self>) {
        self.sweep();
        context.run_interval(SWEEP_EVERY, |actor, _context| actor.sweep());
        let push_every = Duration::from_millis(self.surroundings.rank_push_ms.max(100));
        context.run_interval(push_every, |actor, context| {
            actor.look_at_absences();
            if actor.sweep.has_caught_up() {
                actor.push_ranks();
            }
            actor.carry_out(context);
        });
    }

    /// Asks the store for the next page of those who wait or are held.
    fn sweep(&mut self) {
        let Some(own) = self.own.upgrade().filter(|_| !self.sweep.under_way) else { return };
        let page = self.sweep.page();
        if self.sweep.list == List::default() {
            self.sweep.unseen = self.told.keys().copied().collect();
        }
        let list = self.sweep.list;
        let query = match list {
            List::Waiting { after } => Query::Waiting { after, limit: page },
            List::Held { before } => {
                let filter = Box::new(Filter { phases: HELD_OR_CALLED_BACK.to_vec(), ..Filter::default() });
                Query::Conversations { filter, before, limit: page }
            }
        };
        let answer = Box::new(move |answer| {
            if own.answer(Swept { answer, list, page }).is_err() {
                tracing::debug!("the supervisor was gone when its sweep was read");
            }
        });
        self.sweep.under_way = self.surroundings.journal.ask(query, answer).is_ok();
    }

    /// Whoever routing knows and the store did not list is looked at by itself: a hint was lost, or it moved meanwhile.
    fn end_round(&mut self) {
        self.catch_up();
        for conversation in std::mem::take(&mut self.sweep.unseen).into_iter().take(DOUBTS_PER_ROUND) {
            let Some(own) = self.own.upgrade().filter(|_| self.told.contains_key(&conversation)) else {
                continue;
            };
            let answer = Box::new(move |answer| {
                if own.answer(Looked(answer)).is_err() {
                    tracing::debug!("the supervisor was gone when a doubt was settled");
                }
            });
            if self.surroundings.journal.ask(Query::State(conversation), answer).is_err() {
                return;
            }
        }
    }

    fn catch_up(&mut self) {
        if !std::mem::replace(&mut self.sweep.caught_up, true) {
            tracing::info!(domain = %self.domain, known = self.told.len(), "routing knows who waits and who is held");
        }
        for agent in std::mem::take(&mut self.sweep.ready) {
            self.step(Input::AgentAvailable { agent, available: true });
        }
    }

    /// An agent takes work, at once or as soon as routing knows whom they should take first; or takes none.
    pub(super) fn note_availability(&mut self, agent: AgentId, available: bool) {
        if available && !self.sweep.caught_up {
            self.sweep.ready.insert(agent);
            return;
        }
        self.sweep.ready.remove(&agent);
        self.step(Input::AgentAvailable { agent, available });
    }

    /// Agents who hold something and are not there give it back in time; that they hold it may have escaped them.
    fn tell_absent_holders(&self, states: &[State]) {
        let Surroundings { agents, hub, .. } = &*self.surroundings;
        let is_absent = |agent: AgentId| {
            !hub.is_agent_connected(agent)
                || agents.seats(agent).is_some_and(|seats| seats.presence == Presence::Offline)
        };
        let own = states.iter().filter(|state| *self.directory.domain_of_state(state) == self.domain);
        let held = own.filter(|state| state.phase.is_assigned());
        let absent: HashSet<AgentId> =
            held.filter_map(|state| state.assignee).filter(|agent| is_absent(*agent)).collect();
        for agent in absent {
            if agents.tell(agent, AgentWord::Holding).is_err() {
                tracing::debug!(?agent, "an agent has too much under way; the next round tells them");
            }
        }
    }

    /// Keeps the index of waiting conversations by visitor, and watches those that arrive without a connection.
    pub(super) fn note_visitor(
        &mut self,
        conversation: ConversationId,
        before: Option<&Told>,
        after: Option<&Told>,
    ) {
        let waited = before.is_some_and(|told| told.waiting);
        let waiting = after.is_some_and(|told| told.waiting);
        let Some(visitor) = after.or(before).and_then(|told| told.visitor.clone()) else { return };
        if waited && !waiting {
            if let Some(own) = self.waiting_of.get_mut(&visitor) {
                own.retain(|id| *id != conversation);
                if own.is_empty() {
                    self.waiting_of.remove(&visitor);
                }
            }
        } else if waiting && !waited {
            self.waiting_of.entry(visitor.clone()).or_default().push(conversation);
            self.watch_absence(&visitor, conversation, after);
        }
    }

    fn watch_absence(&mut self, visitor: &VisitorId, conversation: ConversationId, told: Option<&Told>) {
        let group = told.and_then(|told| told.group.as_ref());
        if let Some(absent) = self.absent(visitor, group) {
            self.absences.at(absent.max(self.surroundings.clock.now()), conversation);
        }
    }

    /// From when on a visitor without a connection counts as absent; `None` while there is one.
    fn absent(&self, visitor: &VisitorId, group: Option<&GroupId>) -> Option<Timestamp> {
        let surroundings = &self.surroundings;
        let since = surroundings.hub.visitor_gone_since(visitor, surroundings.node_start)?;
        Some(absent_from(since, self.directory.abandon_ms_of(group)))
    }

    pub(super) fn visitor_connection(&mut self, visitor: &VisitorId, connected: bool) {
        for conversation in self.waiting_of.get(visitor).cloned().unwrap_or_default() {
            let Some(told) = self.told.get_mut(&conversation) else { continue };
            if connected && told.suspended {
                told.suspended = false;
                self.step(Input::Resumed { conversation });
            } else if !connected {
                let told = told.clone();
                self.watch_absence(visitor, conversation, Some(&told));
            }
        }
    }

    /// Hints of comings and goings may be lost; the hub knows.
    fn look_at_connection(&mut self, conversation: ConversationId) {
        let Some(told) = self.told.get(&conversation).filter(|told| told.waiting) else { return };
        let Some(visitor) = told.visitor.clone() else { return };
        let surroundings = &self.surroundings;
        let connected = surroundings.hub.visitor_gone_since(&visitor, surroundings.node_start).is_none();
        if connected == told.suspended {
            self.visitor_connection(&visitor, connected);
        }
    }

    fn look_at_absences(&mut self) {
        let now = self.surroundings.clock.now();
        for conversation in self.absences.due(now) {
            let Some(told) = self.told.get(&conversation) else { continue };
            let Some(visitor) =
                told.visitor.as_ref().filter(|_| told.waiting && !told.call_back && !told.suspended)
            else {
                continue;
            };
            match self.absent(visitor, told.group.as_ref()) {
                Some(from) if from <= now => {
                    if let Some(told) = self.told.get_mut(&conversation) {
                        told.suspended = true;
                    }
                    self.step(Input::Suspended { conversation });
                }
                // Back, and gone again since the moment was set.
                Some(later) => self.absences.at(later, conversation),
                None => {}
            }
        }
    }

    /// Shows ranks that have changed to the visitors who are connected.
    fn push_ranks(&mut self) {
        let now = self.surroundings.clock.now();
        let own = self.directory.groups.iter().filter(|(_, group)| group.domain == self.domain);
        let groups: Vec<_> = own.map(|(group, _)| group.clone()).collect();
        for group in groups {
            let generation = self.engine.generation(&group);
            if generation == self.pushed.get(&group).copied() {
                continue;
            }
            for row in self.engine.queue_page(&group, 0, PUSHES_PER_GROUP, now).unwrap_or_default() {
                let Some(told) = self.told.get_mut(&row.conversation) else { continue };
                if told.shown_rank == row.standing.rank {
                    continue;
                }
                let Some(visitor) = &told.visitor else { continue };
                let first = told.shown_rank == 0;
                told.shown_rank = row.standing.rank;
                push_rank(&self.surroundings.hub, visitor, row.conversation, &row.standing);
                // The first p90 that the visitor was shown is the promise that calibration counts.
                if let Some(eta) = row.standing.eta.filter(|_| first) {
                    let served_by = now.plus_millis(eta.p90_ms);
                    self.step(Input::Promised { conversation: row.conversation, served_by });
                }
            }
            if let Some(generation) = generation {
                self.pushed.insert(group, generation);
            }
        }
    }
}

fn push_rank(
    hub: &Hub,
    visitor: &VisitorId,
    conversation: ConversationId,
    standing: &crate::routing::QueueStanding,
) {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let frame = Queue {
        conversation,
        rank: count(standing.rank),
        waiting: count(standing.waiting),
        eta_s: standing
            .eta
            .map(|eta| Eta { p50: eta.p50_ms.div_ceil(1_000), p90: eta.p90_ms.div_ceil(1_000) }),
    };
    hub.to_visitor(visitor, &ServerFrame::Queue(frame).encode());
}
