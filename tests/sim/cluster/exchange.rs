//! The ways between nodes, as the desk's exchange goes them: a command to its owner, an answer back, a guest in the place
//! of an owner that is silent, and what an owner says to everybody.

use super::agenda::Happens;
use super::bus::Item;
use super::node::Question;
use super::world::Cluster;
use crate::owner::{Effect, Errand, Owners, Reply, Waits};
use crate::world::WIRE_MS;
use rushdesk::clock::Timestamp;
use rushdesk::cluster::exchange::under_way::{ANSWER_WITHIN_MS, Due};
use rushdesk::cluster::placement::Whose;
use rushdesk::conversation::command::Command;
use rushdesk::conversation::event::{Entry, Event, RequeueReason};
use rushdesk::ident::{AgentId, ConversationId, DomainId, NodeId};
use rushdesk::journal::{Answer, Query};
use rushdesk::planted::{Bug, is_planted};
use rushdesk::refusal::Refusal;

const READING_PAUSE_MS: u64 = 250;

impl Cluster {
    /// Delivers a command, here or elsewhere.
    pub(crate) fn deliver(&mut self, n: usize, question: Question) {
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let conversation = question.conversation;
        let is_free = !node.under_way.has_lane(conversation) && node.guests.is_idle(conversation);
        match node.placement.of_conversation(conversation) {
            Whose::Here(_) if is_free => self.deliver_here(n, question),
            Whose::Here(_) | Whose::There(_) | Whose::Nobody => {
                let request = node.under_way.number();
                let now = self.node_now(n);
                self.ask_owner(n, request, question, now);
            }
        }
    }

    fn deliver_here(&mut self, n: usize, question: Question) {
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let Whose::Here(epoch) = node.placement.of_conversation(question.conversation) else { return };
        node.owners.epoch = epoch;
        self.hand_to(n, false, question);
    }

    fn hand_to(&mut self, n: usize, guest: bool, question: Question) {
        let Question { conversation, fresh, errand } = question;
        if is_planted(Bug::CapacityOutside) && self.is_full(&errand.ask.command) {
            let refusal = Refusal::at_capacity("all seats are taken");
            return self.answer(n, conversation, errand.caller, Reply::Refused(refusal));
        }
        self.with_owners(n, guest, |owners, now, out| owners.deliver(conversation, fresh, errand, now, out));
    }

    /// The planted mistake: seats are looked at before the transaction.
    fn is_full(&self, command: &Command) -> bool {
        let (agent, seats) = match command {
            Command::Assign(grant) => (grant.agent, grant.seats),
            Command::Offer { agent, seats, .. } => (*agent, *seats),
            _ => return false,
        };
        let Answer::Agents(rows) = self.store.ask(Query::Agents, self.now) else { return false };
        rows.iter().any(|row| row.agent == agent && row.load + seats > row.capacity)
    }

    fn ask_owner(&mut self, n: usize, request: u64, question: Question, since: Timestamp) {
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let lane = Some(question.conversation);
        let is_next = |to: Option<&NodeId>| node.under_way.is_next(request, lane, to);
        if !node.guests.is_idle(question.conversation) {
            if is_next(None) {
                return self.take_over(n, question);
            }
            return self.keep(n, request, question, None, since);
        }
        match node.placement.of_conversation(question.conversation) {
            Whose::Here(_) if is_next(None) => self.deliver_here(n, question),
            Whose::There(to) => {
                let can_ask = node.wire.carries && !node.under_way.is_silent(&to);
                if !can_ask && is_next(None) {
                    self.take_over(n, question);
                } else if can_ask && is_next(Some(&to)) {
                    self.ask_of(n, &to, request, question, since);
                } else {
                    self.keep(n, request, question, None, since);
                }
            }
            Whose::Here(_) | Whose::Nobody => self.keep(n, request, question, None, since),
        }
    }

    fn ask_of(&mut self, n: usize, to: &NodeId, request: u64, question: Question, since: Timestamp) {
        let item = Item::Command {
            request,
            conversation: question.conversation,
            fresh: question.fresh,
            ask: Box::new(question.errand.ask.clone()),
            client: question.errand.client,
            until: self.now.plus_millis(ANSWER_WITHIN_MS),
        };
        self.keep(n, request, question, Some(to.clone()), since);
        let is_said = self.seat_of(to).is_some_and(|to| self.say(n, to, item));
        self.seen.forwarded += u64::from(is_said);
        if let Some(node) = self.seats[n].node.as_mut().filter(|_| !is_said) {
            node.under_way.not_theirs(request);
        }
    }

    fn keep(&mut self, n: usize, request: u64, question: Question, asked: Option<NodeId>, since: Timestamp) {
        let (lane, now) = (Some(question.conversation), self.node_now(n));
        let Some(node) = self.seats[n].node.as_mut() else { return };
        assert!(node.under_way.keep(request, (question, lane), asked, (since, now)).is_ok());
    }

    /// Does without an owner that does not answer.
    pub(crate) fn take_over(&mut self, n: usize, question: Question) {
        if question.fresh {
            let refusal = Refusal::unavailable("the node that was to open it does not answer", 300);
            let Question { conversation, errand, .. } = question;
            return self.answer(n, conversation, errand.caller, Reply::Refused(refusal));
        }
        self.seen.guests += 1;
        self.hand_to(n, true, question);
    }

    pub(crate) fn look_at_questions(&mut self, n: usize) {
        let now = self.node_now(n);
        let Some(node) = self.seats[n].node.as_mut() else { return };
        for Due { request, lane, since, question, is_over } in node.under_way.due(now) {
            if is_over {
                self.take_over(n, question);
            } else {
                self.ask_owner(n, request, question, since);
            }
            if let Some(node) = self.seats[n].node.as_mut() {
                node.under_way.settled(request, lane);
            }
        }
    }

    /// What another node says.
    pub(crate) fn takes_in(&mut self, n: usize, from: usize, item: Item) {
        let from_id = self.seats[from].id.clone();
        let Some(node) = self.seats[n].node.as_mut() else { return };
        match item {
            Item::Command { until, .. } if self.now > until => self.seen.too_late += 1,
            Item::Command { request, conversation, fresh, ask, client, .. } => {
                if !matches!(node.placement.of_conversation(conversation), Whose::Here(_)) {
                    self.say(n, from, Item::NotMine { request });
                    return;
                }
                let caller = Waits::Node { node: from, request };
                let errand = Errand { ask: *ask, client, caller };
                self.deliver_here(n, Question { conversation, fresh, errand });
            }
            Item::Reply { request, reply } => {
                if let Some(question) = node.under_way.answered_by(&from_id, request) {
                    self.answer(n, question.conversation, question.errand.caller, reply);
                }
            }
            Item::NotMine { request } => node.under_way.not_theirs(request),
            Item::Fan { held_by, state, entry } => {
                let agents = [held_by, state.seat_hold().map(|hold| hold.agent)];
                self.shows(n, &agents, state.visitor.as_ref(), state.id, &entry);
            }
            Item::Changed { state, requeued } => self.hears_of(n, &state, requeued),
            Item::Overtaken(conversation) => {
                self.with_owners(n, false, |owners, _, out| owners.overtaken(conversation, out));
            }
            Item::Moved => node.due.round = self.now,
            Item::People => {}
        }
    }

    /// Lets owners or guests do something, then carries out what follows.
    pub(crate) fn with_owners(
        &mut self,
        n: usize,
        guest: bool,
        act: impl FnOnce(&mut Owners, Timestamp, &mut Vec<Effect>),
    ) {
        let now = self.node_now(n);
        let mut out = Vec::new();
        let Some(node) = self.seats[n].node.as_mut() else { return };
        act(node.owners(guest), now, &mut out);
        for effect in out {
            self.follow(n, guest, effect);
        }
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let incarnation = node.start.incarnation;
        let submitted = node.owners(guest).in_flight.len().saturating_sub(node.scheduled[usize::from(guest)]);
        node.scheduled[usize::from(guest)] += submitted;
        for _ in 0..submitted {
            let is_slow = self.chance.percent(self.faults.late);
            let pause = if is_slow { self.chance.between(10, 300) } else { 2 };
            self.after(pause, Happens::Commit { n, incarnation, guest });
        }
    }

    fn follow(&mut self, n: usize, guest: bool, effect: Effect) {
        let incarnation = self.seats[n].incarnation;
        match effect {
            Effect::Answer { conversation, waits, reply } => {
                self.answer(n, conversation, waits, reply);
                if guest {
                    self.tell_the_owner_of_a_guest(n, conversation);
                }
            }
            Effect::Committed { held_by, changed, state, entries } => {
                let agents = [held_by, state.seat_hold().map(|hold| hold.agent)];
                for entry in &entries {
                    self.shows(n, &agents, state.visitor.as_ref(), state.id, entry);
                    let (state, entry) = (state.clone(), Box::new(entry.clone()));
                    self.tell_everybody(n, &Item::Fan { held_by, state, entry });
                }
                if changed {
                    self.tells_routing(n, *state, requeued(&entries));
                }
            }
            Effect::ReadUntold { place, after, state } => {
                self.after(2, Happens::ReadUntold { n, incarnation, guest, place, after, state });
            }
            Effect::Pause(place) => {
                self.after(READING_PAUSE_MS, Happens::ReadAgain { n, incarnation, guest, place });
            }
        }
    }

    fn tell_the_owner_of_a_guest(&mut self, n: usize, conversation: ConversationId) {
        let Some(node) = self.seats[n].node.as_mut() else { return };
        match node.placement.of_conversation(conversation) {
            Whose::Here(_) => {
                self.with_owners(n, false, |owners, _, out| owners.overtaken(conversation, out));
            }
            Whose::There(owner) => {
                if let Some(to) = self.seat_of(&owner) {
                    self.say(n, to, Item::Overtaken(conversation));
                }
            }
            Whose::Nobody => {}
        }
    }

    pub(crate) fn answer(&mut self, n: usize, conversation: ConversationId, waits: Waits, reply: Reply) {
        match waits {
            Waits::Nobody => {}
            Waits::Client { client, line, id } => {
                self.after(WIRE_MS, Happens::Answered { client, line, id, conversation, reply });
            }
            Waits::Node { node, request } => {
                self.say(n, node, Item::Reply { request, reply });
            }
            Waits::Supervisor { matched, offer } => {
                let now = self.node_now(n);
                if let Some(desk) = self.seats[n].node.as_mut().and_then(|node| node.desk.as_mut()) {
                    desk.supervisor.settled(&matched, offer.is_some(), &reply, now);
                }
            }
        }
    }

    fn tells_routing(
        &mut self,
        n: usize,
        state: rushdesk::conversation::state::State,
        requeued: Option<RequeueReason>,
    ) {
        let Some(node) = self.seats[n].node.as_ref() else { return };
        match node.placement.of_supervisor(&DomainId::default_domain()) {
            Whose::Here(_) => self.hears_of(n, &state, requeued),
            Whose::There(to) => {
                if let Some(to) = self.seat_of(&to) {
                    self.say(n, to, Item::Changed { state: Box::new(state), requeued });
                }
            }
            Whose::Nobody => {}
        }
    }

    /// What the log has, whoever committed it: for people here and for routing where it is here.
    pub(crate) fn read_in_the_log(&mut self, n: usize, changes: Vec<rushdesk::journal::Change>) {
        for rushdesk::journal::Change { state, entries } in changes {
            self.seen.tailed += entries.len() as u64;
            for entry in &entries {
                let agents = [state.assignee, named(&entry.event)];
                self.shows(n, &agents, state.visitor.as_ref(), state.id, entry);
            }
            self.with_owners(n, false, |owners, _, out| owners.overtaken(state.id, out));
            self.hears_of(n, &state, requeued(&entries));
        }
    }
}

fn requeued(entries: &[Entry]) -> Option<RequeueReason> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Requeued { reason, .. } => Some(*reason),
        _ => None,
    })
}

/// The agent who has got or lost something by it.
const fn named(event: &Event) -> Option<AgentId> {
    match event {
        Event::Offered { agent, .. } | Event::Assigned { agent, .. } => Some(*agent),
        Event::Transferred { from, .. } => *from,
        Event::Requeued { agent, .. } => *agent,
        _ => None,
    }
}
