//! What a connection says: the frames that its outbox gathered, refusals, and the close frame with its code.
//!
//! Refuses to queue: what cannot be written now waits in the outbox, which has the bounds.

use super::actor::{SessionActor, Stage};
use crate::fanout::outbox::Item;
use crate::refusal::Refusal;
use crate::wire::close::CloseCode;
use crate::wire::server::{ErrorFrame, ServerFrame};
use actix::{ActorContext, AsyncContext};
use actix_http::ws::{CloseCode as HttpCloseCode, CloseReason};
use actix_web_actors::ws::WebsocketContext;
use bytes::Bytes;
use bytestring::ByteString;
use std::time::Duration;

/// How long the other side may take to close after the close frame.
const LINGER: Duration = Duration::from_secs(2);

impl SessionActor {
    pub(super) fn write_gathered(&mut self, context: &mut WebsocketContext<Self>) {
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
    pub(super) fn close(&mut self, context: &mut WebsocketContext<Self>, code: HttpCloseCode, reason: &str) {
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
        let frame = ServerFrame::Error(ErrorFrame::new(refusal, re));
        write(context, frame.encode());
    }
}

pub(super) fn write(context: &mut WebsocketContext<SessionActor>, frame: Bytes) {
    match ByteString::try_from(frame) {
        Ok(text) => context.text(text),
        Err(_not_utf8) => tracing::error!("a frame was not UTF-8"),
    }
}
