//! What a connection hears: frames of the socket on their way to the room that answers them.
//!
//! Pace comes first, then form, then who is signed in; what is left goes to the counter (`desk::errand`) or to `reading`.
//! Refuses to wait: whatever takes time is asked for, and its answer comes as a message.

use super::actor::{SessionActor, Stage};
use super::answers::{answer, refuse};
use super::machine::Passage;
use super::meters::{Ending, Leaving};
use crate::desk::errand::{self, Asker};
use crate::desk::person::Person;
use crate::fanout::hub::Origin;
use crate::fanout::outbox::Outbox;
use crate::refusal::Refusal;
use crate::wire::client::ClientFrame;
use crate::wire::close::CloseCode;
use crate::wire::{FrameError, decode};
use actix::{ActorContext, StreamHandler};
use actix_http::ws::{Item as Part, ProtocolError};
use actix_web_actors::ws::{self, WebsocketContext};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
                self.gone(context, Leaving::Closed);
            }
            Err(error) => self.broken(&error, context),
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.gone(context, Leaving::Lost);
    }
}

impl SessionActor {
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
                self.close(context, Ending::NotUtf8);
            }
            ProtocolError::Io(error) if error.to_string().contains(BROKEN) => {
                self.end(context, CloseCode::BadProtocol)
            }
            ProtocolError::Io(_) => self.gone(context, Leaving::Lost),
            _ => self.close(context, Ending::BrokenFraming),
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
            // A hint that there is no time for is dropped, as every hint may be; admission counts it.
            ClientFrame::Typing { .. } | ClientFrame::Read { .. }
                if errand::admitted(&self.lobby.desk, &person, &frame, false).is_err() => {}
            ClientFrame::Typing { conversation, preview } => self.typing(&person, conversation, preview),
            ClientFrame::Read { conversation, seq } => self.read_mark(&person, conversation, seq),
            ClientFrame::Hello(hello) => {
                refuse(
                    &outbox,
                    &Refusal::conflict("this connection is signed in already"),
                    Some(hello.id.as_str()),
                    &self.lobby.meters,
                );
            }
            ClientFrame::Ping { id } => self.ask_heads(id.as_str().into(), context),
            ClientFrame::Fetch { id, conversation, after, limit } => {
                self.fetch(id.as_str().into(), conversation, after, limit, context);
            }
            // Who joins in has to follow the conversation; what they say makes them seen.
            ClientFrame::Watch { id, conversation }
            | ClientFrame::Barge { id, conversation, content: None } => {
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
            return refuse(outbox, &refusal, Some(&id), &self.lobby.meters);
        }
        let origin = Some(Origin { session: self.id, re: id.clone() });
        let answer = answer(outbox, id.clone(), &self.in_flight, &self.lobby.meters);
        let is_told_held =
            frame.conversation().is_some_and(|conversation| self.served.contains(&conversation));
        let asker = Asker { person, id, origin, locale: self.locale.clone(), is_told_held };
        errand::run(&self.lobby.desk, asker, frame, answer);
    }
}

/// How the guard's error shows behind actix's wrapping.
const TOO_LARGE: &str = "payload reached size limit";
const BROKEN: &str = "can not decode content-encoding";
