//! What a session reads from the store for its client: the welcome, history by pages, heads, and what is watched.

use super::actor::{SessionActor, Stage, states};
use super::lobby::Question;
use super::pull::{Pull, Purpose};
use crate::conversation::command::Who;
use crate::conversation::event::View;
use crate::conversation::state::State;
use crate::desk::person::Person;
use crate::desk::reading::view_of;
use crate::fanout::announce;
use crate::ident::{AgentId, ConversationId, GroupId, Seq};
use crate::journal::{Answer, Page, Presence, Query};
use crate::refusal::Refusal;
use crate::wire::client::{Position, PresenceStatus};
use crate::wire::event::VisitorRef;
use crate::wire::node::News;
use crate::wire::server::{
    Ack, AgentStanding, CaughtUp, LiveConversation, Pong, Read, Reset, ResetReason, Sender, ServerFrame,
    Typing, Welcome, WelcomedAgent,
};
use crate::wire::{Text, encode_entry};
use actix_web_actors::ws::WebsocketContext;
use std::sync::Arc;

type Context = WebsocketContext<SessionActor>;

/// Conversations that one supervisor's connection may watch.
const MOST_WATCHED: usize = 100;

impl SessionActor {
    /// Answers `hello`: what is live, who the client is, and where the resumed positions go on.
    pub(super) fn welcome(
        &mut self,
        answer: Result<Answer, Refusal>,
        re: &Arc<str>,
        resume: Vec<Position>,
        context: &mut Context,
    ) -> Result<(), Refusal> {
        let live = states(answer)?;
        let Some(person) = self.person.clone() else { return Ok(()) };
        let view = self.view();
        for state in &live {
            self.splice.live_from(state.id, state.head_for(view));
        }
        if view == View::Visitor {
            self.seen = live.iter().map(|state| (state.id, state.head)).collect();
            self.served =
                live.iter().filter(|state| state.phase.is_assigned()).map(|state| state.id).collect();
        }
        let lobby = self.lobby.clone();
        let directory = lobby.desk.directory();
        let welcome = Welcome {
            re: Text::from(&**re),
            session: self.id,
            node: lobby.node.clone(),
            durability: lobby.desk.journal.durability().into(),
            heartbeat_s: lobby.limits.heartbeat_s,
            limits: lobby.limits.told,
            conversations: live.iter().map(|state| live_conversation(state, view)).collect(),
            visitor: visitor_ref(&person),
            standing: person.agent().map(|agent| AgentStanding {
                agent: WelcomedAgent {
                    id: agent.id,
                    name: Text::from(&*agent.name),
                    role: agent.role.into(),
                },
                groups: directory
                    .agent(agent.id)
                    .map(|profile| profile.routing.groups.clone())
                    .unwrap_or_default(),
                capacity: directory.agent(agent.id).map_or(0, |profile| profile.routing.capacity),
                load: load_of(agent.id, &live),
                presence: self.presence_of(agent.id),
            }),
        };
        self.write(context, ServerFrame::Welcome(welcome).encode());
        if let Some(agent) = person.agent() {
            self.tell_held(agent.id, &live, context);
        }
        for position in resume {
            let pull = Pull {
                re: re.clone(),
                conversation: position.conversation,
                view,
                after: position.after,
                scanned: position.after,
                left: lobby.limits.wire.fetch_most,
                purpose: Purpose::Resume,
                opened: false,
            };
            self.splice.pull(position.conversation);
            self.line_up(pull, context);
        }
        Ok(())
    }

    /// The view that this side of the desk has, before a conversation is looked at.
    pub(super) fn view(&self) -> View {
        if self.person.as_ref().is_some_and(|person| person.visitor().is_some()) {
            View::Visitor
        } else {
            View::Desk
        }
    }

    fn presence_of(&self, agent: AgentId) -> PresenceStatus {
        self.lobby.desk.agents.seats(agent).map_or(Presence::Offline, |seats| seats.presence).into()
    }

    /// One `assigned` for each conversation that is held, one `offer` for each that is open.
    fn tell_held(&mut self, agent: AgentId, live: &[State], context: &mut Context) {
        let now = self.lobby.desk.clock.now();
        for state in live {
            if let Some(open) = state.offer.as_ref().filter(|open| open.agent == agent) {
                if let Some(offer) = announce::offer(state, open, now) {
                    self.work.note(News::Offered { offer: open.offer, conversation: state.id });
                    self.write(context, ServerFrame::Offer(offer).encode());
                }
            } else if state.assignee == Some(agent)
                && let Some(assigned) = announce::assigned(state, now)
            {
                self.work.note(News::Assigned { conversation: state.id, assign_seq: state.assign_seq });
                self.write(context, ServerFrame::Assigned(assigned).encode());
            }
        }
    }

    pub(super) fn fetch(
        &mut self,
        re: Arc<str>,
        conversation: ConversationId,
        after: Seq,
        limit: u32,
        context: &mut Context,
    ) {
        let (view, left, purpose) = (self.view(), limit.max(1), Purpose::Fetch);
        let pull = Pull { re, conversation, view, after, scanned: after, left, purpose, opened: false };
        self.line_up(pull, context);
        self.next_pull(context);
    }

    pub(super) fn line_up(&mut self, pull: Pull, context: &mut Context) {
        if let Err(pull) = self.pulls.add(pull) {
            let refusal = Refusal::rate_limited("too many pages are asked for at once; wait for them", 500);
            self.give_up(&pull, refusal, context);
        }
    }

    fn give_up(&mut self, pull: &Pull, refusal: Refusal, context: &mut Context) {
        let re = pull.given_up(&mut self.splice);
        if pull.purpose == Purpose::Repair {
            // Nobody asked; the next round compares again.
            tracing::debug!(conversation = ?pull.conversation, %refusal, "a flow could not be repaired");
            return;
        }
        self.say(context, &refusal.about(pull.conversation), re);
    }

    /// The conversation of a pull has been read: may this client read it, and is it not too far behind?
    pub(super) fn begin_pull(
        &mut self,
        mut pull: Pull,
        answer: Result<Answer, Refusal>,
        context: &mut Context,
    ) {
        let opened = answer.and_then(|answer| self.readable(pull.conversation, answer));
        let again = match opened {
            Ok((state, _)) if pull.purpose == Purpose::Repair && !self.flows_here(&state) => {
                self.tell_ended(state.id, Some(&state), context);
                self.splice.live_from(state.id, state.head);
                self.splice.begin_anew(state.id);
                None
            }
            Ok((state, view)) => {
                self.show_state(&pull, &state, context);
                (pull.view, pull.opened) = (view, true);
                let head = state.head_for(view);
                match self.too_far(&pull, head).filter(|_| pull.purpose.joins_the_flow()) {
                    None => Some(pull),
                    Some(reason) => {
                        self.splice.live_from(pull.conversation, head);
                        let reset = Reset { conversation: pull.conversation, head, reason };
                        self.write(context, ServerFrame::Reset(reset).encode());
                        None
                    }
                }
            }
            Err(refusal) => {
                self.give_up(&pull, refusal, context);
                None
            }
        };
        self.pulls.done(again);
        self.next_pull(context);
    }

    /// Why a position cannot be gone on from, if it cannot.
    fn too_far(&self, pull: &Pull, head: Seq) -> Option<ResetReason> {
        if pull.after > head {
            // The client holds more than there is: the store was restored from a backup.
            return Some(ResetReason::Rewritten);
        }
        (head.saturating_sub(pull.after) > self.lobby.limits.resume_max_behind).then_some(ResetReason::Behind)
    }

    fn readable(&self, conversation: ConversationId, answer: Answer) -> Result<(Box<State>, View), Refusal> {
        let Answer::State(Some(state)) = answer else {
            return Err(Refusal::not_found("there is no such conversation").about(conversation));
        };
        let Some(person) = &self.person else {
            return Err(Refusal::unauthenticated("say hello first, with a token"));
        };
        let view = view_of(person, &state, &self.own_groups())?;
        Ok((state, view))
    }

    fn own_groups(&self) -> Vec<GroupId> {
        let agent = self.person.as_ref().and_then(Person::agent);
        let directory = self.lobby.desk.directory();
        agent
            .and_then(|agent| directory.agent(agent.id))
            .map(|profile| profile.routing.groups.clone())
            .unwrap_or_default()
    }

    /// Goes on with the next pull; before the welcome nothing is pulled.
    pub(super) fn next_pull(&mut self, context: &Context) {
        if self.stage != Stage::Live {
            return;
        }
        let Some(pull) = self.pulls.next() else { return };
        if !pull.opened {
            return self.ask(Query::State(pull.conversation), Question::Open(pull), context);
        }
        let query =
            Query::History { conversation: pull.conversation, after: pull.scanned, limit: pull.page_limit() };
        self.ask(query, Question::Page(pull), context);
    }

    pub(super) fn write_page(&mut self, pull: Pull, answer: Result<Answer, Refusal>, context: &mut Context) {
        let page = match answer {
            Ok(Answer::History(Some(page))) => page,
            Ok(_) | Err(_) => {
                self.pulls.done(None);
                let refusal = Refusal::unavailable("history cannot be read now; fetch it again", 500);
                self.give_up(&pull, refusal, context);
                return self.next_pull(context);
            }
        };
        let again = self.send_page(pull, &page, context);
        self.pulls.done(again);
        self.next_pull(context);
    }

    /// Writes a page. Returns the pull where it goes on, and writes its end where it does not.
    fn send_page(&mut self, mut pull: Pull, page: &Page, context: &mut Context) -> Option<Pull> {
        for entry in &page.entries {
            pull.scanned = entry.seq;
            if let Some(frame) = encode_entry(entry, pull.conversation, pull.view) {
                pull.after = entry.seq;
                pull.left = pull.left.saturating_sub(1);
                if pull.purpose == Purpose::Repair {
                    self.count_repaired();
                }
                self.write(context, frame);
            }
        }
        let at_end = page.entries.is_empty() || pull.scanned >= page.head;
        let joins = pull.purpose.joins_the_flow();
        let flows = if joins && at_end {
            self.splice.caught_up(pull.conversation, pull.scanned.max(page.head), page.head)
        } else {
            at_end
        };
        if !flows && (pull.left > 0 || joins) {
            return Some(pull);
        }
        if pull.purpose == Purpose::Repair {
            return None;
        }
        let head = match pull.view {
            View::Visitor => page.visitor_head,
            View::Desk => page.head,
        };
        let upto = if at_end { head } else { pull.after };
        let re = Text::from(&*pull.re);
        self.write(
            context,
            ServerFrame::CaughtUp(CaughtUp { re, conversation: pull.conversation, upto, head }).encode(),
        );
        None
    }

    pub(super) fn ask_heads(&self, re: Arc<str>, context: &Context) {
        let query = match &self.person {
            Some(Person::Visitor(visitor)) => {
                Query::LiveOf { shop: visitor.shop.clone(), visitor: visitor.id.clone() }
            }
            Some(Person::Agent(agent)) => Query::HeldBy(agent.id),
            None => return,
        };
        self.ask(query, Question::Heads { re }, context);
    }

    pub(super) fn pong(&self, re: &Arc<str>, answer: Result<Answer, Refusal>, context: &mut Context) {
        let view = self.view();
        match states(answer) {
            Ok(live) => {
                let heads = live.iter().map(|state| (state.id, state.head_for(view))).collect();
                self.write(context, ServerFrame::Pong(Pong { re: Text::from(&**re), heads }).encode());
            }
            Err(refusal) => self.say(context, &refusal, Some(re)),
        }
    }

    pub(super) fn ask_watch(&self, re: Arc<str>, conversation: ConversationId, context: &mut Context) {
        let supervises =
            matches!(self.person.as_ref().map(Person::who), Some(Who::Agent { supervisor: true, .. }));
        if !supervises {
            let refusal = Refusal::forbidden("only supervisors watch other agents' conversations");
            return self.say(context, &refusal.about(conversation), Some(&re));
        }
        self.ask(Query::State(conversation), Question::Watch { re, conversation }, context);
    }

    pub(super) fn watch(
        &mut self,
        re: &Arc<str>,
        conversation: ConversationId,
        answer: Result<Answer, Refusal>,
        context: &mut Context,
    ) {
        let full = self.watching.len() >= MOST_WATCHED && !self.watching.contains(&conversation);
        let opened = answer.and_then(|answer| self.readable(conversation, answer)).and_then(|opened| {
            if full {
                Err(Refusal::conflict(format!(
                    "at most {MOST_WATCHED} conversations can be watched; unwatch some"
                )))
            } else {
                Ok(opened)
            }
        });
        match (opened, self.outbox.clone()) {
            (Ok((state, _)), Some(outbox)) => {
                if !self.watching.contains(&conversation) {
                    self.watching.push(conversation);
                }
                self.lobby.desk.hub.watch(conversation, &outbox);
                // Other nodes hear a moment later that somebody here watches: what they say until then is found missing.
                if !self.splice.knows(conversation) {
                    self.splice.live_from(conversation, state.head_for(View::Desk));
                }
                self.compare_soon(context);
                self.acknowledge(re, conversation, context);
                self.write(context, ServerFrame::State(announce::state_frame(&state)).encode());
            }
            (Ok(_), None) => {}
            (Err(refusal), _) => self.say(context, &refusal, Some(re)),
        }
    }

    pub(super) fn unwatch(&mut self, re: &str, conversation: ConversationId, context: &mut Context) {
        self.watching.retain(|watched| *watched != conversation);
        self.lobby.desk.hub.unwatch(conversation, self.id);
        if !self.work.holds(conversation) {
            self.splice.begin_anew(conversation);
        }
        self.acknowledge(re, conversation, context);
    }

    fn acknowledge(&self, re: &str, conversation: ConversationId, context: &mut Context) {
        let at = self.lobby.desk.clock.now();
        let ack = Ack { re: Text::from(re), conversation: Some(conversation), seq: None, at };
        self.write(context, ServerFrame::Ack(ack).encode());
    }

    pub(super) fn typing(&self, person: &Person, conversation: ConversationId, preview: Option<Text<'_>>) {
        let author = person.who().author();
        // A visitor's preview is for the desk; what an agent has not sent yet is never shown to a visitor.
        let preview = preview.filter(|_| person.visitor().is_some());
        let typing = Typing { conversation, from: Sender::from(&author), preview };
        self.hint(person, conversation, &ServerFrame::Typing(typing));
    }

    pub(super) fn read_mark(&self, person: &Person, conversation: ConversationId, seq: Seq) {
        let author = person.who().author();
        self.hint(
            person,
            conversation,
            &ServerFrame::Read(Read { conversation, from: Sender::from(&author), seq }),
        );
    }

    fn hint(&self, person: &Person, conversation: ConversationId, frame: &ServerFrame<'_>) {
        let hint = crate::conversation::delivery::Hint {
            from: person.who(),
            session: self.id,
            frame: frame.encode(),
        };
        self.lobby.desk.conversations.hint(conversation, hint);
    }
}

fn live_conversation(state: &State, view: View) -> LiveConversation {
    LiveConversation {
        conversation: state.id,
        channel: state.channel.clone(),
        state: state.phase,
        head: state.head_for(view),
        assign_seq: (view == View::Desk && state.assign_seq > 0).then_some(state.assign_seq),
    }
}

fn visitor_ref(person: &Person) -> Option<VisitorRef<'_>> {
    match person {
        Person::Visitor(visitor) => Some(VisitorRef {
            id: visitor.id.clone(),
            name: visitor.name.as_deref().map(Text::from),
            tier: visitor.tier.as_deref().map(Text::from),
        }),
        Person::Agent(_) => None,
    }
}

fn load_of(agent: AgentId, live: &[State]) -> u32 {
    live.iter().filter_map(State::seat_hold).filter(|hold| hold.agent == agent).map(|hold| hold.seats).sum()
}
