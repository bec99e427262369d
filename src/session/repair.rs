//! What a connection does about things that were lost on their way from another node: entries by comparing with the
//! store's heads, an agent's work and a visitor's states by asking what is so.
//!
//! On a desk of one node nothing is lost and nothing of this is asked; only a gap in the flow is filled wherever it shows.
//! Refuses to say that anything was repaired: the client hears what it had to hear.

use super::actor::{SessionActor, Stage, states};
use super::heads::{HandedIn, JOIN_WITHIN_MS, MOST_TOGETHER};
use super::lobby::{Question, Told};
use super::pull::{Pull, Purpose};
use super::told::Untold;
use crate::conversation::event::View;
use crate::conversation::state::{Phase, State};
use crate::desk::person::Person;
use crate::fanout::announce;
use crate::ident::{ConversationId, Seq};
use crate::journal::{Answer, Query};
use crate::refusal::Refusal;
use crate::wire::Text;
use crate::wire::node::News;
use crate::wire::server::{Reset, ResetReason, ServerFrame, StateFrame, Unassigned};
use actix::AsyncContext;
use actix_web_actors::ws::WebsocketContext;
use std::sync::atomic::Ordering;
use std::time::Duration;

type Context = WebsocketContext<SessionActor>;

/// How often a connection compares what flowed to it with the store.
const COMPARE_EVERY: Duration = Duration::from_secs(25);
/// After this the other nodes know of a connection or a watcher that is new; what was said before did not reach it.
const KNOWN_ELSEWHERE: Duration = Duration::from_secs(1);

impl SessionActor {
    /// Begins the rounds, where there are other nodes. Connections begin at different times, and so do their rounds.
    pub(super) fn begin_comparing(&mut self, context: &mut Context) {
        if self.lobby.desk.hub.has_others() {
            // An agent's work may have changed as well; a visitor hears of theirs by entries.
            if matches!(self.person, Some(Person::Agent(_))) {
                context.run_later(KNOWN_ELSEWHERE, Self::look_again);
            } else {
                self.compare_soon(context);
            }
            context.run_interval(COMPARE_EVERY, Self::ask_what_flowed);
        }
    }

    pub(super) fn compare_soon(&self, context: &mut Context) {
        if self.lobby.desk.hub.has_others() {
            context.run_later(KNOWN_ELSEWHERE, Self::ask_what_flowed);
        }
    }

    fn ask_what_flowed(&mut self, context: &mut Context) {
        let conversations: Vec<_> = self.splice.flowing().take(MOST_TOGETHER).collect();
        if self.stage != Stage::Live || conversations.is_empty() {
            return;
        }
        let (lobby, address) = (&self.lobby, context.address());
        let tell = Box::new(move |answer| {
            if let Err(error) = address.try_send(Told { answer, about: Question::Compare }) {
                tracing::debug!(%error, "a connection was gone when its heads were read");
            }
        });
        match lobby.heads.hand_in(conversations, tell, lobby.desk.clock.now()) {
            HandedIn::Joined => {}
            HandedIn::Due => lobby.heads.ask(&lobby.desk),
            HandedIn::First => {
                let lobby = lobby.clone();
                context.run_later(Duration::from_millis(JOIN_WITHIN_MS), move |_session, _context| {
                    lobby.heads.ask(&lobby.desk);
                });
            }
        }
    }

    /// The store's heads of what flows here: what is behind is pulled, what is beyond was taken back by another history.
    pub(super) fn compare(&mut self, answer: Result<Answer, Refusal>, context: &mut Context) {
        let (true, Ok(Answer::Heads(heads))) = (self.hears_what_came(context), answer) else { return };
        let view = self.view();
        let suspected = std::mem::take(&mut self.beyond);
        for head in heads {
            let last = if view == View::Visitor { head.visitor_head } else { head.head };
            let id = head.conversation;
            if let Some(after) = self.splice.behind(id, last) {
                self.pull_lost(id, after, context);
            } else if suspected.get(&id).is_some_and(|upto| *upto > head.head) {
                self.splice.live_from(id, head.head);
                let reset = Reset { conversation: id, head: last, reason: ResetReason::Rewritten };
                self.tell_again(&ServerFrame::Reset(reset), context);
            } else if let Some(upto) = self.splice.beyond(id, head.head) {
                // The entry may have come while the question was under way: a second one settles it.
                self.beyond.insert(id, upto);
            } else if !head.live {
                self.splice.begin_anew(id);
            }
        }
        if !self.beyond.is_empty() {
            self.ask_what_flowed(context);
        }
        self.next_pull(context);
    }

    /// An entry came whose predecessors did not.
    pub(super) fn fill(&mut self, conversation: ConversationId, after: Seq, context: &mut Context) {
        self.pull_lost(conversation, after, context);
        self.next_pull(context);
    }

    fn pull_lost(&mut self, conversation: ConversationId, after: Seq, context: &mut Context) {
        let pull = Pull {
            re: "".into(),
            conversation,
            view: self.view(),
            after,
            scanned: after,
            left: self.lobby.limits.wire.fetch_most,
            purpose: Purpose::Repair,
            opened: false,
        };
        self.line_up(pull, context);
    }

    /// Whether entries of this conversation are for this connection, which may read many others.
    pub(super) fn flows_here(&self, state: &State) -> bool {
        match &self.person {
            Some(Person::Agent(agent)) => {
                state.assignee == Some(agent.id) || self.watching.contains(&state.id)
            }
            Some(Person::Visitor(_)) => true,
            None => false,
        }
    }

    /// Where entries were lost, a frame with the state may have been lost too. One that was read before a newer entry came
    /// by is not shown.
    pub(super) fn show_state(&mut self, pull: &Pull, state: &State, context: &mut Context) {
        if pull.purpose == Purpose::Repair && self.splice.is_at(state.id, state.head_for(pull.view)) {
            self.tell_again(&ServerFrame::State(self.state_as_seen(state)), context);
            self.tell_ended(state.id, Some(state), context);
        }
    }

    fn state_as_seen(&self, state: &State) -> StateFrame {
        match self.view() {
            View::Visitor => announce::state_for_visitor(state),
            View::Desk => announce::state_frame(state),
        }
    }

    fn tell_again(&self, frame: &ServerFrame<'_>, context: &mut Context) {
        self.lobby.desk.hub.meters.frames_repaired.fetch_add(1, Ordering::Relaxed);
        self.write(context, frame.encode());
    }

    pub(super) fn count_repaired(&self) {
        self.lobby.desk.hub.meters.entries_repaired.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn take_note(&mut self, news: News) {
        self.work.note(news);
        if let News::Assigned { conversation, .. } | News::Unassigned { conversation } = news
            && !self.watching.contains(&conversation)
        {
            self.splice.begin_anew(conversation);
        }
    }

    /// Asks the store at some moment within this time; sessions choose different ones.
    pub(super) fn look_again_within(&mut self, within_ms: u64, context: &mut Context) {
        if self.looks_soon {
            return;
        }
        self.looks_soon = true;
        // The low half of a UUIDv7 is chance.
        let (_, chance) = self.id.uuid().as_u64_pair();
        let after = Duration::from_millis(chance % within_ms.max(1));
        context.run_later(after, |session, context| {
            session.looks_soon = false;
            session.look_again(context);
        });
    }

    fn look_again(&mut self, context: &mut Context) {
        if self.stage != Stage::Live {
            return;
        }
        let version = self.work.version();
        let query = match &self.person {
            Some(Person::Visitor(visitor)) => {
                Query::LiveOf { shop: visitor.shop.clone(), visitor: visitor.id.clone() }
            }
            Some(Person::Agent(agent)) => Query::HeldBy(agent.id),
            None => return,
        };
        self.ask(query, Question::Look { version }, context);
        self.ask_what_flowed(context);
    }

    /// Writes what the outbox has gathered, which is older than the answer at hand. Returns false where that was the end.
    fn hears_what_came(&mut self, context: &mut Context) -> bool {
        self.write_gathered(context);
        self.stage == Stage::Live
    }

    /// What is so, against what this connection was told.
    pub(super) fn looked(&mut self, version: u64, answer: Result<Answer, Refusal>, context: &mut Context) {
        let (true, Ok(live)) = (self.hears_what_came(context), states(answer)) else { return };
        let Some(Person::Agent(agent)) = self.person.clone() else {
            return self.look_at_states(&live, context);
        };
        if version != self.work.version() {
            // The answer is older than what was told meanwhile.
            return self.look_again_within(KNOWN_ELSEWHERE.as_secs() * 1_000, context);
        }
        for untold in self.work.untold(agent.id, &live) {
            self.tell_untold(&untold, context);
        }
    }

    fn look_at_states(&mut self, live: &[State], context: &mut Context) {
        let seen = std::mem::take(&mut self.seen);
        self.seen = live.iter().map(|state| (state.id, state.head)).collect();
        for state in live {
            let head = state.head_for(View::Visitor);
            let is_news = seen.get(&state.id) != Some(&state.head);
            if !self.splice.knows(state.id) {
                // It was opened on another connection, and nothing of it has come here.
                self.splice.pull(state.id);
                self.pull_lost(state.id, 0, context);
            } else if let Some(after) = self.splice.behind(state.id, head) {
                self.pull_lost(state.id, after, context);
            } else if is_news && self.splice.is_at(state.id, head) {
                self.tell_again(&ServerFrame::State(announce::state_for_visitor(state)), context);
            }
        }
        self.next_pull(context);
    }

    fn tell_untold(&mut self, untold: &Untold<'_>, context: &mut Context) {
        let now = self.lobby.desk.clock.now();
        match *untold {
            Untold::Assigned(state) => {
                if let Some(assigned) = announce::assigned(state, now) {
                    self.take_note(News::Assigned { conversation: state.id, assign_seq: state.assign_seq });
                    if !self.splice.knows(state.id) {
                        // An agent fetches the history of what is newly theirs.
                        self.splice.live_from(state.id, state.head);
                    }
                    self.tell_again(&ServerFrame::Assigned(assigned), context);
                    self.tell_again(&ServerFrame::State(announce::state_frame(state)), context);
                }
            }
            Untold::Offered(state) => {
                if let Some(open) = &state.offer
                    && let Some(offer) = announce::offer(state, open, now)
                {
                    self.take_note(News::Offered { offer: open.offer, conversation: state.id });
                    self.tell_again(&ServerFrame::Offer(offer), context);
                }
            }
            Untold::Withdrawn(offer) => {
                self.take_note(News::Withdrawn { offer });
                self.tell_again(&announce::withdrawn(offer, "withdrawn"), context);
            }
            Untold::Unassigned(conversation) => {
                self.ask(Query::State(conversation), Question::Ended(conversation), context);
            }
        }
    }

    /// A conversation that an agent was told is theirs is not, as the store has it.
    pub(super) fn ended(
        &mut self,
        conversation: ConversationId,
        answer: Result<Answer, Refusal>,
        context: &mut Context,
    ) {
        if let (true, Ok(Answer::State(state))) = (self.hears_what_came(context), answer) {
            self.tell_ended(conversation, state.as_deref(), context);
        }
    }

    /// Tells an agent that this conversation is not theirs, where they were told that it is and it is not.
    pub(super) fn tell_ended(
        &mut self,
        conversation: ConversationId,
        state: Option<&State>,
        context: &mut Context,
    ) {
        let Some(Person::Agent(agent)) = &self.person else { return };
        let agent = agent.id;
        let reason = match state {
            Some(state) if state.seat_hold().is_some_and(|hold| hold.agent == agent) => return,
            None => "closed",
            Some(state) if state.phase == Phase::Closed => "closed",
            Some(state) if state.phase.is_assigned() => "transferred",
            Some(_) => "released",
        };
        if self.work.holds(conversation) {
            self.take_note(News::Unassigned { conversation });
            let unassigned = Unassigned { conversation, reason: Text::from(reason) };
            self.tell_again(&ServerFrame::Unassigned(unassigned), context);
        }
    }
}
