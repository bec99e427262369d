//! Rushdesk: an online customer-service desk for e-commerce. See `docs/ARCHITECTURE.md` for the map.

pub mod ident;
pub mod clock;
pub mod refusal;

pub mod wire;

pub mod conversation;
pub mod journal;
pub mod fanout;

pub mod mailbox;
