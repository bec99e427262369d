//! Coming and going: from a `hello` to a place in the hub, and out of it again however the connection ends.
//!
//! Refuses to remember anybody: who comes back says where to go on (resume by position).

use super::actor::{SessionActor, Stage};
use super::lobby::{Drain, Endpoint, Question};
use crate::agent::actor::AgentWord;
use crate::clock::fresh_uuid;
use crate::desk::person::Person;
use crate::fanout::outbox::Outbox;
use crate::journal::Query;
use crate::refusal::Refusal;
use crate::supervisor::actor::VisitorConnection;
use crate::wire::client::Hello;
use crate::wire::close::CloseCode;
use actix::AsyncContext;
use actix_web_actors::ws::WebsocketContext;
use std::sync::Arc;

impl SessionActor {
    /// A good token at the other endpoint is told apart from a bad one: a fresh token would not help.
    fn wrong_door(&self, token: &str, refusal: Refusal) -> (Refusal, CloseCode) {
        let (signins, desk) = (&self.lobby.signins, &self.lobby.desk);
        let now = desk.clock.now();
        let other = match self.endpoint {
            Endpoint::Visitor => signins.agent(token, &desk.directory(), now).is_ok().then_some("/ws/agent"),
            Endpoint::Agent => signins.visitor(token, now).is_ok().then_some("/ws/visitor"),
        };
        match other {
            Some(door) => (
                Refusal::forbidden(format!("this token is for {door}; connect there")),
                CloseCode::NotAllowed,
            ),
            None => (refusal, CloseCode::NotSignedIn),
        }
    }

    pub(super) fn still_signed_in(&self) -> bool {
        let desk = &self.lobby.desk;
        let now = desk.clock.now();
        let token_holds = match &self.person {
            Some(Person::Visitor(visitor)) => now < visitor.expires_at,
            Some(Person::Agent(_)) | None => true,
        };
        token_holds
            && self
                .claims
                .as_ref()
                .is_none_or(|claims| self.lobby.signins.still_holds(claims, &desk.directory(), now))
    }

    pub(super) fn hello(&mut self, hello: &Hello<'_>, context: &mut WebsocketContext<Self>) {
        let now = self.lobby.desk.clock.now();
        let person = match self.endpoint {
            Endpoint::Visitor => self.lobby.signins.visitor(hello.token.as_str(), now),
            Endpoint::Agent => {
                self.lobby.signins.agent(hello.token.as_str(), &self.lobby.desk.directory(), now).map(
                    |(agent, claims)| {
                        self.claims = Some(claims);
                        Person::Agent(agent)
                    },
                )
            }
        };
        let person = match person {
            Ok(person) => person,
            Err(refusal) => {
                let (refusal, code) = self.wrong_door(hello.token.as_str(), refusal);
                self.say(context, &refusal, Some(hello.id.as_str()));
                return self.end(context, code);
            }
        };
        if !hello.resume.is_empty()
            && let Err(shed) = self
                .lobby
                .desk
                .admission
                .resume(person.agent().is_some(), now, || fresh_uuid().as_u64_pair().1)
        {
            let refusal = Refusal::rate_limited(
                "too many connections come back at once: connect again after retry_after_ms, nothing is lost",
                shed.retry_after_ms,
            );
            self.say(context, &refusal, Some(hello.id.as_str()));
            return self.end(context, CloseCode::TooFast);
        }
        self.place = self.lobby.identities.enter(person.sender_key(), now);
        if self.place.is_none() {
            let refusal = Refusal::rate_limited("too many connections of yours are open; close some", 5_000);
            self.say(context, &refusal, Some(hello.id.as_str()));
            return self.end(context, CloseCode::TooFast);
        }
        let device = hello.device.as_ref().map(|device| device.as_str().to_owned());
        let address = context.address();
        let wake = Box::new(move || {
            if let Err(error) = address.try_send(Drain) {
                tracing::debug!(%error, "a connection was gone when something was to be written");
            }
        });
        let outbox = Arc::new(Outbox::new(self.id, device, self.lobby.limits.outbox, wake));
        self.locale = hello.locale.as_ref().map(|locale| locale.as_str().into());
        let query = self.join(&person, &outbox);
        self.person = Some(person);
        self.outbox = Some(outbox);
        self.stage = Stage::Joining;
        let about = Question::Welcome { re: hello.id.as_str().into(), resume: hello.resume.clone() };
        self.ask(query, about, context);
    }

    /// Enters the hub before anything is read, so that nothing committed meanwhile can be missed.
    fn join(&self, person: &Person, outbox: &Arc<Outbox>) -> Query {
        let desk = &self.lobby.desk;
        match person {
            Person::Visitor(visitor) => {
                desk.hub.join_visitor(&visitor.id, outbox);
                let back = VisitorConnection { visitor: visitor.id.clone(), connected: true };
                if desk.supervisor.tell(back).is_err() {
                    tracing::debug!("the supervisor is busy; the sweep finds the visitor back");
                }
                Query::LiveOf { shop: visitor.shop.clone(), visitor: visitor.id.clone() }
            }
            Person::Agent(agent) => {
                desk.hub.join_agent(agent.id, outbox);
                if desk.agents.tell(agent.id, AgentWord::ConnectionsChanged).is_err() {
                    tracing::warn!(agent = ?agent.id, "an agent's actor could not be told of a connection");
                }
                Query::HeldBy(agent.id)
            }
        }
    }

    pub(super) fn leave(&mut self) {
        self.place = None;
        let desk = &self.lobby.desk;
        for conversation in std::mem::take(&mut self.watching) {
            desk.hub.unwatch(conversation, self.id);
        }
        match self.person.take() {
            Some(Person::Visitor(visitor)) => {
                let last = desk.hub.leave_visitor(&visitor.id, self.id, desk.clock.now());
                let gone = VisitorConnection { visitor: visitor.id.clone(), connected: false };
                if last && desk.supervisor.tell(gone).is_err() {
                    tracing::debug!("the supervisor is busy; the visitor's absence is found by the sweep");
                }
            }
            Some(Person::Agent(agent)) => {
                desk.hub.leave_agent(agent.id, self.id);
                if desk.agents.tell(agent.id, AgentWord::ConnectionsChanged).is_err() {
                    tracing::warn!(agent = ?agent.id, "an agent's actor could not be told of a lost connection");
                }
            }
            None => {}
        }
    }
}
