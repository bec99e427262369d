//! The actor behind one WebSocket: reads frames, keeps the connection's limits, writes what its outbox gathers.
//!
//! It owns nothing durable: a client resumes by position on any node. Its outbox is bounded outside the actor
//! (`fanout::outbox`); its own mailbox carries only wake-ups and answers to its own questions. Exits: the client
//! leaves, a heartbeat is missed, a limit is passed (each with its close code), or the node drains.

use super::answers::{answer, refuse};
use super::guard::Backlog;
use super::identity::Place;
use super::lobby::{Drain, Endpoint, Lobby, Question, Told};
use super::machine::{Pace, Passage, Splice};
use super::pull::Pulls;
use crate::agent::actor::ConnectionsChanged;
use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::desk::errand::{self, Asker};
use crate::desk::person::Person;
use crate::fanout::hub::Origin;
use crate::fanout::outbox::{Item, Outbox};
use crate::ident::SessionId;
use crate::journal::{Answer as JournalAnswer, Query};
use crate::refusal::Refusal;
use crate::signin::agent::AgentClaims;
use crate::supervisor::actor::VisitorConnection;
use crate::wire::client::{ClientFrame, Hello};
use crate::wire::close::CloseCode;
use crate::wire::{FrameError, decode};
use actix::{Actor, ActorContext, AsyncContext, Handler, StreamHandler};
use actix_http::ws::{CloseCode as HttpCloseCode, CloseReason, Item as Part, ProtocolError};
use actix_web_actors::ws::{self, WebsocketContext};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    AwaitingHello,
    Joining,
    Live,
    /// The close frame is out; what still comes in is thrown away until the other side has closed too.
    Ending,
}

/// One connection.
pub struct SessionActor {
    pub(super) id: SessionId,
    endpoint: Endpoint,
    pub(super) lobby: Arc<Lobby>,
    stage: Stage,
    pace: Pace,
    /// Pings, pongs and fragments: many at once are ignored, a flood ends the connection.
    control_pace: Pace,
    backlog: Arc<Backlog>,
    pub(super) splice: Splice,
    pub(super) pulls: Pulls,
    pub(super) person: Option<Person>,
    /// An agent's sign-in, looked at again with every frame and heartbeat: a log-out ends its connections too.
    claims: Option<AgentClaims>,
    locale: Option<Arc<str>>,
    pub(super) outbox: Option<Arc<Outbox>>,
    in_flight: Arc<AtomicUsize>,
    /// Parts of a message that comes in several frames.
    parts: BytesMut,
    pub(super) watching: Vec<crate::ident::ConversationId>,
    heard_at: Timestamp,
    place: Option<Place>,
    _seat: Box<dyn std::any::Any + Send>,
}

impl Actor for SessionActor {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(1 << 16);
        let limits = &self.lobby.limits;
        context.run_later(Duration::from_secs(limits.hello_s), |session, context| {
            if session.stage == Stage::AwaitingHello {
                session.end(context, CloseCode::NoHello);
            }
        });
        context.run_interval(Duration::from_secs(limits.heartbeat_s), |session, context| {
            let limits = &session.lobby.limits;
            let silent_ms = session.lobby.desk.clock.now().since_millis(session.heard_at);
            if silent_ms > (limits.heartbeat_s + limits.heartbeat_answer_s) * 1_000 {
                context.stop();
                return;
            }
            if !session.still_signed_in() {
                session.end(context, CloseCode::NotSignedIn);
                return;
            }
            context.ping(b"");
        });
    }

    fn stopped(&mut self, _context: &mut Self::Context) {
        self.leave();
    }
}

impl Handler<Drain> for SessionActor {
    type Result = ();

    fn handle(&mut self, _drain: Drain, context: &mut Self::Context) {
        if self.stage == Stage::Live {
            self.write_gathered(context);
        }
    }
}

impl Handler<Told> for SessionActor {
    type Result = ();

    fn handle(&mut self, told: Told, context: &mut Self::Context) {
        match told.about {
            Question::Welcome { re, resume } => match self.welcome(told.answer, &re, resume, context) {
                Ok(()) => {
                    self.stage = Stage::Live;
                    self.write_gathered(context);
                    self.next_page(context);
                }
                Err(refusal) => {
                    self.say(context, &refusal, Some(&re));
                    self.end(context, CloseCode::Draining);
                }
            },
            Question::Open(pull) => self.begin_pull(pull, told.answer, context),
            Question::Page(pull) => self.write_page(pull, told.answer, context),
            Question::Heads { re } => self.pong(&re, told.answer, context),
            Question::Watch { re, conversation } => self.watch(&re, conversation, told.answer, context),
        }
    }
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for SessionActor {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, context: &mut Self::Context) {
        self.backlog.handled();
        self.heard_at = self.lobby.desk.clock.now();
        if self.stage == Stage::Ending {
            if matches!(message, Ok(ws::Message::Close(_)) | Err(_)) {
                context.stop();
            }
            return;
        }
        let is_text = matches!(message, Ok(ws::Message::Text(_)));
        let control = if is_text { Passage::Pass } else { self.control_pace.frame(self.heard_at) };
        if control == Passage::CutOff {
            return self.end(context, CloseCode::TooFast);
        }
        match message {
            Ok(ws::Message::Ping(_)) if control != Passage::Pass => {}
            Ok(ws::Message::Text(text)) => self.frame(text.as_bytes(), context),
            Ok(ws::Message::Continuation(part)) => self.part(part, context),
            Ok(ws::Message::Ping(payload)) => context.pong(&payload),
            Ok(ws::Message::Pong(_) | ws::Message::Nop) => {}
            Ok(ws::Message::Binary(_)) => {
                let refusal = Refusal::bad_frame(
                    "binary frames are not spoken here: send text frames with one JSON object each",
                );
                self.say(context, &refusal, None);
                self.end(context, CloseCode::BadProtocol);
            }
            Ok(ws::Message::Close(reason)) => {
                context.close(reason);
                context.stop();
            }
            Err(error) => self.broken(&error, context),
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        context.stop();
    }
}

impl SessionActor {
    /// A connection that has just been upgraded. `seat` is given back when it ends (a place among the sockets of
    /// its address).
    pub fn new(
        id: SessionId,
        endpoint: Endpoint,
        lobby: Arc<Lobby>,
        backlog: Arc<Backlog>,
        seat: Box<dyn std::any::Any + Send>,
    ) -> Self {
        let now = lobby.desk.clock.now();
        let pace = Pace::new(lobby.limits.told.frames_per_s, lobby.limits.told.frames_burst, now);
        Self {
            id,
            endpoint,
            lobby,
            stage: Stage::AwaitingHello,
            control_pace: pace.clone(),
            pace,
            backlog,
            splice: Splice::default(),
            pulls: Pulls::default(),
            person: None,
            claims: None,
            locale: None,
            outbox: None,
            in_flight: Arc::new(AtomicUsize::new(0)),
            parts: BytesMut::new(),
            watching: Vec::new(),
            heard_at: now,
            place: None,
            _seat: seat,
        }
    }

    fn part(&mut self, part: Part, context: &mut WebsocketContext<Self>) {
        let (bytes, last) = match part {
            Part::FirstText(bytes) => {
                self.parts.clear();
                (bytes, false)
            }
            Part::Continue(bytes) => (bytes, false),
            Part::Last(bytes) => (bytes, true),
            Part::FirstBinary(_) => return self.end(context, CloseCode::BadProtocol),
        };
        if self.parts.len() + bytes.len() > self.lobby.limits.wire.frame_bytes {
            return self.end(context, CloseCode::FrameTooLarge);
        }
        self.parts.extend_from_slice(&bytes);
        if last {
            let whole = self.parts.split().freeze();
            self.frame(&whole, context);
        }
    }

    fn broken(&mut self, error: &ProtocolError, context: &mut WebsocketContext<Self>) {
        tracing::debug!(session = ?self.id, %error, "a connection broke the protocol");
        match error {
            ProtocolError::Overflow => self.end(context, CloseCode::FrameTooLarge),
            ProtocolError::Io(error) if error.to_string().contains(TOO_LARGE) => {
                self.end(context, CloseCode::FrameTooLarge)
            }
            ProtocolError::Io(error)
                if error.kind() == std::io::ErrorKind::Other && error.to_string().contains("utf-8") =>
            {
                self.close(context, HttpCloseCode::Invalid, "text frames must be UTF-8");
            }
            ProtocolError::Io(error) if error.to_string().contains(BROKEN) => {
                self.end(context, CloseCode::BadProtocol)
            }
            ProtocolError::Io(_) => context.stop(),
            _ => self.close(context, HttpCloseCode::Protocol, "this breaks RFC 6455"),
        }
    }

    fn frame(&mut self, bytes: &[u8], context: &mut WebsocketContext<Self>) {
        let now = self.lobby.desk.clock.now();
        let mut passage = self.pace.frame(now);
        if let (Passage::Pass, Some(place)) = (passage, &self.place) {
            passage = place.frame(now);
        }
        if passage == Passage::CutOff {
            return self.end(context, CloseCode::TooFast);
        }
        let decoded = decode(bytes, &self.lobby.limits.wire);
        if let Passage::Wait(wait_ms) = passage {
            let re = decoded
                .as_ref()
                .map_or_else(|error| error.re.clone(), |frame| frame.id().map(|id| id.as_str().to_owned()));
            let refusal =
                Refusal::rate_limited("too many frames: slow down and repeat it with the same id", wait_ms);
            return self.say(context, &refusal, re.as_deref());
        }
        match decoded {
            Ok(frame) => self.act(frame, context),
            Err(error) => self.misspelt(&error, context),
        }
    }

    fn misspelt(&mut self, error: &FrameError, context: &mut WebsocketContext<Self>) {
        self.say(context, &error.clone().into(), error.re.as_deref());
        if self.stage == Stage::AwaitingHello {
            self.end(context, CloseCode::BadProtocol);
        }
    }

    fn act(&mut self, frame: ClientFrame<'_>, context: &mut WebsocketContext<Self>) {
        let frame = match (self.stage, frame) {
            (Stage::AwaitingHello, ClientFrame::Hello(hello)) => return self.hello(&hello, context),
            (Stage::AwaitingHello, frame) => {
                let refusal = Refusal::unauthenticated("say hello first, with a token");
                self.say(context, &refusal, frame.id().map(|id| id.as_str()));
                return self.end(context, CloseCode::NotSignedIn);
            }
            (Stage::Joining | Stage::Live | Stage::Ending, frame) => frame,
        };
        if !self.still_signed_in() {
            return self.end(context, CloseCode::NotSignedIn);
        }
        let (Some(person), Some(outbox)) = (self.person.clone(), self.outbox.clone()) else { return };
        match frame {
            ClientFrame::Typing { conversation, preview } => self.typing(&person, conversation, preview),
            ClientFrame::Read { conversation, seq } => self.read_mark(&person, conversation, seq),
            ClientFrame::Hello(hello) => {
                refuse(
                    &outbox,
                    &Refusal::conflict("this connection is signed in already"),
                    Some(hello.id.as_str()),
                );
            }
            ClientFrame::Ping { id } => self.ask_heads(id.as_str().into(), context),
            ClientFrame::Fetch { id, conversation, after, limit } => {
                self.fetch(id.as_str().into(), conversation, after, limit, context);
            }
            ClientFrame::Watch { id, conversation } => {
                self.ask_watch(id.as_str().into(), conversation, context)
            }
            ClientFrame::Unwatch { id, conversation } => self.unwatch(id.as_str(), conversation, context),
            frame => self.errand(frame, person, &outbox),
        }
    }

    fn errand(&self, frame: ClientFrame<'_>, person: Person, outbox: &Arc<Outbox>) {
        let Some(id) = frame.id().map(|id| Arc::<str>::from(id.as_str())) else { return };
        let most = self.lobby.limits.told.sends_in_flight as usize;
        if self.in_flight.load(Ordering::Acquire) >= most {
            let refusal = Refusal::rate_limited(
                format!("{most} requests are under way already; wait for an answer"),
                100,
            );
            return refuse(outbox, &refusal, Some(&id));
        }
        let origin = Some(Origin { session: self.id, re: id.clone() });
        let answer = answer(outbox, id.clone(), &self.in_flight);
        let asker = Asker { person, id, origin, locale: self.locale.clone() };
        errand::run(&self.lobby.desk, asker, frame, answer);
    }

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

    fn still_signed_in(&self) -> bool {
        let desk = &self.lobby.desk;
        self.claims
            .as_ref()
            .is_none_or(|claims| self.lobby.signins.still_holds(claims, &desk.directory(), desk.clock.now()))
    }

    fn hello(&mut self, hello: &Hello<'_>, context: &mut WebsocketContext<Self>) {
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
                if desk.agents.tell(agent.id, ConnectionsChanged).is_err() {
                    tracing::warn!(agent = ?agent.id, "an agent's actor could not be told of a connection");
                }
                Query::HeldBy(agent.id)
            }
        }
    }

    fn leave(&mut self) {
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
                if desk.agents.tell(agent.id, ConnectionsChanged).is_err() {
                    tracing::warn!(agent = ?agent.id, "an agent's actor could not be told of a lost connection");
                }
            }
            None => {}
        }
    }

    pub(super) fn ask(&self, query: Query, about: Question, context: &WebsocketContext<Self>) {
        let address = context.address();
        self.lobby.desk.ask(query, move |answer| {
            if let Err(error) = address.try_send(Told { answer, about }) {
                tracing::debug!(%error, "a connection was gone when the store answered it");
            }
        });
    }

    fn write_gathered(&mut self, context: &mut WebsocketContext<Self>) {
        let Some(outbox) = self.outbox.clone() else { return };
        for item in outbox.take() {
            match item {
                Item::Frame(frame) | Item::Hint(frame) => write(context, frame),
                Item::Entry { conversation, seq, frame } => {
                    if self.splice.live(conversation, seq) {
                        write(context, frame);
                    }
                }
                Item::Close(code) => return self.end(context, code),
            }
        }
    }

    pub(super) fn end(&mut self, context: &mut WebsocketContext<Self>, code: CloseCode) {
        self.close(context, HttpCloseCode::Other(code.number()), code.reason());
    }

    /// Sends the close frame and lingers: closing at once with unread bytes would reset the connection and lose it.
    fn close(&mut self, context: &mut WebsocketContext<Self>, code: HttpCloseCode, reason: &str) {
        if self.stage == Stage::Ending {
            return;
        }
        self.stage = Stage::Ending;
        self.leave();
        context.close(Some(CloseReason { code, description: Some(reason.to_owned()) }));
        context.run_later(LINGER, |_session, context| context.stop());
    }

    /// Says no at once, past the outbox: before sign-in there is none.
    pub(super) fn say(&self, context: &mut WebsocketContext<Self>, refusal: &Refusal, re: Option<&str>) {
        let frame = crate::wire::ServerFrame::Error(crate::wire::server::ErrorFrame::new(refusal, re));
        write(context, frame.encode());
    }
}

/// How long the other side may take to close after the close frame.
const LINGER: Duration = Duration::from_secs(2);

/// How the guard's error shows behind actix's wrapping.
const TOO_LARGE: &str = "payload reached size limit";
const BROKEN: &str = "can not decode content-encoding";

pub(super) fn write(context: &mut WebsocketContext<SessionActor>, frame: Bytes) {
    match ByteString::try_from(frame) {
        Ok(text) => context.text(text),
        Err(_not_utf8) => tracing::error!("a frame was not UTF-8"),
    }
}

/// The conversations of a state listing, for the welcome.
pub(super) fn states(answer: Result<JournalAnswer, Refusal>) -> Result<Vec<State>, Refusal> {
    match answer? {
        JournalAnswer::States(states) => Ok(states),
        _ => Err(Refusal::unavailable("the store gave another answer than was asked; repeat it", 500)),
    }
}
