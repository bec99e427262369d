//! The outside's words: socket frames, HTTP bodies, codes, and how they turn into the house's own types and back.
//!
//! This is the only room that knows the contract with clients byte for byte (`docs/PROTOCOL.md`). It checks *form*:
//! JSON, field types, sizes, well-formed URLs. It refuses to judge: whether a frame is allowed for this sender, now, is
//! decided by the session, the conversation and the desk. Never here: sockets, actors, stores, the clock.
//!
//! `client` and `decode` are what clients say; `server` and `entry` what they hear; `content` and `event` what both
//! carry; `node` is what nodes of one desk say to each other; `convert` leads to `conversation`'s types and back; `close`, `problem`, `rest`, `asyncapi` are the rest of the
//! contract. Client and server frames can be written and read both ways, so that the traffic driver speaks through the
//! same types.

pub mod asyncapi;
pub mod client;
pub mod close;
pub mod content;
pub mod convert;
pub mod decode;
mod decode_content;
pub mod entry;
pub mod event;
mod fields;
pub mod limits;
pub mod node;
pub mod problem;
pub mod rest;
pub mod server;
mod strict;
pub mod text_form;

pub use client::ClientFrame;
pub use decode::{FrameError, decode, decode_text};
pub use entry::{encode_entry, with_re};
pub use limits::Limits;
pub use server::ServerFrame;
pub use text_form::{JsonText, Text};
