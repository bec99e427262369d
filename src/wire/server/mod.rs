//! What the desk says: one variant per frame to visitors and agents (protocol 2, 3 and 4).
//!
//! Entries, the hot path, are encoded once and shared (`entry`); everything else is small and encoded where it is said.
//! Decoding is for clients of the desk: the traffic driver and the tests. Serialising keeps the field order of
//! `docs/PROTOCOL.md`.

mod desk;
mod log;
mod named;
mod signin;

pub use desk::{
    Alert, AlertData, AlertKind, Assigned, Eta, Offer, OfferWithdrawn, Queue, Summary, Unassigned,
};
pub use log::{
    Ack, CaughtUp, Drain, EntryFrame, ErrorFrame, Opened, Pong, RateInvitation, Read, Reset, ResetReason,
    Sender, SenderKind, StateFrame, Typing,
};
pub use signin::{AgentStanding, Durability, LiveConversation, Role, ToldLimits, Welcome, WelcomedAgent};

use super::text_form::Text;
use crate::ident::ConversationId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! server_frames {
    ($($name:ident = $type:literal as $body:ty,)*) => {
        /// One frame to a client.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum ServerFrame<'a> {
            $($name($body),)*
        }

        impl<'a> ServerFrame<'a> {
            /// The frames by name, in the order of `docs/PROTOCOL.md`.
            pub const TYPES: &'static [&'static str] = &[$($type),*];

            /// Reads a frame of the desk. Unknown fields are ignored, unknown types are an error.
            pub fn decode(text: &'a str) -> Result<Self, serde_json::Error> {
                let Typed { kind } = serde_json::from_str(text)?;
                match kind.as_str() {
                    $($type => serde_json::from_str(text).map(Self::$name),)*
                    unknown => Err(serde::de::Error::custom(format_args!("unknown frame type `{unknown}`"))),
                }
            }
        }
    };
}

/// Room for most frames without growing.
const ENCODED_BYTES: usize = 384;

/// Serialising into memory fails only by a defect in a `Serialize`; even then the client hears about it.
const UNENCODABLE: &[u8] = br#"{"type":"error","code":"unavailable","message":"a frame could not be written; reconnect and resume","retry_after_ms":1000}"#;

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

server_frames! {
    Welcome = "welcome" as Welcome<'a>,
    Ack = "ack" as Ack<'a>,
    Entry = "entry" as EntryFrame<'a>,
    CaughtUp = "caught_up" as CaughtUp<'a>,
    Reset = "reset" as Reset,
    Typing = "typing" as Typing<'a>,
    Read = "read" as Read<'a>,
    RateInvitation = "rate_invitation" as RateInvitation,
    State = "state" as StateFrame,
    Pong = "pong" as Pong<'a>,
    Error = "error" as ErrorFrame<'a>,
    Drain = "drain" as Drain,
    Opened = "opened" as Opened<'a>,
    Queue = "queue" as Queue,
    Offer = "offer" as Offer<'a>,
    OfferWithdrawn = "offer_withdrawn" as OfferWithdrawn<'a>,
    Assigned = "assigned" as Assigned<'a>,
    Unassigned = "unassigned" as Unassigned<'a>,
    Alert = "alert" as Alert,
}

/// How an encoded `state` begins; a test holds it to the encoder.
const STATE_BEGINS: &[u8] = br#"{"type":"state","#;

/// The conversation of an encoded `state`, and whether it says that an agent has it; `None` for every other frame, at the
/// cost of a look at its first bytes.
pub fn standing_told(frame: &[u8]) -> Option<(ConversationId, bool)> {
    if !frame.starts_with(STATE_BEGINS) {
        return None;
    }
    let told: StateFrame = serde_json::from_slice(frame).ok()?;
    Some((told.conversation, told.state.is_assigned()))
}

impl ServerFrame<'_> {
    /// The frame as it goes to the socket.
    pub fn encode(&self) -> Bytes {
        let mut json = Vec::with_capacity(ENCODED_BYTES);
        match serde_json::to_writer(&mut json, self) {
            Ok(()) => Bytes::from(json),
            Err(_) => Bytes::from_static(UNENCODABLE),
        }
    }
}
