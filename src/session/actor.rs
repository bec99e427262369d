//! The actor behind one WebSocket: its state, its beginning and end, and the answers that the store sends it.
//!
//! Its other handlers and steps stand beside it: `inbound` hears frames, `arrival` signs in and leaves, `reading` brings
//! history, `outbound` writes.
//!
//! It owns nothing durable: a client resumes by position on any node. Its outbox is bounded outside the actor
//! (`fanout::outbox`); its own mailbox carries only wake-ups and answers to its own questions. Exits: the client
//! leaves, a heartbeat is missed, a limit is passed (each with its close code), or the node drains.

use super::guard::Backlog;
use super::identity::Place;
use super::lobby::{Drain, Endpoint, Lobby, Question, Told};
use super::machine::{Pace, Splice};
use super::meters::Leaving;
use super::pull::Pulls;
use super::told::Work;
use crate::clock::Timestamp;
use crate::conversation::state::State;
use crate::desk::person::Person;
use crate::fanout::outbox::Outbox;
use crate::ident::{ConversationId, Seq, SessionId};
use crate::journal::{Answer as JournalAnswer, Query};
use crate::refusal::Refusal;
use crate::signin::agent::AgentClaims;
use crate::wire::close::CloseCode;
use actix::{Actor, AsyncContext, Handler};
use actix_web_actors::ws::WebsocketContext;
use bytes::BytesMut;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    AwaitingHello,
    Joining,
    Live,
    /// The close frame is out; what still comes in is thrown away until the other side has closed too.
    Ending,
}

/// One connection.
pub struct SessionActor {
    pub(super) id: SessionId,
    pub(super) endpoint: Endpoint,
    pub(super) lobby: Arc<Lobby>,
    pub(super) stage: Stage,
    pub(super) pace: Pace,
    /// Pings, pongs and fragments: many at once are ignored, a flood ends the connection.
    pub(super) control_pace: Pace,
    pub(super) backlog: Arc<Backlog>,
    pub(super) splice: Splice,
    pub(super) pulls: Pulls,
    /// What an agent has been told of their work.
    pub(super) work: Work,
    /// The conversations of which a visitor was told last that an agent has them.
    pub(super) served: BTreeSet<ConversationId>,
    /// Up to where a visitor's live conversations had gone when the store was last asked for their states.
    pub(super) seen: BTreeMap<ConversationId, Seq>,
    /// The store will be asked soon whether something was lost.
    pub(super) looks_soon: bool,
    /// Flows beyond the heads that the store told last, and how far they had come then: it is asked a second time.
    pub(super) beyond: BTreeMap<ConversationId, Seq>,
    pub(super) person: Option<Person>,
    /// An agent's sign-in, looked at again with every frame and heartbeat: a log-out ends its connections too.
    pub(super) claims: Option<AgentClaims>,
    pub(super) locale: Option<Arc<str>>,
    pub(super) outbox: Option<Arc<Outbox>>,
    pub(super) in_flight: Arc<AtomicUsize>,
    /// Parts of a message that comes in several frames.
    pub(super) parts: BytesMut,
    pub(super) watching: Vec<ConversationId>,
    pub(super) heard_at: Timestamp,
    pub(super) place: Option<Place>,
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
                session.gone(context, Leaving::Silent);
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
        if self.stage == Stage::Ending {
            // Nothing follows a close frame, and who has left does not come back to life by a late answer.
            return;
        }
        match told.about {
            Question::Welcome { re, resume } => match self.welcome(told.answer, &re, resume, context) {
                Ok(()) => {
                    self.stage = Stage::Live;
                    self.write_gathered(context);
                    self.next_pull(context);
                    self.begin_comparing(context);
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
            Question::Compare => self.compare(told.answer, context),
            Question::Look { version } => self.looked(version, told.answer, context),
            Question::Ended(conversation) => self.ended(conversation, told.answer, context),
        }
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
            work: Work::default(),
            served: BTreeSet::new(),
            seen: BTreeMap::new(),
            looks_soon: false,
            beyond: BTreeMap::new(),
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

    pub(super) fn ask(&self, query: Query, about: Question, context: &WebsocketContext<Self>) {
        let address = context.address();
        self.lobby.desk.ask(query, move |answer| {
            if let Err(error) = address.try_send(Told { answer, about }) {
                tracing::debug!(%error, "a connection was gone when the store answered it");
            }
        });
    }
}

/// The conversations of a state listing, for the welcome.
pub(super) fn states(answer: Result<JournalAnswer, Refusal>) -> Result<Vec<State>, Refusal> {
    match answer? {
        JournalAnswer::States(states) => Ok(states),
        _ => Err(Refusal::unavailable("the store gave another answer than was asked; repeat it", 500)),
    }
}
