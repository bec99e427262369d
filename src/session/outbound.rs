//! What a connection says: the frames that its outbox gathered, refusals, and the close frame with its code.
//!
//! Refuses to queue: what cannot be written now waits in the outbox, which has the bounds.

use super::actor::{SessionActor, Stage};
use super::lobby::Endpoint;
use super::machine::Fit;
use super::meters::{Ending, Leaving};
use crate::fanout::outbox::Item;
use crate::refusal::Refusal;
use crate::wire::close::CloseCode;
use crate::wire::server::{ErrorFrame, ServerFrame, standing_told};
use actix::{ActorContext, AsyncContext};
use actix_http::ws::{CloseCode as HttpCloseCode, CloseReason};
use actix_web_actors::ws::WebsocketContext;
use bytes::Bytes;
use bytestring::ByteString;
use std::time::Duration;

/// How long the other side may take to close after the close frame.
const LINGER: Duration = Duration::from_secs(2);
/// Conversations of one visitor that are known to be served; one lives on each channel.
const MOST_SERVED: usize = 64;

impl SessionActor {
    pub(super) fn write_gathered(&mut self, context: &mut WebsocketContext<Self>) {
        let Some(outbox) = self.outbox.clone() else { return };
        for item in outbox.take() {
            match item {
                Item::Hint(frame) => self.write(context, frame),
                Item::Frame(frame) => {
                    self.note_standing(&frame);
                    self.write(context, frame);
                }
                Item::Entry { conversation, prev, seq, frame } => {
                    match self.splice.live(conversation, prev, seq) {
                        Fit::Next => self.write(context, frame),
                        Fit::Skip => {}
                        Fit::Gap { after } => self.fill(conversation, after, context),
                    }
                }
                Item::StateAt { conversation, head, frame } => {
                    if self.splice.is_at(conversation, head) {
                        self.note_standing(&frame);
                        self.write(context, frame);
                    }
                }
                Item::News { news, .. } if self.work.knows(news) => {}
                Item::News { news, frame } => {
                    self.take_note(news);
                    self.write(context, frame);
                }
                Item::LookAgain { within_ms } => self.look_again_within(within_ms, context),
                Item::Close(code) => return self.end(context, code),
            }
        }
    }

    /// Whether an agent has a conversation is what its visitor was told last: all nodes tell it alike, and nothing is read.
    fn note_standing(&mut self, frame: &[u8]) {
        if self.endpoint != Endpoint::Visitor {
            return;
        }
        match standing_told(frame) {
            Some((conversation, true)) if self.served.len() < MOST_SERVED => {
                _ = self.served.insert(conversation)
            }
            Some((conversation, _)) => _ = self.served.remove(&conversation),
            None => {}
        }
    }

    pub(super) fn end(&mut self, context: &mut WebsocketContext<Self>, code: CloseCode) {
        self.close(context, Ending::Code(code));
    }

    /// Sends the close frame and lingers: closing at once with unread bytes would reset the connection and lose it.
    pub(super) fn close(&mut self, context: &mut WebsocketContext<Self>, ending: Ending) {
        if self.stage == Stage::Ending {
            return;
        }
        self.stage = Stage::Ending;
        self.lobby.meters.ended(ending);
        self.leave();
        let code = HttpCloseCode::from(ending.number());
        context.close(Some(CloseReason { code, description: Some(ending.reason().to_owned()) }));
        context.run_later(LINGER, |_session, context| context.stop());
    }

    /// The other side is gone; who was told to go is not counted again.
    pub(super) fn gone(&mut self, context: &mut WebsocketContext<Self>, leaving: Leaving) {
        if self.stage != Stage::Ending {
            self.stage = Stage::Ending;
            self.lobby.meters.left(leaving);
        }
        context.stop();
    }

    /// Says no at once, past the outbox: before sign-in there is none.
    pub(super) fn say(&self, context: &mut WebsocketContext<Self>, refusal: &Refusal, re: Option<&str>) {
        self.lobby.meters.refused(refusal.code);
        self.write(context, ServerFrame::Error(ErrorFrame::new(refusal, re)).encode());
    }

    pub(super) fn write(&self, context: &mut WebsocketContext<Self>, frame: Bytes) {
        self.lobby.meters.said(frame.len());
        match ByteString::try_from(frame) {
            Ok(text) => context.text(text),
            Err(_not_utf8) => tracing::error!("a frame was not UTF-8"),
        }
    }
}
