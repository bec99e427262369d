//! How each event changes a conversation: the only way in which a `State` changes.
//!
//! Pure and total: an event that was committed is a fact, so nothing is refused here. What may become an event is
//! judged before, by `decide` (the owner's view) and by `journal::ledger` (in the transaction).

use super::content::Content;
use super::event::{Author, Closing, Event, Opening, TransferTarget, View};
use super::state::{OpenOffer, Phase, State};
use crate::clock::Timestamp;
use crate::ident::AgentId;
use crate::planted::{Bug, is_planted};

/// How many agents who declined are remembered for one wait.
const DECLINED_REMEMBERED: usize = 8;

impl State {
    /// Folds the next entry into the state; its position is `self.head + 1`.
    pub fn apply(&mut self, at: Timestamp, author: &Author, event: &Event) {
        self.head += 1;
        if event.visible_to(View::Visitor) {
            self.visitor_head = self.head;
        }
        match event {
            Event::Opened(opening) => self.open(at, opening),
            Event::Message(content) => self.say(at, author, content),
            Event::Queued { group } => {
                self.group = Some(group.clone());
                self.call_back = false;
                self.wait(at, Phase::Queued);
            }
            Event::MessageLeft { group, .. } => self.leave_message(at, group),
            Event::Offered { offer, agent, expires_at, seats, head_start_s } => {
                self.head_start_s = *head_start_s;
                self.phase = Phase::Offered;
                self.seats = *seats;
                self.offer = Some(OpenOffer { offer: *offer, agent: *agent, expires_at: *expires_at });
            }
            Event::Assigned { agent, group, assign_seq, seats, head_start_s, .. } => {
                self.head_start_s = *head_start_s;
                self.stop_waiting(at);
                self.phase = Phase::Active;
                self.offer = None;
                self.group = Some(group.clone());
                self.assignee = Some(*agent);
                self.last_agent = Some(*agent);
                self.wanted_agent = None;
                self.assign_seq = *assign_seq;
                self.seats = *seats;
                self.declined.clear();
            }
            Event::Transferred { to, group, assign_seq, .. } => {
                self.give_back(*assign_seq);
                self.group = Some(group.clone());
                self.wanted_agent = match to {
                    TransferTarget::Agent(agent) => Some(*agent),
                    TransferTarget::Group(_) => None,
                };
                self.wait(at, self.waiting_phase());
            }
            Event::Requeued { agent, group, assign_seq, .. } => self.requeue(at, *agent, group, *assign_seq),
            Event::BotJoined => self.phase = Phase::Bot,
            Event::BotLeft | Event::Escalated { .. } | Event::Recalled { .. } => {}
            Event::IdleReminder { .. } => self.reminded = true,
            Event::WrapUp { ends_at, closing } => {
                self.phase = Phase::WrapUp;
                self.wrap_up_ends_at = Some(*ends_at);
                self.closing = (*closing != Closing::default()).then(|| Box::new(closing.clone()));
            }
            Event::Rated { .. } => self.rated = true,
            Event::Closed { .. } => {
                self.stop_waiting(at);
                self.phase = Phase::Closed;
                self.offer = None;
                self.seats = 0;
                self.forget_wrap_up();
                self.unanswered_since = None;
                self.call_back = false;
                self.closed_at = Some(at);
            }
            Event::Reopened => self.reopen(at),
        }
    }

    fn open(&mut self, at: Timestamp, opening: &Opening) {
        self.shop = opening.shop.clone();
        self.channel = opening.channel.clone();
        self.visitor = Some(opening.visitor.clone());
        self.visitor_name.clone_from(&opening.visitor_name);
        self.locale.clone_from(&opening.locale);
        self.subject.clone_from(&opening.subject);
        self.intent.clone_from(&opening.intent);
        self.tier.clone_from(&opening.tier);
        self.attributes.clone_from(&opening.attributes);
        self.opened_at = at;
        self.last_visitor_at = at;
    }

    fn say(&mut self, at: Timestamp, author: &Author, content: &Content) {
        match author {
            Author::Visitor { .. } => {
                self.last_visitor_at = at;
                self.reminded = false;
                self.unanswered_since.get_or_insert(at);
                if matches!(self.phase, Phase::WaitingVisitor | Phase::WrapUp) {
                    self.phase = Phase::Active;
                    self.forget_wrap_up();
                }
            }
            Author::Agent { .. } if !content.is_note() => {
                self.last_agent_at = Some(at);
                self.unanswered_since = None;
                self.served = true;
                self.reminded = false;
                self.call_back &= !self.phase.is_assigned();
                if self.phase == Phase::Active {
                    self.phase = Phase::WaitingVisitor;
                }
            }
            Author::Bot => self.unanswered_since = None,
            Author::Agent { .. } | Author::System => {}
        }
    }

    fn requeue(
        &mut self,
        at: Timestamp,
        agent: Option<AgentId>,
        group: &crate::ident::GroupId,
        assign_seq: u64,
    ) {
        let was_offered = self.phase == Phase::Offered;
        if was_offered {
            self.offer = None;
            self.seats = 0;
            self.phase = self.waiting_phase();
        } else if self.phase.is_assigned() {
            self.give_back(assign_seq);
            self.wait(at, self.waiting_phase());
        }
        self.assign_seq = assign_seq;
        self.group = Some(group.clone());
        if let Some(agent) = agent {
            self.remember_declined(agent);
        }
    }

    fn reopen(&mut self, at: Timestamp) {
        if self.assignee.take().is_some() {
            self.assign_seq += 1;
        }
        self.wanted_agent = self.last_agent;
        self.declined.clear();
        self.closed_at = None;
        self.rated = false;
        self.served = false;
        self.reminded = false;
        self.waited_before_ms = 0;
        self.last_visitor_at = at;
    }

    /// An open offer stands; what is left then counts when the offer ends without an assignment.
    fn leave_message(&mut self, at: Timestamp, group: &crate::ident::GroupId) {
        self.call_back = true;
        if self.phase == Phase::Offered {
            return;
        }
        self.group = Some(group.clone());
        let since = self.enqueued_at.unwrap_or(at);
        self.wait(since, Phase::MessageLeft);
    }

    /// Where it waits when an offer or an assignment ends: a message that was left is not lost by an absent visitor.
    const fn waiting_phase(&self) -> Phase {
        if self.call_back { Phase::MessageLeft } else { Phase::Queued }
    }

    fn give_back(&mut self, assign_seq: u64) {
        if let Some(agent) = self.assignee.take() {
            self.remember_declined(agent);
        }
        self.offer = None;
        self.seats = 0;
        self.forget_wrap_up();
        self.assign_seq = assign_seq;
    }

    fn forget_wrap_up(&mut self) {
        self.wrap_up_ends_at = None;
        self.closing = None;
    }

    fn wait(&mut self, since: Timestamp, phase: Phase) {
        self.stop_waiting(since);
        self.phase = phase;
        self.enqueued_at = Some(since);
    }

    fn stop_waiting(&mut self, at: Timestamp) {
        if let Some(since) = self.enqueued_at.take()
            && !is_planted(Bug::WaitedForgotten)
        {
            self.waited_before_ms += at.since_millis(since);
        }
    }

    fn remember_declined(&mut self, agent: AgentId) {
        if !self.declined.contains(&agent) {
            if self.declined.len() == DECLINED_REMEMBERED {
                self.declined.remove(0);
            }
            self.declined.push(agent);
        }
    }
}
